// A form on the screen, field by field, until it is answered, declined or answered elsewhere. Keys come one at a time, pastes count as
// text; Escape declines.
import { type AgentQuestion, type FormField, readTyped } from "./form.ts"
import { inertLine } from "./inert.ts"
import type { Key } from "./keys.ts"
import { visible } from "./question.ts"
import type { Screen } from "./screen.ts"

export type FormOutcome = { decision: "allow-once"; answer: Record<string, unknown> } | { decision: "deny" }

const MAX_LINE = 10_000

export class FormDialogue {
  readonly #out: Screen
  readonly #question: AgentQuestion
  readonly #done: (outcome: FormOutcome) => void
  readonly #answer: Record<string, unknown> = {}
  #at = 0
  #line = ""

  constructor(out: Screen, question: AgentQuestion, done: (outcome: FormOutcome) => void) {
    this.#out = out
    this.#question = question
    this.#done = done
  }

  begin(): void {
    const bold = (text: string) => this.#out.paint(text, "bold")
    if (this.#question.type === "url") {
      this.#out.line(`    ${visible(inertLine(this.#question.url))}`)
      this.#out.write(`  ${bold("[y]")} I have been there  ${bold("[n]")} no  `)
    } else if (this.#question.fields.length === 0) this.#out.write(`  ${bold("[y]")} yes  ${bold("[n]")} no  `)
    else {
      this.#out.line(`  ${this.#out.paint("Enter takes a line, Escape declines.", "dim")}`)
      this.#prompt()
    }
  }

  key(key: Key): void {
    if (key.ctrl || key.meta) return
    const field = this.#field
    if (key.name === "escape") this.#end({ decision: "deny" })
    else if (field) this.#type(field, key)
    else if (!key.pasted) {
      const pressed = (key.sequence ?? key.name ?? "").toLowerCase()
      if (pressed === "y") this.#end({ decision: "allow-once", answer: {} })
      else if (pressed === "n") this.#end({ decision: "deny" })
    }
  }

  get #field(): FormField | undefined {
    return this.#question.type === "form" ? this.#question.fields[this.#at] : undefined
  }

  #prompt(): void {
    const field = this.#field
    if (!field) {
      this.#end({ decision: "allow-once", answer: this.#answer })
      return
    }
    this.#line = ""
    const { choices, description, fallback, required, title, type } = field
    const extra = type === "boolean" ? " (y/n)" : required || fallback !== undefined ? "" : " (may be left empty)"
    const usual = fallback === undefined ? "" : ` [${shown(String(fallback))}]`
    if (description !== undefined) this.#out.line(`    ${this.#out.paint(shown(description), "dim")}`)
    for (const [i, choice] of choices.entries()) this.#out.line(`    ${i + 1}. ${shown(choice.title)}`)
    this.#out.write(`  ${this.#out.paint(`${shown(title)}${extra}${usual}:`, "bold")} `)
  }

  #type(field: FormField, { name, sequence = "" }: Key): void {
    if (name === "return" || name === "enter") this.#take(field)
    else if (name === "backspace") {
      if (this.#line === "") return
      this.#line = [...this.#line].slice(0, -1).join("")
      this.#out.write(`\r\x1b[K  ${this.#out.paint(`${shown(field.title)}:`, "bold")} ${inertLine(this.#line)}`)
    } else if (!/[\u0000-\u001f\u007f]/.test(sequence) && this.#line.length < MAX_LINE) {
      this.#line += sequence
      this.#out.write(inertLine(sequence))
    }
  }

  #take(field: FormField): void {
    this.#out.line()
    const typed = readTyped(field, this.#line)
    if ("problem" in typed) this.#out.line(`    ${this.#out.paint(typed.problem, "yellow")}`)
    else {
      if (typed.value !== undefined) this.#answer[field.name] = typed.value
      this.#at += 1
    }
    this.#prompt()
  }

  #end(outcome: FormOutcome): void {
    this.#out.line()
    this.#done(outcome)
  }
}

function shown(text: string): string {
  return visible(inertLine(text))
}

// Asking the person in front of the terminal whether a call may run. The question is shown in full (question.ts); one key answers.
// "Always" shows its rule and asks once more; a pasted key answers nothing. Somebody else may answer first, elsewhere.
import { emitKeypressEvents } from "node:readline"
import { PincerError } from "../base/errors.ts"
import type { ApprovalDecision } from "../protocol/approval.ts"
import type { GatewayClient } from "../protocol/client.ts"
import { FormDialogue } from "./form-dialogue.ts"
import { inert, inertLine } from "./inert.ts"
import type { Key, Keys } from "./keys.ts"
import { type Question, showOffer, showQuestion } from "./question.ts"
import type { Screen } from "./screen.ts"

interface Said {
  decision: ApprovalDecision
  reason?: string
  answer?: Record<string, unknown>
}

type Outcome = Said | { elsewhere: string }

const SAID: Readonly<Record<ApprovalDecision, string>> = {
  "allow-once": "Yes, once",
  "allow-session": "Yes, also when exactly this is wanted again in this conversation",
  "allow-always": "Yes, and this rule stands from now on",
  deny: "No",
}

const MAX_REASON = 1_000

/** Asks one question after the other. */
export class Asker {
  readonly #client: GatewayClient
  readonly #out: Screen
  readonly #keys: Keys
  readonly #answered = new Map<string, string>()
  readonly #waiting = new Map<string, (elsewhere: string) => void>()
  #line: Promise<void> = Promise.resolve()

  constructor(client: GatewayClient, out: Screen, keys: Keys) {
    this.#client = client
    this.#out = out
    this.#keys = keys
  }

  /** Resolves when every question is answered. */
  get idle(): Promise<void> {
    return this.#line
  }

  ask(question: Question): void {
    this.#line = this.#line.then(() => this.#one(question))
  }

  /** It was answered, here or elsewhere; or nobody did (null), for this reason. */
  answered(id: string, decision: string | null, reason?: string): void {
    const words = decision ?? (reason === "canceled" ? "withdrawn" : "nobody answered in time")
    this.#answered.set(id, words)
    this.#waiting.get(id)?.(words)
  }

  /** The turn is over: nobody waits for an answer any more. */
  stop(): void {
    for (const settle of [...this.#waiting.values()]) settle("canceled")
  }

  async #one(question: Question): Promise<void> {
    if (this.#answered.has(question.id)) return
    const outcome = await new Dialogue(this.#out, this.#keys, question).run((settle) => {
      this.#waiting.set(question.id, settle)
    })
    this.#waiting.delete(question.id)
    if ("elsewhere" in outcome) {
      this.#out.line()
      this.#out.line(this.#out.paint(`(${inertLine(outcome.elsewhere)})`, "dim"))
      return
    }
    const { answer, decision, reason } = outcome
    const said = question.asks ? (decision === "deny" ? "Declined" : "Answered") : SAID[decision]
    this.#out.line(this.#out.paint(said, decision === "deny" ? "red" : "green"))
    try {
      await this.#client.request("exec.approval.resolve", {
        id: question.id,
        decision,
        ...(reason === undefined ? {} : { reason }),
        ...(answer === undefined ? {} : { answer }),
      })
    } catch (error) {
      if (!(error instanceof PincerError)) throw error
      this.#out.line(this.#out.paint(`! ${inert(error.message)}`, "yellow"))
    }
  }
}

/** One question on the screen until it has its answer. */
class Dialogue {
  readonly #out: Screen
  readonly #keys: Keys
  readonly #question: Question
  readonly #end = Promise.withResolvers<Outcome>()
  readonly #form: FormDialogue | undefined
  #step: "choose" | "confirm" | "reason" = "choose"
  #reason = ""

  constructor(out: Screen, keys: Keys, question: Question) {
    this.#out = out
    this.#keys = keys
    this.#question = question
    const { asks } = question
    if (asks) this.#form = new FormDialogue(out, asks, (outcome) => this.#end.resolve(outcome))
  }

  /** `others` gets the function by which an answer from elsewhere ends it. */
  async run(others: (settle: (elsewhere: string) => void) => void): Promise<Outcome> {
    showQuestion(this.#out, this.#question)
    if (this.#form) this.#form.begin()
    else this.#choices()
    const stop = this.#keys.onKey((key) => this.#key(key))
    others((elsewhere) => this.#end.resolve({ elsewhere }))
    try {
      return await this.#end.promise
    } finally {
      stop()
    }
  }

  #choices(): void {
    this.#step = "choose"
    const bold = (key: string) => this.#out.paint(key, "bold")
    const always = this.#question.offer === undefined ? "" : `${bold("[a]")} always  `
    this.#out.write(
      `  ${bold("[y]")} once  ${bold("[s]")} this session  ${always}${bold("[n]")} no  ${bold("[r]")} no, with a reason  `,
    )
  }

  #key(key: Key): void {
    if (key.ctrl || key.meta) return
    if (this.#form) this.#form.key(key)
    else if (this.#step === "reason") this.#type(key)
    else if (!key.pasted) this.#choose((key.sequence ?? key.name ?? "").toLowerCase())
  }

  #choose(key: string): void {
    if (this.#step === "confirm") {
      if (key === "y") this.#say("allow-always")
      else if (key === "n" || key === "\x1b") {
        this.#out.line("back")
        this.#choices()
      }
      return
    }
    const { offer } = this.#question
    if (key === "y") this.#say("allow-once")
    else if (key === "s") this.#say("allow-session")
    else if (key === "n") this.#say("deny")
    else if (key === "r") {
      this.#step = "reason"
      this.#out.write(`\n  ${this.#out.paint("Why not?", "bold")} `)
    } else if (key === "a" && offer !== undefined) {
      this.#step = "confirm"
      showOffer(this.#out, offer)
      this.#out.write(`  ${this.#out.paint("[y]", "bold")} write it  ${this.#out.paint("[n]", "bold")} back  `)
    }
  }

  #type({ name, sequence = "" }: Key): void {
    if (name === "return" || name === "enter") {
      this.#out.line()
      const reason = this.#reason.trim()
      this.#say("deny", reason === "" ? undefined : reason)
    } else if (name === "escape") {
      this.#reason = ""
      this.#out.line()
      this.#choices()
    } else if (name === "backspace") {
      if (this.#reason === "") return
      this.#reason = [...this.#reason].slice(0, -1).join("")
      this.#out.write(`\r\x1b[K  ${this.#out.paint("Why not?", "bold")} ${inertLine(this.#reason)}`)
    } else if (!/[\u0000-\u001f\u007f]/.test(sequence) && this.#reason.length < MAX_REASON) {
      this.#reason += sequence
      this.#out.write(inertLine(sequence))
    }
  }

  #say(decision: ApprovalDecision, reason?: string): void {
    this.#end.resolve({ decision, ...(reason === undefined ? {} : { reason }) })
  }
}

/** Keys of a terminal that nobody else reads, raw while somebody listens. Ctrl-C is passed on as SIGINT. */
export function terminalKeys(stdin: NodeJS.ReadStream): Keys {
  return {
    onKey(listener) {
      const heard = (_: string | undefined, key: Key) => {
        if (key.ctrl && key.name === "c") process.kill(process.pid, "SIGINT")
        else listener(key)
      }
      emitKeypressEvents(stdin)
      stdin.setRawMode(true)
      stdin.resume()
      stdin.on("keypress", heard)
      return () => {
        stdin.off("keypress", heard)
        stdin.setRawMode(false)
        stdin.pause()
      }
    },
  }
}

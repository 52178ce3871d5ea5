// The ways in which a turn is shown: for people on a terminal, as plain text in a pipe, as JSON lines for programs, or only its end.

import type { Plan } from "../protocol/plan.ts"
import type { Cli } from "./cli.ts"
import { inert, inertJson, inertLine } from "./inert.ts"
import { MarkdownStream } from "./markdown.ts"
import { changeWords, PlanLines } from "./plan-lines.ts"
import type { Question } from "./question.ts"
import type { Screen } from "./screen.ts"
import type { Answered, Ending, Stage, ToolEnd, ToolStart } from "./turn.ts"
import { fit } from "./width.ts"

/** Where questions go. */
export interface Questions {
  ask(question: Question): void
  answered(id: string, decision: string | null, reason?: string): void
}

export type Format = "text" | "json" | "quiet"

/** `asker`: who puts questions to the person in front of the terminal, when there is one. */
export function openStage(cli: Cli, format: Format, asker?: Questions): Stage {
  if (format === "json") return new JsonStage(cli.out)
  if (format === "quiet") return new QuietStage(cli)
  return cli.out.isTerminal ? new TerminalStage(cli, asker) : new PipeStage(cli)
}

/** Everything that a stage may leave unsaid. */
class SilentStage implements Stage {
  started(_run: { runId: string; sessionKey: string }): void {
    return
  }
  model(_provider: string, _model: string): void {
    return
  }
  text(_delta: string): void {
    return
  }
  thinking(_delta: string): void {
    return
  }
  toolStarted(_tool: ToolStart): void {
    return
  }
  toolUpdated(_tool: { callId: string; name: string; output: string }): void {
    return
  }
  toolEnded(_tool: ToolEnd): void {
    return
  }
  plan(_planId: string, _plan: Plan | null): void {
    return
  }
  notice(_level: "info" | "warning", _text: string): void {
    return
  }
  asked(_question: Question): void {
    return
  }
  answered(_answer: Answered): void {
    return
  }
  ended(_ending: Ending): void {
    return
  }
}

const MAX_DIFF_LINES = 40

/** For people: Markdown as it streams, each tool call with its arguments as it happens, then what came of it. */
export class TerminalStage extends SilentStage {
  readonly #out: Screen
  readonly #verbose: boolean
  readonly #questions: Questions | undefined
  #markdown: MarkdownStream
  /** What was written last, so that paragraphs, thoughts and calls keep their distance. */
  #last: "nothing" | "text" | "thinking" | "tool" | "note" = "nothing"
  /** The call whose line is on the screen last. */
  #lastCall: string | undefined
  #titles = new Map<string, string>()
  readonly #plans = new PlanLines()
  /** A sign of life stands on the screen until there is something to show. */
  #waiting = false

  constructor(cli: Pick<Cli, "out" | "verbose">, questions?: Questions) {
    super()
    this.#out = cli.out
    this.#verbose = cli.verbose
    this.#questions = questions
    this.#markdown = new MarkdownStream(cli.out)
  }

  override started(): void {
    this.#out.write(this.#out.paint("…", "dim"))
    this.#waiting = true
  }

  override text(delta: string): void {
    const words = this.#last === "text" ? delta : delta.replace(/^\n+/, "")
    if (words === "") return
    this.#begin("text")
    this.#markdown.write(words)
  }

  override thinking(delta: string): void {
    if (!this.#verbose || delta === "") return
    this.#begin("thinking")
    this.#out.write(this.#out.paint(inert(delta), "dim", "italic"))
  }

  override toolStarted({ callId, name, title }: ToolStart): void {
    this.#begin("tool")
    const label = `${this.#out.paint("●", "cyan")} ${this.#out.paint(inertLine(name), "bold")}  `
    this.#out.line(label + fit(inertLine(title), this.#out.width - name.length - 5))
    this.#titles.set(callId, title)
    this.#lastCall = callId
  }

  override toolEnded({ callId, changes, name, isError, text, details, durationMs }: ToolEnd): void {
    const title = this.#titles.get(callId) ?? ""
    this.#titles.delete(callId)
    this.#begin("tool")
    const which = this.#lastCall === callId ? "" : `${inertLine(name)} ${fit(inertLine(title), 40)}: `
    const took = durationMs >= 1000 ? ` (${(durationMs / 1000).toFixed(1)} s)` : ""
    const summary = fit(`${which}${summaryOf(text)}${took}`, this.#out.width - 5)
    this.#out.line(`  ${this.#out.paint(`└ ${summary}`, isError ? "red" : "dim")}`)
    const { diff } = details
    if (typeof diff === "string" && !isError) this.#diff(diff)
    else for (const change of changes) this.#out.line(this.#out.paint(`    ${changeWords(change)}`, "dim"))
    this.#lastCall = undefined
  }

  #diff(diff: string): void {
    const lines = inert(diff).trimEnd().split("\n")
    for (const line of lines.slice(0, MAX_DIFF_LINES)) {
      const shown = fit(line.replaceAll("\t", "  "), this.#out.width - 5)
      const style = line.startsWith("+") ? "green" : line.startsWith("-") ? "red" : "dim"
      this.#out.line(`    ${this.#out.paint(shown, style)}`)
    }
    if (lines.length > MAX_DIFF_LINES)
      this.#out.line(this.#out.paint(`    … ${lines.length - MAX_DIFF_LINES} more lines`, "dim"))
  }

  override plan(planId: string, plan: Plan | null): void {
    const lines = this.#plans.changed(planId, plan)
    if (lines.length === 0) return
    this.#begin("note")
    for (const line of lines) this.#out.line(fit(line, this.#out.width - 1))
  }

  override notice(level: "info" | "warning", text: string): void {
    this.#begin("note")
    this.#out.line(this.#out.paint(`! ${inertLine(text)}`, level === "warning" ? "yellow" : "dim"))
  }

  override ended({ status, error, stopReason }: Ending): void {
    this.#settle()
    if (error) this.#out.line(this.#out.paint(`✗ ${inert(error.message)}`, "red"))
    else if (status === "canceled") this.#out.line(this.#out.paint("✗ Canceled", "yellow"))
    else if (stopReason !== undefined && stopReason !== "stop")
      this.#out.line(this.#out.paint(`! Ended early: ${inertLine(stopReason.replaceAll("_", " "))}`, "yellow"))
    this.#last = "nothing"
    this.#titles.clear()
  }

  override asked(question: Question): void {
    this.#begin("note")
    this.#questions?.ask(question)
  }

  override answered({ id, decision, reason }: Answered): void {
    this.#questions?.answered(id, decision, reason)
  }

  #begin(what: "text" | "thinking" | "tool" | "note"): void {
    this.#clearSign()
    if (this.#last === what) return
    const before = this.#last
    this.#settle()
    if (before !== "nothing" && (what === "text" || before === "text" || before === "thinking")) this.#out.line()
    this.#last = what
  }

  #clearSign(): void {
    if (this.#waiting) this.#out.write("\r\x1b[K")
    this.#waiting = false
  }

  #settle(): void {
    this.#clearSign()
    if (this.#last === "text") {
      this.#markdown.end()
      this.#markdown = new MarkdownStream(this.#out)
    } else if (this.#last === "thinking") this.#out.line()
  }
}

/** The first words of a result, and how much more there is. */
export function summaryOf(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  const first = inertLine((lines[0] ?? "(nothing)").trim())
  return lines.length > 1 ? `${first}  … ${lines.length - 1} more ${lines.length === 2 ? "line" : "lines"}` : first
}

/** For pipes: the answer alone on standard output; calls (on request) and refusals on standard error. */
class PipeStage extends SilentStage {
  readonly #out: Screen
  readonly #err: Screen
  readonly #verbose: boolean
  readonly #plans = new PlanLines()
  #ends = "\n"

  constructor(cli: Pick<Cli, "out" | "err" | "verbose">) {
    super()
    this.#out = cli.out
    this.#err = cli.err
    this.#verbose = cli.verbose || cli.err.isTerminal
  }

  override text(delta: string): void {
    const shown = inert(delta)
    this.#out.write(shown)
    this.#ends = shown.at(-1) ?? this.#ends
  }

  override toolStarted({ name, title }: ToolStart): void {
    if (this.#verbose) this.#err.line(this.#err.paint(`● ${inertLine(name)}  ${inertLine(title)}`, "dim"))
  }

  override toolEnded({ changes, name, isError, text, details }: ToolEnd): void {
    if (details["denied"] === true) this.#err.line(deniedLine(name, text))
    if (details["denied"] === true || !this.#verbose) return
    this.#err.line(this.#err.paint(`  └ ${summaryOf(text)}`, isError ? "red" : "dim"))
    for (const change of changes) this.#err.line(this.#err.paint(`    ${changeWords(change)}`, "dim"))
  }

  override plan(planId: string, plan: Plan | null): void {
    const lines = this.#plans.changed(planId, plan)
    if (this.#verbose) for (const line of lines) this.#err.line(this.#err.paint(line, "dim"))
  }

  override notice(level: "info" | "warning", text: string): void {
    if (level === "warning" || this.#verbose) this.#err.line(`! ${inertLine(text)}`)
  }

  override ended({ error, status, stopReason }: Ending): void {
    if (this.#ends !== "\n") this.#out.line()
    tellEnding(this.#err, { error, status, stopReason })
  }
}

function deniedLine(name: string, text: string): string {
  return `! ${inertLine(name)}: ${inertLine(text)} Run it in a terminal to be asked.`
}

function tellEnding(err: Screen, { error, status, stopReason }: Pick<Ending, "error" | "status" | "stopReason">): void {
  if (error) err.line(`pincer: ${inert(error.message)}`)
  else if (status === "canceled") err.line("pincer: Canceled")
  else if (stopReason !== undefined && stopReason !== "stop")
    err.line(`! Ended early: ${inertLine(stopReason.replaceAll("_", " "))}`)
}

/** Only the last paragraphs: what the agent said after its last tool call. */
class QuietStage extends SilentStage {
  readonly #cli: Pick<Cli, "out" | "err">
  #text = ""

  constructor(cli: Pick<Cli, "out" | "err">) {
    super()
    this.#cli = cli
  }

  override text(delta: string): void {
    this.#text += delta
  }

  override toolStarted(): void {
    this.#text = ""
  }

  override toolEnded({ name, text, details }: ToolEnd): void {
    if (details["denied"] === true) this.#cli.err.line(deniedLine(name, text))
  }

  override ended(ending: Ending): void {
    const text = inert(this.#text).trim()
    if (text !== "") this.#cli.out.line(text)
    tellEnding(this.#cli.err, ending)
  }
}

/** One event a line; the last one has type "result". */
class JsonStage implements Stage {
  readonly #out: Screen

  constructor(out: Screen) {
    this.#out = out
  }

  #put(type: string, fields: object): void {
    this.#out.line(inertJson(JSON.stringify({ type, ...fields })))
  }

  started(run: { runId: string; sessionKey: string }): void {
    this.#put("started", run)
  }
  model(provider: string, model: string): void {
    this.#put("model", { provider, model })
  }
  text(delta: string): void {
    this.#put("text", { delta })
  }
  thinking(delta: string): void {
    this.#put("thinking", { delta })
  }
  toolStarted(tool: ToolStart): void {
    this.#put("tool.started", tool)
  }
  toolUpdated(tool: { callId: string; name: string; output: string }): void {
    this.#put("tool.updated", tool)
  }
  toolEnded(tool: ToolEnd): void {
    this.#put("tool.ended", tool)
  }
  plan(planId: string, plan: Plan | null): void {
    this.#put("plan", { planId, plan })
  }
  notice(level: "info" | "warning", text: string): void {
    this.#put("notice", { level, text })
  }
  asked(question: Question): void {
    this.#put("approval.requested", question)
  }
  answered(answer: Answered): void {
    this.#put("approval.resolved", answer)
  }
  ended(ending: Ending): void {
    this.#put("result", ending)
  }
}

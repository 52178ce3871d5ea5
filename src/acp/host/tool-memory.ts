// What must be remembered of an agent's calls so that each change of them can be told whole: what a call shows, and the terminals that the
// agent runs itself, whose output comes in pieces. Bounded: the oldest are forgotten first.
import { StringDecoder } from "node:string_decoder"
import type { TerminalContent, ToolContent } from "../../protocol/tool-view.ts"

const MAX_CALLS = 2_000
const MAX_TERMINALS = 200
const MAX_OUTPUT_CHARS = 128 * 1024

interface Terminal {
  content: TerminalContent
  decoder: StringDecoder
}

export class ToolMemory {
  readonly #calls = new Map<string, ToolContent[]>()
  readonly #terminals = new Map<string, Terminal>()

  /** What the call shows now, its terminals as they stand. */
  shown(callId: string): ToolContent[] {
    return (this.#calls.get(callId) ?? []).map((one) => this.#current(one))
  }

  show(callId: string, content: ToolContent[]): ToolContent[] {
    this.#calls.delete(callId)
    this.#calls.set(callId, content)
    forgetOldest(this.#calls, MAX_CALLS)
    return this.shown(callId)
  }

  /** Adds one piece to what the call shows. */
  append(callId: string, content: ToolContent): ToolContent[] {
    return this.show(callId, [...(this.#calls.get(callId) ?? []), content])
  }

  /** The calls that show a terminal. */
  showing(terminalId: string): string[] {
    return [...this.#calls].flatMap(([callId, content]) =>
      content.some((one) => one.type === "terminal" && one.terminalId === terminalId) ? [callId] : [],
    )
  }

  isTheirs(terminalId: string): boolean {
    return this.#terminals.has(terminalId)
  }

  /** The agent runs this terminal itself. */
  terminal(terminalId: string, change: Partial<TerminalContent> = {}): void {
    const known = this.#terminals.get(terminalId)
    const content: TerminalContent = {
      ...(known?.content ?? { type: "terminal", terminalId, owner: "agent" }),
      ...change,
    }
    this.#terminals.set(terminalId, { content, decoder: known?.decoder ?? new StringDecoder("utf8") })
    if (change.output !== undefined) this.#cut(content)
    forgetOldest(this.#terminals, MAX_TERMINALS)
  }

  output(terminalId: string, data: string | Buffer): void {
    if (!this.#terminals.has(terminalId)) this.terminal(terminalId)
    const { content, decoder } = this.#terminals.get(terminalId)!
    const text = typeof data === "string" ? data : decoder.write(data)
    content.output = (content.output ?? "") + text
    this.#cut(content)
  }

  #cut(content: TerminalContent): void {
    const { output = "" } = content
    if (output.length <= MAX_OUTPUT_CHARS) return
    let tail = output.slice(-MAX_OUTPUT_CHARS)
    const first = tail.charCodeAt(0)
    if (first >= 0xdc00 && first <= 0xdfff) tail = tail.slice(1)
    content.output = tail
    content.truncated = true
  }

  #current(one: ToolContent): ToolContent {
    if (one.type !== "terminal") return one
    const known = this.#terminals.get(one.terminalId)
    return known ? { ...known.content } : one
  }
}

function forgetOldest(map: Map<string, unknown>, max: number): void {
  while (map.size > max) {
    const [oldest] = map.keys()
    if (oldest === undefined) return
    map.delete(oldest)
  }
}

// Putting an answer together while it streams: text, thinking, and tool calls whose arguments are parsed once they are complete.
// Shared by all wires, so that the rule "no half-received call is ever run" has one home.
import { isObject, parseJson } from "../base/json.ts"
import { estimateTokens } from "../base/text.ts"
import { NO_USAGE, type Part, type ToolCallPart, type Usage } from "../protocol/message.ts"
import type { ModelEvent, ModelRequest } from "./provider.ts"

/** A call that is being written. */
export interface OpenCall {
  callId: string
  name: string
  raw: string
  opaque?: string
}

export class AnswerParts {
  readonly #parts: Part[] = []
  readonly #calls = new Map<string, OpenCall>()

  /** Adds text and tells of it. */
  say(text: string, out: ModelEvent[]): void {
    if (text === "") return
    this.text(text)
    out.push({ type: "text.delta", text })
  }

  /** Adds reasoning and tells of it. */
  think(text: string, out: ModelEvent[]): void {
    if (text === "") return
    this.thinking(text)
    out.push({ type: "thinking.delta", text })
  }

  text(delta: string): void {
    const last = this.#parts.at(-1)
    if (last?.type === "text") last.text += delta
    else this.#parts.push({ type: "text", text: delta })
  }

  thinking(delta: string): void {
    const last = this.#parts.at(-1)
    if (last?.type === "thinking" && last.opaque === undefined) last.text += delta
    else this.#parts.push({ type: "thinking", text: delta })
  }

  /** A finished part as it is (a signature, an encrypted reasoning item). */
  push(part: Part): void {
    this.#parts.push(part)
  }

  get last(): Part | undefined {
    return this.#parts.at(-1)
  }

  /** Opens the call at `slot`, or gives the one that is open there. */
  call(slot: string, callId: string, name: string): OpenCall {
    let call = this.#calls.get(slot)
    if (!call) {
      call = { callId, name, raw: "" }
      this.#calls.set(slot, call)
    }
    return call
  }

  openCall(slot: string): OpenCall | undefined {
    return this.#calls.get(slot)
  }

  get lastSlot(): string | undefined {
    return [...this.#calls.keys()].at(-1)
  }

  /** The slots of all calls that were opened. */
  slots(): string[] {
    return [...this.#calls.keys()]
  }

  get hasCalls(): boolean {
    return this.#calls.size > 0
  }

  /** What was received when it broke off: never a tool call. */
  received(): Part[] {
    return this.#parts.filter((part) => part.type === "text" || part.type === "thinking")
  }

  /** The whole answer. `keepCalls` false when the model was cut off: its last call may be half a call. */
  content(keepCalls: boolean): Part[] {
    if (!keepCalls) return this.#parts
    return [...this.#parts, ...[...this.#calls.values()].map(closeCall)]
  }

  /** Characters that were written, for services that count nothing. */
  size(): string {
    let text = ""
    for (const part of this.#parts) if (part.type === "text" || part.type === "thinking") text += part.text
    for (const call of this.#calls.values()) text += call.raw
    return text
  }
}

/** Arguments are parsed strictly: anything but one JSON object leaves `args` out, and the call is answered with an error. */
export function closeCall(call: OpenCall): ToolCallPart {
  const { callId, name, raw, opaque } = call
  const base: ToolCallPart = { type: "tool.call", callId, name, ...(opaque === undefined ? {} : { opaque }) }
  if (raw.trim() === "") return { ...base, args: {} }
  try {
    const args = parseJson(raw)
    return isObject(args) ? { ...base, args } : { ...base, raw }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { ...base, raw }
  }
}

/** Usage counted from text length, for services that report none. */
export function estimateUsage(request: Pick<ModelRequest, "system" | "messages">, written: string): Usage {
  let input = estimateTokens(request.system ?? "")
  for (const message of request.messages) {
    for (const part of message.content) {
      if (part.type === "text" || part.type === "thinking") input += estimateTokens(part.text)
      else if (part.type === "tool.call") input += estimateTokens(JSON.stringify(part.args ?? part.raw ?? ""))
      else if (part.type === "tool.result")
        for (const piece of part.content) input += piece.type === "text" ? estimateTokens(piece.text) : 1000
      else input += 1000
    }
  }
  return { ...NO_USAGE, inputTokens: input, outputTokens: estimateTokens(written), estimated: true }
}

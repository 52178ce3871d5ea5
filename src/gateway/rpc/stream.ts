// A turn as the JSON-RPC door's `event` and `stream` notifications (IM-STR): a pure projection of turn events, in the order thinking,
// tools, output, end. One per turn and listener; it holds only where it stands.
import type { TurnEvent } from "../../protocol/event.ts"
import { type Message, textOf } from "../../protocol/message.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"

export type StreamType =
  | "thinking_start"
  | "thinking_delta"
  | "thinking_end"
  | "tool_start"
  | "tool_input"
  | "tool_output"
  | "tool_end"
  | "output_delta"
  | "output_final"
  | "error"
  | "done"

export interface StreamEvent {
  type: StreamType
  content: string
  /** Tool name, and what went in and came out. */
  name?: string
  input?: string
  output?: string
}

export interface StreamChunk {
  type: "content" | "error" | "done"
  content: string
}

/** What one turn event becomes: structured events, and raw chunks beside them. */
export interface Told {
  events: StreamEvent[]
  chunks: StreamChunk[]
}

const ANSI = /\u001b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g

export class TurnStream {
  #thinking = false
  /** Messages of which text was shown as it came. */
  readonly #shown = new Set<string>()
  readonly #inputs = new Map<string, string>()

  tell(event: TurnEvent): Told {
    const told: Told = { events: [], chunks: [] }
    switch (event.type) {
      case "thinking.delta":
        if (!this.#thinking) told.events.push({ type: "thinking_start", content: "" })
        this.#thinking = true
        told.events.push({ type: "thinking_delta", content: event.delta })
        break
      case "text.delta":
        this.#endThinking(told)
        this.#shown.add(event.messageId)
        this.#output(told, event.delta)
        break
      case "message.added":
        this.#message(told, event.message)
        break
      case "tool.started": {
        this.#endThinking(told)
        const input = JSON.stringify(event.args)
        this.#inputs.set(event.callId, input)
        told.events.push({ type: "tool_start", content: event.title, name: event.name })
        told.events.push({ type: "tool_input", content: input, name: event.name, input })
        break
      }
      case "tool.ended":
        this.#toolEnded(told, event)
        break
      case "turn.ended":
        this.#endThinking(told)
        this.#ended(told, event.outcome)
        break
      default:
        break
    }
    return told
  }

  #endThinking(told: Told): void {
    if (this.#thinking) told.events.push({ type: "thinking_end", content: "" })
    this.#thinking = false
  }

  #output(told: Told, text: string): void {
    told.events.push({ type: "output_delta", content: text })
    told.chunks.push({ type: "content", content: text.replace(ANSI, "") })
  }

  /** The recorded message: what was not seen as it came (a listener that came late, a replay) is told now. */
  #message(told: Told, message: Message): void {
    if (message.role !== "assistant") return
    for (const part of message.content)
      if (part.type === "thinking" && part.text !== "" && !this.#thinking && !this.#shown.has(message.id))
        told.events.push(
          { type: "thinking_start", content: "" },
          { type: "thinking_delta", content: part.text },
          { type: "thinking_end", content: "" },
        )
    this.#endThinking(told)
    const text = textOf(message.content)
    if (text === "") return
    if (!this.#shown.has(message.id)) this.#output(told, text)
    this.#shown.delete(message.id)
    told.events.push({ type: "output_final", content: text })
  }

  #toolEnded(told: Told, event: Extract<TurnEvent, { type: "tool.ended" }>): void {
    const { name, text } = event
    const input = this.#inputs.get(event.callId) ?? ""
    this.#inputs.delete(event.callId)
    if (event.isError) told.events.push({ type: "error", content: text, name, input, output: text })
    else told.events.push({ type: "tool_output", content: text, name, output: text })
    told.events.push({ type: "tool_end", content: "", name, input, output: text })
  }

  #ended(told: Told, outcome: TurnOutcome): void {
    if (outcome.status === "completed") {
      told.events.push({ type: "done", content: outcome.text })
      told.chunks.push({ type: "done", content: "" })
      return
    }
    const why = outcome.error?.message ?? (outcome.status === "canceled" ? "canceled" : outcome.stop)
    told.events.push({ type: "error", content: why })
    told.chunks.push({ type: "error", content: why })
  }
}

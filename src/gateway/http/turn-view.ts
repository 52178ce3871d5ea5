// One turn as a stream of what an API client may see: the words, the reasoning, and at the end how it came out and which of the
// client's own tools it is to run. The agent's own tool calls stay inside. Ends exactly once, whatever happens.
import type { TurnEnvelope } from "../../protocol/event.ts"
import { callsOf, type Message, NO_USAGE, type ToolCallPart, textOf } from "../../protocol/message.ts"
import type { TurnOutcome, TurnRequest } from "../../protocol/turn.ts"
import type { ModelRef } from "../../providers/catalogue.ts"
import type { Parts } from "../parts.ts"

export interface TurnEnd {
  outcome: TurnOutcome
  /** Calls to the client's own tools; only when the outcome's stop is "tool_calls". */
  calls: readonly ToolCallPart[]
  /** Whether the agent ran tools of its own: then the same request must not be repeated blindly. */
  toolsRan: boolean
  /** Number of the last event in the session; 0 when nothing was recorded. */
  seq: number
}

export interface TurnSink {
  /** `ref`: who answers. Called again when another model takes over. */
  model?(ref: ModelRef): void
  text(delta: string): void
  thinking(delta: string): void
  /** Exactly once; nothing follows. */
  ended(end: TurnEnd): void | Promise<void>
}

/** Between two answers of one turn (before and after the agent used a tool). */
const BREAK = "\n\n"

export class TurnView {
  ended: Promise<void> | undefined
  readonly #sink: TurnSink
  readonly #clientTools: ReadonlySet<string>
  #messageId = ""
  #shown = 0
  #spoke = false
  #calls: ToolCallPart[] = []
  #toolsRan = false

  constructor(request: TurnRequest, sink: TurnSink) {
    this.#sink = sink
    this.#clientTools = new Set(request.clientTools?.map((tool) => tool.name))
  }

  /** The hub's listener. */
  readonly show = (envelope: TurnEnvelope): void => {
    const { event } = envelope
    switch (event.type) {
      case "text.delta":
        this.#text(event.messageId, event.delta)
        return
      case "thinking.delta":
        this.#sink.thinking(event.delta)
        return
      case "message.added":
        if (event.message.role === "assistant") this.#added(event.message)
        return
      case "model.started":
        this.#sink.model?.({ provider: event.provider, model: event.model })
        return
      case "tool.started":
        this.#toolsRan = true
        return
      case "turn.ended":
        this.end(event.outcome, envelope.seq ?? 0)
        return
    }
  }

  end(outcome: TurnOutcome, seq: number): void {
    if (this.ended) return
    const calls = outcome.stop === "tool_calls" ? this.#calls : []
    this.ended = Promise.resolve(this.#sink.ended({ outcome, calls, toolsRan: this.#toolsRan, seq }))
  }

  #text(messageId: string, delta: string): void {
    if (messageId !== this.#messageId) {
      this.#messageId = messageId
      this.#shown = 0
      if (this.#spoke) this.#sink.text(BREAK)
    }
    this.#shown += delta.length
    this.#spoke = true
    this.#sink.text(delta)
  }

  /** The message as recorded: shows what no delta did, and remembers its calls. */
  #added(message: Message): void {
    const text = textOf(message.content)
    const shown = message.id === this.#messageId ? this.#shown : 0
    if (text.length > shown) this.#text(message.id, text.slice(shown))
    this.#calls = callsOf(message.content).filter((call) => this.#clientTools.has(call.name))
  }
}

/**
 * Submits a turn and shows it to the sink until it has ended. Rejects with the refusal when it was not accepted; then the sink
 * has heard nothing.
 */
export async function runTurn(parts: Parts, request: TurnRequest, sink: TurnSink): Promise<void> {
  const view = new TurnView(request, sink)
  const stop = parts.hub.onTurnAsRecorded(request.turnId, view.show)
  try {
    await parts.lanes.submit(request)
    // Only a turn whose end could not be written down ends without its event.
    if (!view.ended) await parts.lanes.wait(request.turnId)
    if (!view.ended) view.end(LOST, 0)
    await view.ended
  } finally {
    stop()
  }
}

const LOST: TurnOutcome = {
  status: "failed",
  stop: "error",
  text: "",
  usage: NO_USAGE,
  error: { code: "INTERNAL_ERROR", message: "The end of the turn could not be recorded: the gateway's log says more" },
}

/** Cancels the turn of a caller that has gone. */
export function abandon(parts: Parts, turnId: string): void {
  parts.lanes
    .cancel({ turnId })
    .catch((error: unknown) => parts.log.error({ err: error, turnId }, "A turn could not be canceled"))
}

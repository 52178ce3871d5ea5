// What all viewers of a run share: its text so far and the number of its last event. One per running turn, gone when it ends.
import type { TurnEnvelope } from "../../protocol/event.ts"

/** The two kinds of text that grow. */
export type Growing = "text" | "thinking"

export class RunView {
  readonly turnId: string
  readonly sessionKey: string
  readonly sessionId: string
  readonly agentId: string
  /** Text of all answers of the run, one paragraph apart. */
  text = ""
  thinking = ""
  /** Number of the last event shown to anybody (per run, protocol §1.4). */
  seq = 0
  /** Whether the session wants tool events without the cap. */
  verbose = false
  #messages: Record<Growing, string> = { text: "", thinking: "" }

  constructor(envelope: TurnEnvelope) {
    this.turnId = envelope.turnId
    this.sessionKey = envelope.sessionKey
    this.sessionId = envelope.sessionId
    this.agentId = envelope.agentId
  }

  /** Adds what a delta brings. A new message begins a new paragraph. */
  grow(kind: Growing, messageId: string, delta: string): void {
    if (this.#messages[kind] !== messageId) {
      this.#messages[kind] = messageId
      if (this[kind] !== "") this[kind] += "\n\n"
    }
    this[kind] += delta
  }
}

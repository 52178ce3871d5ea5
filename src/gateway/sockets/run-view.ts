// What all viewers of a run share: its text so far and the number of its last event. One per running turn, gone when it ends.
import type { TurnEnvelope } from "../../protocol/event.ts"

/** The two kinds of text that grow. */
export type Growing = "text" | "thinking"

export class RunView {
  readonly turnId: string
  readonly sessionKey: string
  readonly sessionId: string
  readonly agentId: string
  /** Text of all answers of the run, one paragraph apart. It only ever grows at its end. */
  text = ""
  thinking = ""
  /** Number of the last event, the same for every viewer, and not contiguous for any (protocol §1.4). */
  seq = 0
  /** Whether the session wants tool events without the cap. */
  verbose = false
  /** What has been shown to those who were there from the beginning. */
  readonly shown: Record<Growing, number> = { text: 0, thinking: 0 }
  /** Shown within the current beat: what grows now waits for the next one. */
  fresh = false
  /** Has grown since it was last shown. */
  dirty = false
  readonly #messages: Record<Growing, string> = { text: "", thinking: "" }

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

  /** The next number. Two are taken: one moment can be two `agent` events, the first of which carries `seq - 1`. */
  step(): void {
    this.seq += 2
  }
}

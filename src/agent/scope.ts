// One attempt of one turn: what it may write (fenced), how it touches the world (step), how it waits for a human (park).
// The body that runs in a scope can be dropped and run again from its top at any time; what it did is in the log and the journal.
import type { LiveEvent, RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import type { Effect } from "../store/journal.ts"
import type { Fence, SessionRow } from "../store/store.ts"
import type { Ports } from "./ports.ts"

/** Why a turn is stopped from outside; the reason of the scope's signal. */
export class TurnAbort extends Error {
  override readonly name = "TurnAbort"
  readonly kind: "aborted" | "shutdown" | "time_limit"

  constructor(kind: TurnAbort["kind"]) {
    super(`The turn was stopped: ${kind}`)
    this.kind = kind
  }
}

/** Thrown to drop the body: the turn waits for an answer and holds no memory until then. */
export class Parked extends Error {
  override readonly name = "Parked"
}

export type StepOutcome<T> = { type: "done"; value: T } | { type: "uncertain" }

export interface StepTale<T> {
  /** Events that go with the intent. */
  before: RecordedEvent[]
  /** Events that go with the outcome. */
  after: (value: T) => RecordedEvent[]
}

export class TurnScope {
  readonly fence: Fence
  readonly session: SessionRow
  readonly signal: AbortSignal
  readonly #ports: Ports

  constructor(ports: Ports, fence: Fence, session: SessionRow, signal: AbortSignal) {
    this.#ports = ports
    this.fence = fence
    this.session = session
    this.signal = signal
  }

  /** Appends facts, then publishes them. */
  async record(events: RecordedEvent[]): Promise<void> {
    this.show(await this.#ports.books.turns.append(this.fence, events))
  }

  show(envelopes: readonly RecordedEnvelope[]): void {
    for (const envelope of envelopes) this.#ports.publish(envelope)
  }

  /** Publishes something that only matters now. */
  live(event: LiveEvent): void {
    const { sessionKey, turnId } = this.fence
    const { id: sessionId, agentId } = this.session
    this.#ports.publish({ sessionKey, sessionId, agentId, turnId, seq: null, at: this.#ports.clock.now(), event })
  }

  /** Whether an earlier attempt began this step. */
  async begun(key: string): Promise<boolean> {
    return this.fence.epoch > 1 && (await this.#ports.books.journal.state(this.fence, key)).type !== "new"
  }

  /**
   * The one way to touch the world: intent on disk, act, outcome on disk. A step that has an outcome is answered from the
   * journal; a "once" step that only has an intent is uncertain and not done again.
   * When the scope is stopped by a shutdown during a "once" act, no outcome is written: the next attempt finds it uncertain.
   */
  async step<T>(
    key: string,
    effect: Effect,
    tale: StepTale<T>,
    act: (signal: AbortSignal) => Promise<T>,
  ): Promise<StepOutcome<T>> {
    const { journal } = this.#ports.books
    const state = this.fence.epoch > 1 ? await journal.state(this.fence, key) : ({ type: "new" } as const)
    if (state.type === "done") return { type: "done", value: state.value as T }
    if (state.type === "intended" && state.effect === "once") return { type: "uncertain" }
    this.show(await journal.intend(this.fence, key, effect, tale.before))
    this.#ports.checkpoint("call.intended")
    const value = await act(this.signal)
    this.#ports.checkpoint("call.acted")
    if (
      this.signal.aborted &&
      effect === "once" &&
      this.signal.reason instanceof TurnAbort &&
      this.signal.reason.kind === "shutdown"
    )
      throw this.signal.reason
    this.show(await journal.settle(this.fence, key, effect, value, tale.after(value)))
    this.#ports.checkpoint("call.recorded")
    return { type: "done", value }
  }
}

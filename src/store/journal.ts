// The journal of turns: the one way any effect on the world is made (house §5). The intent is on disk, then the act runs, then the
// outcome is on disk. After a crash a step with an outcome is answered from here; one with an intent only is uncertain.
// Reads leave no intent: doing one again harms nobody.
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import type { Database } from "./database.ts"
import type { Effect, StepState, StepTable } from "./steps.ts"
import type { Fence } from "./store.ts"
import type { TurnTable } from "./turns.ts"

export type { Effect, StepState }

export class Journal {
  readonly #db: Database
  readonly #turns: TurnTable
  readonly #steps: StepTable

  constructor(db: Database, turns: TurnTable, steps: StepTable) {
    this.#db = db
    this.#turns = turns
    this.#steps = steps
  }

  async state(fence: Fence, key: string): Promise<StepState> {
    return this.#steps.state(fence.turnId, key)
  }

  /** Writes the intent (not for reads) with the events that announce it. */
  intend(fence: Fence, key: string, effect: Effect, events: readonly RecordedEvent[]): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      const envelopes = this.#turns.appendNow(fence, events)
      if (effect !== "read") this.#steps.intendNow(fence.turnId, key, fence.epoch, effect)
      return envelopes
    })
  }

  /** Writes the outcome with the events that tell it. */
  settle(
    fence: Fence,
    key: string,
    effect: Effect,
    value: unknown,
    events: readonly RecordedEvent[],
  ): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      const envelopes = this.#turns.appendNow(fence, events)
      this.#steps.settleNow(fence.turnId, key, fence.epoch, effect, value)
      return envelopes
    })
  }
}

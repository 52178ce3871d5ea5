// The journal: the one way any effect on the world is made (house §5). The intent is on disk, then the act runs, then the
// outcome is on disk. After a crash a step with an outcome is answered from here; one with an intent only is uncertain.
// Reads leave no intent: doing one again harms nobody.
import type { Clock } from "../base/clock.ts"
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import type { Database } from "./database.ts"
import { text } from "./row.ts"
import type { Fence } from "./store.ts"
import type { TurnTable } from "./turns.ts"

/** What doing a step twice would mean. */
export type Effect = "read" | "idempotent" | "once"

export type StepState =
  | { type: "new" }
  /** Intended, but no outcome was written: it may or may not have happened. */
  | { type: "intended"; effect: Effect }
  | { type: "done"; value: unknown }

export class Journal {
  readonly #db: Database
  readonly #clock: Clock
  readonly #turns: TurnTable
  readonly #get
  readonly #put

  constructor(db: Database, clock: Clock, turns: TurnTable) {
    this.#db = db
    this.#clock = clock
    this.#turns = turns
    this.#get = db.statement("SELECT effect,state,value FROM steps WHERE owner=? AND key=?")
    this.#put = db.statement(
      "INSERT OR REPLACE INTO steps (owner,key,epoch,effect,state,value,at) VALUES (?,?,?,?,?,?,?)",
    )
  }

  async state(fence: Fence, key: string): Promise<StepState> {
    const row = this.#get.get(fence.turnId, key)
    if (!row) return { type: "new" }
    if (row["state"] === "intended") return { type: "intended", effect: text(row, "effect") as Effect }
    return { type: "done", value: JSON.parse(text(row, "value")) }
  }

  /** Writes the intent (not for reads) with the events that announce it. */
  intend(fence: Fence, key: string, effect: Effect, events: readonly RecordedEvent[]): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      const envelopes = this.#turns.appendNow(fence, events)
      if (effect !== "read") this.#put.run(fence.turnId, key, fence.epoch, effect, "intended", null, this.#clock.now())
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
      this.#put.run(fence.turnId, key, fence.epoch, effect, "done", JSON.stringify(value ?? null), this.#clock.now())
      return envelopes
    })
  }
}

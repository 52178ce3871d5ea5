// The rows of the journal: one a step of an owner (a turn, a run of a workflow). Whoever owns them fences its writes.
import type { Clock } from "../base/clock.ts"
import type { Database } from "./database.ts"
import { int, text } from "./row.ts"

/** What doing a step twice would mean. */
export type Effect = "read" | "idempotent" | "once"

export type StepState =
  | { type: "new" }
  /** Intended, but no outcome was written: it may or may not have happened. */
  | { type: "intended"; effect: Effect }
  | { type: "done"; value: unknown }

export class StepTable {
  readonly #clock: Clock
  readonly #get
  readonly #put
  readonly #clear
  readonly #drop
  readonly #dropBelow
  readonly #dropEnding
  readonly #dropOpen
  readonly #dropOpenBelow
  readonly #epoch

  constructor(db: Database, clock: Clock) {
    this.#clock = clock
    this.#get = db.statement("SELECT effect,state,value FROM steps WHERE owner=? AND key=?")
    this.#put = db.statement(
      "INSERT OR REPLACE INTO steps (owner,key,epoch,effect,state,value,at) VALUES (?,?,?,?,?,?,?)",
    )
    this.#clear = db.statement("DELETE FROM steps WHERE owner=?")
    this.#drop = db.statement("DELETE FROM steps WHERE owner=? AND key=?")
    this.#dropBelow = db.statement("DELETE FROM steps WHERE owner=?1 AND substr(key,1,length(?2))=?2")
    this.#dropEnding = db.statement("DELETE FROM steps WHERE owner=?1 AND substr(key,-length(?2))=?2")
    this.#dropOpen = db.statement("DELETE FROM steps WHERE owner=? AND key=? AND state='intended' AND epoch=?")
    this.#dropOpenBelow = db.statement(
      "DELETE FROM steps WHERE owner=?1 AND substr(key,1,length(?2))=?2 AND (state='intended' AND epoch=?4 OR substr(key,-length(?3))=?3)",
    )
    this.#epoch = db.statement("SELECT epoch FROM steps WHERE owner=? AND key=? AND state='intended'")
  }

  state(owner: string, key: string): StepState {
    const row = this.#get.get(owner, key)
    if (!row) return { type: "new" }
    if (row["state"] === "intended") return { type: "intended", effect: text(row, "effect") as Effect }
    return { type: "done", value: JSON.parse(text(row, "value")) }
  }

  /** Within a write. */
  intendNow(owner: string, key: string, epoch: number, effect: Effect): void {
    this.#put.run(owner, key, epoch, effect, "intended", null, this.#clock.now())
  }

  /** Within a write. */
  settleNow(owner: string, key: string, epoch: number, effect: Effect, value: unknown): void {
    this.#put.run(owner, key, epoch, effect, "done", JSON.stringify(value ?? null), this.#clock.now())
  }

  /** Within a write: the step was never begun. */
  forgetNow(owner: string, key: string): void {
    this.#drop.run(owner, key)
  }

  /** Within a write: a step, and those whose keys begin with its own and a sign that parts paths. */
  forgetBelowNow(owner: string, key: string): void {
    this.#drop.run(owner, key)
    for (const sign of ".[!|?") this.#dropBelow.run(owner, `${key}${sign}`)
  }

  /** Within a write: all whose keys end so. */
  forgetEndingNow(owner: string, ending: string): void {
    this.#dropEnding.run(owner, ending)
  }

  /**
   * Within a write: of the step of this key, or of those whose keys begin so when it ends in a sign: what this attempt began and has no outcome, and
   * what ends so.
   */
  forgetOpenNow(owner: string, key: string, epoch: number, ending: string): void {
    if (/[.[!|?]$/.test(key)) this.#dropOpenBelow.run(owner, key, ending, epoch)
    else this.#dropOpen.run(owner, key, epoch)
  }

  intentEpoch(owner: string, key: string): number | undefined {
    const row = this.#epoch.get(owner, key)
    return row && int(row, "epoch")
  }

  /** Within a write. */
  clearNow(owner: string): void {
    this.#clear.run(owner)
  }
}

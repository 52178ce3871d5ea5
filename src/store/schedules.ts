// Schedules: one row each. `next_at` is where the ledger goes on: every tick before it has its record. It only moves in the same
// commit that writes those records (store/ticks.ts), or when the rule itself changes.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import {
  NO_STATS,
  type ScheduleRecord,
  type ScheduleScratch,
  type ScheduleSpec,
  type ScheduleStats,
} from "../protocol/schedule.ts"
import type { Database, Row } from "./database.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"

export interface NewSchedule {
  id: string
  spec: ScheduleSpec
  enabled: boolean
  nextAt: number | null
}

/** What a change of a schedule makes of it. */
export interface ScheduleChange {
  spec: ScheduleSpec
  enabled: boolean
  nextAt: number | null
  over: ScheduleRecord["over"]
}

const COLUMNS = "id,enabled,revision,created_at,updated_at,next_at,over,stats,spec"

export class ScheduleTable {
  readonly #db: Database
  readonly #clock: Clock
  readonly #insert
  readonly #byId
  readonly #all
  readonly #count
  readonly #due
  readonly #nextAt
  readonly #update
  readonly #progress
  readonly #delete
  readonly #notes
  readonly #note
  readonly #forget

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    this.#insert = db.statement(
      `INSERT INTO schedules (id,name,agent_id,enabled,revision,created_at,updated_at,next_at,stats,spec)
       VALUES (?1,?2,?3,?4,1,?5,?5,?6,?7,?8) RETURNING ${COLUMNS}`,
    )
    this.#byId = db.statement(`SELECT ${COLUMNS} FROM schedules WHERE id=?`)
    this.#all = db.statement(`SELECT ${COLUMNS} FROM schedules ORDER BY created_at,id`)
    this.#count = db.statement("SELECT count(*) AS n FROM schedules")
    this.#due = db.statement(`SELECT ${COLUMNS} FROM schedules WHERE next_at<=? AND enabled=1 ORDER BY next_at,id`)
    this.#nextAt = db.statement("SELECT min(next_at) AS at FROM schedules WHERE next_at IS NOT NULL AND enabled=1")
    this.#update = db.statement(
      `UPDATE schedules SET name=?2,agent_id=?3,enabled=?4,revision=revision+1,updated_at=?5,next_at=?6,over=?7,spec=?8
       WHERE id=?1 RETURNING ${COLUMNS}`,
    )
    this.#progress = db.statement(
      "UPDATE schedules SET next_at=?2,enabled=?3,over=?4,stats=?5,updated_at=?6 WHERE id=?1",
    )
    this.#delete = db.statement("DELETE FROM schedules WHERE id=?")
    this.#notes = db.statement("SELECT * FROM schedule_scratch WHERE schedule_id=?")
    this.#note = db.statement(
      "INSERT OR REPLACE INTO schedule_scratch (schedule_id,content,revision,updated_at) VALUES (?,?,?,?)",
    )
    this.#forget = db.statement("DELETE FROM schedule_scratch WHERE schedule_id=?")
  }

  /** Throws RATE_LIMITED when there are `max` already. */
  add({ enabled, id, nextAt, spec }: NewSchedule, max: number): Promise<ScheduleRecord> {
    return this.#db.write(() => {
      if (int(this.#count.get()!, "n") >= max)
        throw new PincerError(
          "RATE_LIMITED",
          `There are ${max} schedules already: remove some, or raise cron.maxSchedules`,
          { retryable: false },
        )
      const { agentId, name } = spec
      const on = enabled ? 1 : 0
      const now = this.#clock.now()
      return decode(
        this.#insert.get(id, name, agentId, on, now, nextAt, JSON.stringify(NO_STATS), JSON.stringify(spec))!,
      )
    })
  }

  async get(id: string): Promise<ScheduleRecord | undefined> {
    return this.find(id)
  }

  /** Oldest first. */
  async list(): Promise<ScheduleRecord[]> {
    return this.#all.all().map(decode)
  }

  /** Whose next tick has come. */
  async due(now: number): Promise<ScheduleRecord[]> {
    return this.#due.all(now).map(decode)
  }

  /** When the first of all next ticks is. */
  async nextAt(): Promise<number | null> {
    return intOrNull(this.#nextAt.get()!, "at")
  }

  /** Throws NOT_FOUND, CONFLICT when somebody else changed it since `revision`, and what `make` throws. */
  update(
    id: string,
    revision: number | undefined,
    make: (now: ScheduleRecord) => ScheduleChange,
  ): Promise<ScheduleRecord> {
    return this.#db.write(() => {
      const known = this.find(id)
      if (!known) throw unknownSchedule(id)
      if (revision !== undefined && revision !== known.revision)
        throw new PincerError("CONFLICT", `Schedule ${id} was changed since you read it: read it again`, {
          details: { revision: known.revision },
        })
      const { enabled, nextAt, over, spec } = make(known)
      const on = enabled ? 1 : 0
      const at = this.#clock.now()
      return decode(this.#update.get(id, spec.name, spec.agentId, on, at, nextAt, over, JSON.stringify(spec))!)
    })
  }

  /** False when there is none. Its ledger stays until it is old. */
  remove(id: string): Promise<boolean> {
    return this.#db.write(() => this.removeNow(id))
  }

  /** Within a write. */
  find(id: string): ScheduleRecord | undefined {
    const row = this.#byId.get(id)
    return row && decode(row)
  }

  /** Within a write. */
  removeNow(id: string): boolean {
    this.#forget.run(id)
    return this.#delete.run(id) > 0
  }

  /** The notes that are kept with a schedule, and how often they were changed so far. */
  async scratch(id: string): Promise<{ scratch: ScheduleScratch | null; revision: number }> {
    return this.#scratchNow(id)
  }

  #scratchNow(id: string): { scratch: ScheduleScratch | null; revision: number } {
    const row = this.#notes.get(id)
    const revision = row ? int(row, "revision") : 0
    const content = row && textOrNull(row, "content")
    const isThere = row && typeof content === "string"
    return { scratch: isThere ? { content, revision, updatedAtMs: int(row, "updated_at") } : null, revision }
  }

  /** Null takes the notes away. Undefined when they are of another revision than `expected` by now. Throws NOT_FOUND. */
  setScratch(id: string, content: string | null, expected: number | undefined) {
    return this.#db.write(() => {
      if (!this.find(id)) throw unknownSchedule(id)
      const { revision } = this.#scratchNow(id)
      if (expected !== undefined && expected !== revision) return undefined
      this.#note.run(id, content, revision + 1, this.#clock.now())
      return this.#scratchNow(id)
    })
  }

  /** Within a write: what the clock did to it. */
  progress(
    id: string,
    { enabled, nextAt, over, stats }: Omit<ScheduleChange, "spec"> & { stats: ScheduleStats },
  ): void {
    this.#progress.run(id, nextAt, enabled ? 1 : 0, over, JSON.stringify(stats), this.#clock.now())
  }
}

function decode(row: Row): ScheduleRecord {
  return {
    id: text(row, "id"),
    spec: json<ScheduleSpec>(row, "spec"),
    enabled: int(row, "enabled") === 1,
    revision: int(row, "revision"),
    createdAt: int(row, "created_at"),
    updatedAt: int(row, "updated_at"),
    nextAt: intOrNull(row, "next_at"),
    over: textOrNull(row, "over") as ScheduleRecord["over"],
    stats: json<ScheduleStats>(row, "stats"),
  }
}

export function unknownSchedule(id: string): PincerError {
  return new PincerError("NOT_FOUND", `Unknown schedule "${id.slice(0, 100)}": run "pincer cron list --all"`, {
    details: { code: "CRON_JOB_NOT_FOUND", jobId: id.slice(0, 100) },
  })
}

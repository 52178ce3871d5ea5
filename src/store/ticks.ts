// The ledger: one record for each tick of a schedule, written before anything is done about it. A tick that came by the clock is
// there at most once (an index says so), and what is recorded as begun under an attempt is never begun under that attempt again.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import {
  isTickEnd,
  type ScheduleRecord,
  type ScheduleSpec,
  type ScheduleStats,
  type TickEndState,
  type TickReason,
  type TickRecord,
  type TickRef,
  type TickState,
  tickId,
} from "../protocol/schedule.ts"
import type { Database, Row } from "./database.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"
import type { ScheduleTable } from "./schedules.ts"

/** A tick as it is first written: to be done, or decided against at once. */
export interface NewTick {
  scheduledFor: number
  notBefore: number
  state: "due" | "skipped" | "missed"
  reason: TickReason | null
}

/** A tick that has not ended, with what it has to do: the schedule as it was when it came due. */
export interface OpenTick extends TickRecord {
  work: ScheduleSpec
}

/** The records of ticks that were due together, and where the schedule stands after them. */
export interface Ticking {
  scheduleId: string
  /** Where the schedule stood when this was decided: nothing is written when it stands elsewhere by now. */
  from: number
  /** The rule by which it was decided. */
  revision: number
  ticks: readonly NewTick[]
  nextAt: number | null
  over: ScheduleRecord["over"]
  /** Records of one schedule that are kept. */
  keep: number
}

export interface TickEnd {
  state: TickEndState
  reason?: TickReason
  ref?: TickRef
  summary?: string
  error?: string
  /** The alert was raised with it. */
  alerted?: boolean
  /** Something of it is to be told. */
  toTell?: boolean
}

export interface TickFilter {
  scheduleId?: string
  agentId?: string
  tickId?: string
  states?: readonly TickState[]
  /** Part of the name, the summary or the error. */
  search?: string
  limit: number
  offset?: number
  oldestFirst?: boolean
}

const COLUMNS =
  "n,id,schedule_id,name,agent_id,trigger,scheduled_for,not_before,state,reason,attempt,recorded_at,started_at,attempt_at,ended_at,ref,summary,error,delivery"

export class TickTable {
  readonly #db: Database
  readonly #clock: Clock
  readonly #schedules: ScheduleTable
  readonly #insert
  readonly #byId
  readonly #open
  readonly #begin
  readonly #again
  readonly #note
  readonly #finish
  readonly #untold
  readonly #told
  readonly #trim
  readonly #void
  readonly #taken
  readonly #old
  readonly #delete

  constructor(db: Database, clock: Clock, schedules: ScheduleTable) {
    this.#db = db
    this.#clock = clock
    this.#schedules = schedules
    this.#insert = db.statement(
      `INSERT INTO schedule_ticks
       (id,schedule_id,name,agent_id,trigger,scheduled_for,not_before,state,reason,recorded_at,ended_at,ref,work)
       VALUES (?,?,?,?,?,?,?,?,?,?,?,'{}',?) ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
    )
    this.#byId = db.statement(`SELECT ${COLUMNS},work FROM schedule_ticks WHERE id=?`)
    this.#open = db.statement(`SELECT ${COLUMNS},work FROM schedule_ticks WHERE state IN ('due','running') ORDER BY n`)
    this.#begin = db.statement(
      `UPDATE schedule_ticks SET state='running',attempt=attempt+1,attempt_at=?2,started_at=coalesce(started_at,?2)
       WHERE id=?1 AND state='due' RETURNING ${COLUMNS},work`,
    )
    this.#again = db.statement(
      `UPDATE schedule_ticks SET state='due',not_before=?2,error=?3 WHERE id=?1 AND state='running' RETURNING ${COLUMNS},work`,
    )
    this.#note = db.statement("UPDATE schedule_ticks SET ref=?2 WHERE id=?1 AND state='running'")
    this.#finish = db.statement(
      `UPDATE schedule_ticks SET state=?2,reason=?3,ended_at=?4,ref=?5,summary=?6,error=?7,delivery=?8,
       work=CASE WHEN ?8 IS NULL THEN NULL ELSE work END
       WHERE id=?1 AND state IN ('due','running') RETURNING ${COLUMNS}`,
    )
    this.#untold = db.statement(`SELECT ${COLUMNS},work FROM schedule_ticks WHERE delivery='pending' ORDER BY n`)
    this.#told = db.statement("UPDATE schedule_ticks SET delivery=?2,work=NULL WHERE id=?1 AND delivery='pending'")
    this.#trim = db.statement(
      `DELETE FROM schedule_ticks WHERE schedule_id=?1 AND state NOT IN ('due','running') AND n<=
       (SELECT n FROM schedule_ticks WHERE schedule_id=?1 ORDER BY n DESC LIMIT 1 OFFSET ?2) RETURNING ref`,
    )
    this.#void = db.statement(
      "DELETE FROM schedule_ticks WHERE schedule_id=? AND scheduled_for>? AND state='missed' AND trigger='tick'",
    )
    this.#taken = db.statement(
      "SELECT max(scheduled_for) AS at FROM schedule_ticks WHERE schedule_id=? AND trigger='tick'",
    )
    this.#old = db.statement(
      `SELECT ${COLUMNS} FROM schedule_ticks WHERE recorded_at<? AND state NOT IN ('due','running') ORDER BY recorded_at LIMIT ?`,
    )
    this.#delete = db.statement("DELETE FROM schedule_ticks WHERE id=? AND state NOT IN ('due','running')")
  }

  /**
   * Writes down what becomes of ticks that are due, and where the schedule goes on. Resolves with those that are to be done, and what
   * the records that had to make room had started; with undefined when the schedule is gone or was changed meanwhile, and nothing was
   * written. Ticks that have a record stay as they are.
   */
  record(ticking: Ticking): Promise<{ due: OpenTick[]; trimmed: TickRef[] } | undefined> {
    return this.#db.write(() => {
      const schedule = this.#schedules.find(ticking.scheduleId)
      if (!schedule?.enabled || schedule.nextAt !== ticking.from || schedule.revision !== ticking.revision)
        return undefined
      const stats = { ...schedule.stats }
      const due: OpenTick[] = []
      for (const tick of ticking.ticks) {
        const made = this.#write(schedule, tick, "tick")
        if (!made) continue
        if (tick.state === "due") due.push(made)
        else count(stats, tick.state, tick.scheduledFor)
      }
      const { nextAt, over } = ticking
      this.#schedules.progress(schedule.id, { enabled: over === null, nextAt, over, stats })
      const trimmed = this.#trim.all(schedule.id, ticking.keep).map((row) => json<TickRef>(row, "ref"))
      return { due, trimmed }
    })
  }

  /** A tick that a person asked for. Throws NOT_FOUND through the caller: undefined when the schedule is gone. */
  recordManual(scheduleId: string): Promise<OpenTick | undefined> {
    return this.#db.write(() => {
      const schedule = this.#schedules.find(scheduleId)
      if (!schedule) return undefined
      for (let at = this.#clock.now(); ; at += 1) {
        const tick: NewTick = { scheduledFor: at, notBefore: at, state: "due", reason: null }
        const made = this.#write(schedule, tick, "manual")
        if (made) return made
      }
    })
  }

  #write({ id, spec }: ScheduleRecord, tick: NewTick, trigger: TickRecord["trigger"]): OpenTick | undefined {
    const { notBefore, reason, scheduledFor, state } = tick
    const now = this.#clock.now()
    const ended = state === "due" ? null : now
    const work = state === "due" ? JSON.stringify(spec) : null
    const row = this.#insert.get(
      tickId(id, scheduledFor, trigger),
      id,
      spec.name,
      spec.agentId,
      trigger,
      scheduledFor,
      notBefore,
      state,
      reason,
      now,
      ended,
      work,
    )
    return row && { ...decode(row), work: spec }
  }

  /** The ledger's ticks that have not ended, oldest first. */
  async open(): Promise<OpenTick[]> {
    return this.#open.all().map(decodeOpen)
  }

  /** Whether nothing is left to be done or told. */
  async isIdle(): Promise<boolean> {
    return this.#open.all().length === 0 && this.#untold.all().length === 0
  }

  async get(id: string): Promise<TickRecord | undefined> {
    const row = this.#byId.get(id)
    return row && decode(row)
  }

  /** An attempt begins. Throws CONFLICT for a tick that is not to be done (any more). */
  begin(id: string): Promise<OpenTick> {
    return this.#db.write(() => {
      const row = this.#begin.get(id, this.#clock.now())
      if (!row) throw notOpen(id)
      const tick = decodeOpen(row)
      if (tick.attempt === 1)
        this.#change(tick.scheduleId, (stats) => {
          stats.runs += 1
          stats.lastTickAt = tick.scheduledFor
          stats.lastDelayMs = Math.max(0, this.#clock.now() - tick.scheduledFor)
        })
      return tick
    })
  }

  /** What its attempt started. */
  note(id: string, ref: TickRef): Promise<void> {
    return this.#db.write(() => {
      this.#note.run(id, JSON.stringify(ref))
    })
  }

  /** An attempt failed, and another one follows. */
  again(id: string, notBefore: number, error: string): Promise<OpenTick> {
    return this.#db.write(() => {
      const row = this.#again.get(id, notBefore, error)
      if (!row) throw notOpen(id)
      return decodeOpen(row)
    })
  }

  /** The end of a tick. Throws CONFLICT for one that has ended. */
  finish(id: string, end: TickEnd): Promise<TickRecord> {
    return this.#db.write(() => {
      const known = this.#byId.get(id)
      if (!known || isTickEnd(text(known, "state") as TickState)) throw notOpen(id)
      const ref = end.ref ?? decode(known).ref
      const { alerted, error, reason, state, summary, toTell } = end
      const at = this.#clock.now()
      const row = this.#finish.get(
        id,
        state,
        reason ?? null,
        at,
        JSON.stringify(ref),
        summary ?? null,
        error ?? null,
        toTell ? "pending" : null,
      )
      const tick = decode(row!)
      this.#change(tick.scheduleId, (stats) => {
        count(stats, state, tick.scheduledFor)
        if (state !== "ran" && state !== "failed") return
        stats.lastDurationMs = tick.startedAt === null ? 0 : Math.max(0, at - tick.startedAt)
        stats.lastError = error ?? null
        if (alerted) stats.alertedAt = at
      })
      return tick
    })
  }

  /** Ticks that have ended and have something to be told yet. */
  async untold(): Promise<OpenTick[]> {
    return this.#untold.all().map(decodeOpen)
  }

  told(id: string, delivery: "delivered" | "failed"): Promise<void> {
    return this.#db.write(() => {
      this.#told.run(id, delivery)
    })
  }

  #change(scheduleId: string, change: (stats: ScheduleStats) => void): void {
    const schedule = this.#schedules.find(scheduleId)
    if (!schedule) return
    const { enabled, nextAt, over } = schedule
    const stats = { ...schedule.stats }
    change(stats)
    this.#schedules.progress(scheduleId, { enabled, nextAt, over, stats })
  }

  /** The time of the last tick of a schedule that has a record. */
  async lastRecorded(scheduleId: string): Promise<number | null> {
    return intOrNull(this.#taken.get(scheduleId)!, "at")
  }

  /**
   * The clock was put back: what was given up as missed after `now` has not been due yet. Nothing else is taken back, so that no
   * tick is done twice. False when the schedule was changed meanwhile.
   */
  rewind(scheduleId: string, revision: number, now: number, nextAt: number | null): Promise<boolean> {
    return this.#db.write(() => {
      const schedule = this.#schedules.find(scheduleId)
      if (!schedule?.enabled || schedule.revision !== revision) return false
      const voided = this.#void.run(scheduleId, now)
      const stats = { ...schedule.stats, missed: Math.max(0, schedule.stats.missed - voided) }
      this.#schedules.progress(scheduleId, { enabled: true, nextAt, over: null, stats })
      return true
    })
  }

  /** Newest first, unless asked otherwise. */
  async list(filter: TickFilter): Promise<TickRecord[]> {
    const { where, values } = conditions(filter)
    const order = filter.oldestFirst ? "ASC" : "DESC"
    const sql = `SELECT ${COLUMNS} FROM schedule_ticks ${where} ORDER BY n ${order} LIMIT ? OFFSET ?`
    return this.#db.query(sql, [...values, filter.limit, filter.offset ?? 0]).map(decode)
  }

  async count(filter: Omit<TickFilter, "limit">): Promise<number> {
    const { where, values } = conditions(filter)
    return int(this.#db.query(`SELECT count(*) AS n FROM schedule_ticks ${where}`, values)[0]!, "n")
  }

  /** Records that were written before `before` and have ended, oldest first. */
  async recordedBefore(before: number, limit: number): Promise<TickRecord[]> {
    return this.#old.all(before, limit).map(decode)
  }

  delete(ids: readonly string[]): Promise<void> {
    return this.#db.write(() => {
      for (const id of ids) this.#delete.run(id)
    })
  }
}

function count(stats: ScheduleStats, state: TickEndState, at: number): void {
  stats.lastState = state
  stats.lastTickAt = Math.max(at, stats.lastTickAt ?? at)
  switch (state) {
    case "ran":
      stats.failuresInRow = 0
      return
    case "failed":
      stats.failures += 1
      stats.failuresInRow += 1
      return
    case "skipped":
      stats.skipped += 1
      return
    case "missed":
      stats.missed += 1
  }
}

function conditions(filter: Omit<TickFilter, "limit">): { where: string; values: string[] } {
  const where: string[] = []
  const values: string[] = []
  const add = (condition: string, ...given: string[]) => {
    where.push(condition)
    values.push(...given)
  }
  if (filter.scheduleId !== undefined) add("schedule_id=?", filter.scheduleId)
  if (filter.agentId !== undefined) add("agent_id=?", filter.agentId)
  if (filter.tickId !== undefined) add("id=?", filter.tickId)
  if (filter.states?.length) add(`state IN (${filter.states.map(() => "?").join(",")})`, ...filter.states)
  if (filter.search !== undefined && filter.search !== "") {
    const part = `%${filter.search.replace(/[\\%_]/g, "\\$&")}%`
    add("(name LIKE ? ESCAPE '\\' OR summary LIKE ? ESCAPE '\\' OR error LIKE ? ESCAPE '\\')", part, part, part)
  }
  return { where: where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`, values }
}

function decode(row: Row): TickRecord {
  return {
    n: int(row, "n"),
    id: text(row, "id"),
    scheduleId: text(row, "schedule_id"),
    name: text(row, "name"),
    agentId: text(row, "agent_id"),
    trigger: text(row, "trigger") as TickRecord["trigger"],
    scheduledFor: int(row, "scheduled_for"),
    notBefore: int(row, "not_before"),
    state: text(row, "state") as TickState,
    reason: textOrNull(row, "reason"),
    attempt: int(row, "attempt"),
    recordedAt: int(row, "recorded_at"),
    startedAt: intOrNull(row, "started_at"),
    attemptAt: intOrNull(row, "attempt_at"),
    endedAt: intOrNull(row, "ended_at"),
    ref: json<TickRef>(row, "ref"),
    summary: textOrNull(row, "summary"),
    error: textOrNull(row, "error"),
    delivery: textOrNull(row, "delivery") as TickRecord["delivery"],
  }
}

function decodeOpen(row: Row): OpenTick {
  return { ...decode(row), work: json<ScheduleSpec>(row, "work") }
}

function notOpen(id: string): PincerError {
  return new PincerError("CONFLICT", `The tick ${id} has ended, or is not to be begun now`)
}

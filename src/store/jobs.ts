// Jobs: one row each, and their facts. Every change of state is one write that checks the state before and appends the fact that
// tells of it. The result of a job is its last turn's outcome: it is stored there, once.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import {
  attemptTurn,
  type JobError,
  type JobFact,
  type JobRecord,
  type JobRequest,
  type JobStatus,
  mayBecome,
  type RecordedFact,
} from "../protocol/job.ts"
import type { Database, Row } from "./database.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"

export interface NewJob {
  id: string
  prompt: string
  request: JobRequest
  idempotencyKey: string | null
  /** Hash of everything that was asked for: the same key with another one is a conflict. */
  fingerprint: string
}

export interface JobFilter {
  status?: readonly JobStatus[]
  agentId?: string
  sessionKey?: string
  createdAfter?: number
  createdBefore?: number
  /** Older than the job with this number (JobRecord.n). */
  before?: number
  limit: number
}

/** What the queue keeps in memory of a job that has not ended. */
export interface OpenJob {
  id: string
  rank: number
  status: "queued" | "running"
  priority: number
  sessionKey: string
  notBefore: number | null
}

/** A recorded event of an attempt; the event is JSON text as it is stored. */
export interface AttemptEvent {
  seq: number
  at: number
  type: string
  data: string
}

export type JobEnd = { status: "completed" | "canceled" } | { status: "failed"; error: JobError }

/** IM-JOB-16. */
const MAX_FACTS = 1_000
/** Characters of events that are read at once: a single event may be as large as a tool's output. */
const PAGE_CHARS = 1_000_000
const COLUMNS =
  "n,id,rank,status,request,attempt,round_from,not_before,idempotency_key,created_at,started_at,finished_at,error,callback_state,callback_tries"

function decodeJob(row: Row): JobRecord {
  return {
    n: int(row, "n"),
    id: text(row, "id"),
    rank: int(row, "rank"),
    status: text(row, "status") as JobStatus,
    prompt: text(row, "prompt"),
    request: json<JobRequest>(row, "request"),
    attempt: int(row, "attempt"),
    roundFrom: int(row, "round_from"),
    notBefore: intOrNull(row, "not_before"),
    idempotencyKey: textOrNull(row, "idempotency_key"),
    createdAt: int(row, "created_at"),
    startedAt: intOrNull(row, "started_at"),
    finishedAt: intOrNull(row, "finished_at"),
    error: row["error"] === null ? null : json<JobError>(row, "error"),
    callback: {
      state: text(row, "callback_state") as JobRecord["callback"]["state"],
      tries: int(row, "callback_tries"),
    },
  }
}

export class JobTable {
  readonly #db: Database
  readonly #clock: Clock
  readonly #byId
  readonly #byKey
  readonly #insert
  readonly #state
  readonly #open
  readonly #openCount
  readonly #delete
  readonly #deleteFacts
  readonly #addFact
  readonly #trimFacts
  readonly #facts
  readonly #sessionAt
  readonly #turnSession
  readonly #events
  readonly #ranTool
  readonly #due
  readonly #nextDue
  readonly #callback
  readonly #old

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    this.#byId = db.statement(`SELECT ${COLUMNS},prompt FROM jobs WHERE id=?`)
    this.#byKey = db.statement(`SELECT ${COLUMNS},prompt,fingerprint FROM jobs WHERE idempotency_key=?`)
    this.#insert = db.statement(
      `INSERT INTO jobs (id,rank,status,agent_id,session_key,priority,request,idempotency_key,fingerprint,created_at,prompt)
       VALUES (?1,${NEXT_RANK},'queued',?2,?3,?4,?5,?6,?7,?8,?9) RETURNING ${COLUMNS},prompt`,
    )
    this.#state = db.statement(
      `UPDATE jobs SET status=?,attempt=?,round_from=?,rank=coalesce(?,rank),not_before=?,started_at=?,finished_at=?,error=?,
       callback_state=?,callback_tries=?,callback_at=? WHERE id=? RETURNING ${COLUMNS},prompt`,
    )
    this.#open = db.statement(
      "SELECT id,rank,status,priority,session_key,not_before FROM jobs WHERE finished_at IS NULL ORDER BY rank",
    )
    this.#openCount = db.statement("SELECT count(*) AS n FROM jobs WHERE finished_at IS NULL")
    this.#delete = db.statement("DELETE FROM jobs WHERE id=?")
    this.#deleteFacts = db.statement("DELETE FROM job_facts WHERE job_id=?")
    this.#addFact = db.statement(
      "INSERT INTO job_facts (job_id,n,at,data) VALUES (?1,(SELECT coalesce(max(n),0)+1 FROM job_facts WHERE job_id=?1),?2,?3) RETURNING n",
    )
    this.#trimFacts = db.statement("DELETE FROM job_facts WHERE job_id=? AND n<=?")
    this.#facts = db.statement("SELECT n,at,data FROM job_facts WHERE job_id=? ORDER BY n")
    this.#sessionAt = db.statement("SELECT id,last_seq FROM sessions WHERE key=?")
    this.#turnSession = db.statement("SELECT session_id FROM turns WHERE id=?")
    this.#events = db.statement(
      "SELECT seq,at,type,data FROM events WHERE session_id=? AND seq>? AND turn_id=? ORDER BY seq",
    )
    this.#ranTool = db.statement(
      "SELECT 1 FROM events WHERE session_id=? AND seq>? AND turn_id=? AND type='tool.started' LIMIT 1",
    )
    this.#due = db.statement(
      `SELECT ${COLUMNS},prompt FROM jobs WHERE callback_at IS NOT NULL AND callback_at<=? ORDER BY callback_at LIMIT ?`,
    )
    this.#nextDue = db.statement("SELECT min(callback_at) AS at FROM jobs WHERE callback_at>?")
    this.#callback = db.statement("UPDATE jobs SET callback_state=?,callback_tries=?,callback_at=? WHERE id=?")
    this.#old = db.statement(
      `SELECT ${COLUMNS},prompt FROM jobs WHERE finished_at IS NOT NULL AND finished_at<? AND callback_at IS NULL ORDER BY finished_at LIMIT ?`,
    )
  }

  /** Writes the job down, or finds the one that was submitted with the same key. Throws CONFLICT when that asked for something else. */
  accept(job: NewJob): Promise<{ record: JobRecord; duplicate: boolean }> {
    return this.#db.write(() => {
      const known = job.idempotencyKey === null ? undefined : this.#byKey.get(job.idempotencyKey)
      if (known) {
        const record = decodeJob(known)
        if (text(known, "fingerprint") === job.fingerprint) return { record, duplicate: true }
        throw new PincerError(
          "CONFLICT",
          `Idempotency key "${job.idempotencyKey}" was used for another job (${record.id}): send a fresh one`,
          { details: { jobId: record.id } },
        )
      }
      const { request } = job
      const at = this.#clock.now()
      const row = this.#insert.get(
        job.id,
        request.agentId,
        request.sessionKey,
        request.priority,
        JSON.stringify(request),
        job.idempotencyKey,
        job.fingerprint,
        at,
        job.prompt,
      )
      this.#note(job.id, at, { type: "job.queued", why: "submitted" })
      return { record: decodeJob(row!), duplicate: false }
    })
  }

  async get(id: string): Promise<JobRecord | undefined> {
    const row = this.#byId.get(id)
    return row && decodeJob(row)
  }

  /** The job that was submitted with this idempotency key. */
  async byKey(key: string): Promise<JobRecord | undefined> {
    const row = this.#byKey.get(key)
    return row && decodeJob(row)
  }

  /** Newest first. Prompts are cut to `promptChars`. */
  async list(filter: JobFilter, promptChars: number): Promise<JobRecord[]> {
    const { where, values } = conditions(filter)
    if (filter.before !== undefined) {
      where.push("n<?")
      values.push(filter.before)
    }
    const sql = `SELECT ${COLUMNS},substr(prompt,1,${promptChars + 1}) AS prompt FROM jobs ${whereSql(where)} ORDER BY n DESC LIMIT ?`
    return this.#db.query(sql, [...values, filter.limit]).map(decodeJob)
  }

  /** All that fit the filter, whatever its page. */
  async count(filter: JobFilter): Promise<number> {
    const { where, values } = conditions(filter)
    return int(this.#db.query(`SELECT count(*) AS n FROM jobs ${whereSql(where)}`, values)[0]!, "n")
  }

  /** Jobs that have not ended, in the order in which they are to be worked off. */
  async open(): Promise<OpenJob[]> {
    return this.#open.all().map((row) => ({
      id: text(row, "id"),
      rank: int(row, "rank"),
      status: text(row, "status") as OpenJob["status"],
      priority: int(row, "priority"),
      sessionKey: text(row, "session_key"),
      notBefore: intOrNull(row, "not_before"),
    }))
  }

  async openCount(): Promise<number> {
    return int(this.#openCount.get()!, "n")
  }

  /** An attempt begins. */
  begin(id: string): Promise<JobRecord> {
    return this.#change(id, "running", (job, at) => {
      const attempt = job.attempt + 1
      const session = this.#sessionAt.get(job.request.sessionKey)
      const fact: JobFact = {
        type: "job.started",
        attempt,
        turnId: attemptTurn(id, attempt),
        sessionId: session ? text(session, "id") : null,
        seq: session ? int(session, "last_seq") : 0,
      }
      return { next: { ...job, attempt, notBefore: null, startedAt: job.startedAt ?? at }, fact }
    })
  }

  /** An attempt failed; the job waits for its next one. */
  again(id: string, error: JobError, notBefore: number): Promise<JobRecord> {
    return this.#change(id, "queued", (job) => ({
      next: { ...job, notBefore },
      fact: { type: "job.queued", why: "attempt-failed", attempt: job.attempt, error, notBefore },
    }))
  }

  /** The end of the job. A callback that was asked for becomes due. */
  finish(id: string, end: JobEnd): Promise<JobRecord> {
    return this.#change(id, end.status, (job, at) => ({
      next: {
        ...job,
        notBefore: null,
        finishedAt: at,
        error: end.status === "failed" ? end.error : null,
        callback: job.request.callback ? { state: "waiting", tries: 0 } : job.callback,
      },
      fact:
        end.status === "failed"
          ? { type: "job.failed", error: end.error }
          : { type: end.status === "completed" ? "job.completed" : "job.canceled" },
      dueAt: job.request.callback ? at : null,
    }))
  }

  /** A failed job is queued again, behind all others. Throws NOT_FOUND and CONFLICT. */
  retry(id: string): Promise<JobRecord> {
    return this.#change(id, "queued", (job) => {
      if (job.status !== "failed") throw refuseChange(job, "queued")
      return {
        next: {
          ...job,
          roundFrom: job.attempt,
          finishedAt: null,
          error: null,
          startedAt: null,
          callback: { state: "none", tries: 0 },
        },
        fact: { type: "job.queued", why: "retried" },
        last: true,
      }
    })
  }

  #change(
    id: string,
    status: JobStatus,
    make: (job: JobRecord, at: number) => { next: JobRecord; fact: JobFact; dueAt?: number | null; last?: boolean },
  ): Promise<JobRecord> {
    return this.#db.write(() => {
      const row = this.#byId.get(id)
      if (!row) throw unknownJob(id)
      const job = decodeJob(row)
      if (!mayBecome(job.status, status)) throw refuseChange(job, status)
      const at = this.#clock.now()
      const { next, fact, dueAt = null, last } = make(job, at)
      const rank = last ? int(this.#db.query(`SELECT ${NEXT_RANK} AS rank`, [])[0]!, "rank") : null
      const changed = this.#state.get(
        status,
        next.attempt,
        next.roundFrom,
        rank,
        next.notBefore,
        next.startedAt,
        next.finishedAt,
        next.error && JSON.stringify(next.error),
        next.callback.state,
        next.callback.tries,
        dueAt,
        id,
      )
      this.#note(id, at, fact)
      return decodeJob(changed!)
    })
  }

  #note(id: string, at: number, fact: JobFact): void {
    const n = int(this.#addFact.get(id, at, JSON.stringify(fact))!, "n")
    if (n > MAX_FACTS) this.#trimFacts.run(id, n - MAX_FACTS)
  }

  /** Deletes a job that has ended. False when there is none. Throws CONFLICT for one that has not. */
  delete(id: string): Promise<boolean> {
    return this.#db.write(() => {
      const row = this.#byId.get(id)
      if (!row) return false
      if (row["finished_at"] === null)
        throw new PincerError("CONFLICT", `Job ${id} is ${text(row, "status")}: cancel it first`)
      this.#deleteFacts.run(id)
      return this.#delete.run(id) > 0
    })
  }

  async facts(id: string): Promise<RecordedFact[]> {
    return this.#facts
      .all(id)
      .map((row) => ({ n: int(row, "n"), at: int(row, "at"), fact: json<JobFact>(row, "data") }))
  }

  /** Recorded events of an attempt after `afterSeq`, oldest first: at most `limit`, and no more than about PAGE_CHARS of them. */
  async attemptEvents(
    started: Extract<JobFact, { type: "job.started" }>,
    afterSeq: number,
    limit: number,
  ): Promise<{ events: AttemptEvent[]; more: boolean }> {
    const at = this.#placeOf(started)
    const events: AttemptEvent[] = []
    if (!at) return { events, more: false }
    let chars = 0
    for (const row of this.#events.each(at.sessionId, Math.max(at.seq, afterSeq), started.turnId)) {
      if (events.length >= limit || chars >= PAGE_CHARS) return { events, more: true }
      const data = text(row, "data")
      events.push({ seq: int(row, "seq"), at: int(row, "at"), type: text(row, "type"), data })
      chars += data.length
    }
    return { events, more: false }
  }

  /** Whether an attempt got as far as using a tool. */
  async ranTool(started: Extract<JobFact, { type: "job.started" }>): Promise<boolean> {
    const at = this.#placeOf(started)
    return at !== undefined && this.#ranTool.get(at.sessionId, at.seq, started.turnId) !== undefined
  }

  /** Where the events of an attempt are. A reset between its beginning and its turn's begins the numbers anew. */
  #placeOf(started: Extract<JobFact, { type: "job.started" }>): { sessionId: string; seq: number } | undefined {
    const row = this.#turnSession.get(started.turnId)
    if (!row) return undefined
    const sessionId = text(row, "session_id")
    return { sessionId, seq: sessionId === started.sessionId ? started.seq : 0 }
  }

  /** Jobs whose callback is due at `now`, and when the first one after that is. */
  async dueCallbacks(now: number, limit: number): Promise<{ due: JobRecord[]; nextAt: number | null }> {
    const due = this.#due.all(now, limit).map(decodeJob)
    const row = this.#nextDue.get(now)
    return { due, nextAt: row ? intOrNull(row, "at") : null }
  }

  /** What came of a try to deliver a callback; `nextAt` when it is tried again. */
  called(id: string, state: JobRecord["callback"]["state"], tries: number, nextAt: number | null): Promise<void> {
    return this.#db.write(() => {
      this.#callback.run(state, tries, nextAt, id)
    })
  }

  /** Jobs that ended before `before`, oldest first. */
  async endedBefore(before: number, limit: number): Promise<JobRecord[]> {
    return this.#old.all(before, limit).map(decodeJob)
  }
}

const NEXT_RANK = "(SELECT coalesce(max(rank),0)+1 FROM jobs WHERE finished_at IS NULL)"

function conditions(filter: JobFilter): { where: string[]; values: (string | number)[] } {
  const where: string[] = []
  const values: (string | number)[] = []
  const add = (condition: string, ...given: (string | number)[]) => {
    where.push(condition)
    values.push(...given)
  }
  if (filter.status?.length) add(`status IN (${filter.status.map(() => "?").join(",")})`, ...filter.status)
  if (filter.agentId !== undefined) add("agent_id=?", filter.agentId)
  if (filter.sessionKey !== undefined) add("session_key=?", filter.sessionKey)
  if (filter.createdAfter !== undefined) add("created_at>?", filter.createdAfter)
  if (filter.createdBefore !== undefined) add("created_at<?", filter.createdBefore)
  return { where, values }
}

function whereSql(where: readonly string[]): string {
  return where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`
}

export function unknownJob(id: string): PincerError {
  return new PincerError("NOT_FOUND", `Unknown job "${id.slice(0, 100)}": run "pincer job list"`, {
    details: { code: "UNKNOWN_JOB" },
  })
}

function refuseChange(job: JobRecord, to: JobStatus): PincerError {
  return new PincerError("CONFLICT", `Job ${job.id} is ${job.status} and cannot become ${to}`, {
    details: { status: job.status, wanted: to },
  })
}

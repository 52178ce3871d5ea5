// Turns: accepted before they are acknowledged, finished exactly once. Every write after acceptance is fenced by the attempt's
// number (epoch): an older attempt of the same turn cannot write. The journal of steps (journal.ts) shares the fence.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import type { Approval } from "../protocol/approval.ts"
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import type { Message } from "../protocol/message.ts"
import { isFinal, type TurnOutcome, type TurnRecord, type TurnRequest, type TurnStatus } from "../protocol/turn.ts"
import type { Database, Row } from "./database.ts"
import { int, intOrNull, json, text } from "./row.ts"
import type { SessionTable } from "./sessions.ts"
import type { Fence, SessionRow, Turns, TurnTrace } from "./store.ts"
import type { TranscriptTable } from "./transcript.ts"
import type { UsageTable } from "./usage.ts"

/** What the first attempt writes: made inside the write, from what the transcript holds at that moment. */
export type Opening = (session: SessionRow, messages: () => Message[]) => RecordedEvent[]

export interface AcceptResult {
  record: TurnRecord
  duplicate: boolean
  /** Set when the turn was started in the same commit. */
  started?: { fence: Fence; events: RecordedEnvelope[]; session: SessionRow }
}

/** A write of an attempt that is no longer the newest, or of a turn that has ended. The attempt must stop at once. */
export class FencedError extends Error {
  override readonly name = "FencedError"
}

function decodeTurn(row: Row): TurnRecord {
  return {
    turnId: text(row, "id"),
    sessionKey: text(row, "session_key"),
    sessionId: text(row, "session_id"),
    agentId: text(row, "agent_id"),
    status: text(row, "status") as TurnStatus,
    request: json<TurnRequest>(row, "request"),
    attempt: int(row, "attempt"),
    acceptedAt: int(row, "accepted_at"),
    startedAt: intOrNull(row, "started_at"),
    endedAt: intOrNull(row, "ended_at"),
    outcome: row["outcome"] === null ? null : json<TurnOutcome>(row, "outcome"),
  }
}

export class TurnTable implements Turns {
  readonly #db: Database
  readonly #clock: Clock
  readonly #sessions: SessionTable
  readonly #transcript: TranscriptTable
  readonly #usage: UsageTable
  readonly #byId
  readonly #insert
  readonly #open
  readonly #last
  readonly #begin
  readonly #status
  readonly #finish
  readonly #clearSteps
  readonly #clearDrafts
  readonly #fence
  readonly #asked
  readonly #withdraw

  constructor(db: Database, clock: Clock, sessions: SessionTable, transcript: TranscriptTable, usage: UsageTable) {
    this.#db = db
    this.#clock = clock
    this.#sessions = sessions
    this.#transcript = transcript
    this.#usage = usage
    this.#byId = db.statement("SELECT * FROM turns WHERE id=?")
    this.#insert = db.statement(
      "INSERT INTO turns (id,session_key,session_id,agent_id,status,request,accepted_at) VALUES (?,?,?,?,'queued',?,?)",
    )
    this.#open = db.statement("SELECT * FROM turns WHERE ended_at IS NULL ORDER BY n")
    this.#last = db.statement(
      "SELECT id FROM turns WHERE session_key=? AND session_id=? AND started_at IS NOT NULL ORDER BY n DESC LIMIT 1",
    )
    this.#begin = db.statement(
      "UPDATE turns SET status='running',attempt=attempt+1,started_at=coalesce(started_at,?),session_id=? WHERE id=? RETURNING attempt",
    )
    this.#status = db.statement("UPDATE turns SET status=? WHERE id=?")
    this.#finish = db.statement("UPDATE turns SET status=?,ended_at=?,outcome=?,request=? WHERE id=?")
    this.#clearSteps = db.statement("DELETE FROM steps WHERE owner=?")
    this.#clearDrafts = db.statement("DELETE FROM drafts WHERE turn_id=?")
    this.#fence = db.statement("SELECT attempt,ended_at FROM turns WHERE id=?")
    this.#asked = db.statement("SELECT data FROM approvals WHERE turn_id=? AND decision IS NULL")
    this.#withdraw = db.statement("UPDATE approvals SET decision='canceled',data=? WHERE id=?")
  }

  async get(turnId: string): Promise<TurnRecord | undefined> {
    const row = this.#byId.get(turnId)
    return row && decodeTurn(row)
  }

  async traces(filter: { sessionKey?: string; before?: number; limit: number }): Promise<TurnTrace[]> {
    const where = ["n<?"]
    const values: (string | number)[] = [filter.before ?? Number.MAX_SAFE_INTEGER]
    if (filter.sessionKey !== undefined) {
      where.push("session_key=?")
      values.push(filter.sessionKey)
    }
    const sql = `SELECT n,id,session_key,session_id,agent_id,status,started_at,ended_at FROM turns
      WHERE ${where.join(" AND ")} ORDER BY n DESC LIMIT ?`
    return this.#db.query(sql, [...values, filter.limit]).map((row) => ({
      n: int(row, "n"),
      turnId: text(row, "id"),
      sessionKey: text(row, "session_key"),
      sessionId: text(row, "session_id"),
      agentId: text(row, "agent_id"),
      status: text(row, "status") as TurnStatus,
      startedAt: intOrNull(row, "started_at"),
      endedAt: intOrNull(row, "ended_at"),
    }))
  }

  async list(filter: { sessionKey?: string; status?: TurnStatus[]; limit: number }): Promise<TurnRecord[]> {
    const where = ["1=1"]
    const values: (string | number)[] = []
    if (filter.sessionKey !== undefined) {
      where.push("session_key=?")
      values.push(filter.sessionKey)
    }
    if (filter.status !== undefined) {
      where.push(`status IN (${filter.status.map(() => "?").join(",")})`)
      values.push(...filter.status)
    }
    const sql = `SELECT * FROM turns WHERE ${where.join(" AND ")} ORDER BY n DESC LIMIT ?`
    return this.#db.query(sql, [...values, filter.limit]).map(decodeTurn)
  }

  /** Turns that have not ended, in the order in which they were accepted. */
  async open(): Promise<TurnRecord[]> {
    return this.#open.all().map(decodeTurn)
  }

  /**
   * Writes the turn down, or finds the one that has this id. With `opening` it is started in the same commit.
   * Throws CONFLICT when the id belongs to a turn of another session.
   */
  accept(request: TurnRequest, fields: { cwd?: string }, opening?: Opening): Promise<AcceptResult> {
    return this.#db.write(() => {
      const known = this.#byId.get(request.turnId)
      if (known) {
        const record = decodeTurn(known)
        if (record.sessionKey !== request.sessionKey)
          throw new PincerError(
            "CONFLICT",
            `Idempotency key "${request.turnId}" was used for another session: send a fresh one`,
          )
        return { record, duplicate: true }
      }
      const at = this.#clock.now()
      const session = this.#sessions.ensureNow(request.sessionKey, request.agentId, fields)
      this.#insert.run(request.turnId, session.key, session.id, session.agentId, JSON.stringify(request), at)
      const record: TurnRecord = {
        turnId: request.turnId,
        sessionKey: session.key,
        sessionId: session.id,
        agentId: session.agentId,
        status: "queued",
        request,
        attempt: 0,
        acceptedAt: at,
        startedAt: null,
        endedAt: null,
        outcome: null,
      }
      if (!opening) return { record, duplicate: false }
      const started = this.#beginNow(record, session, opening)
      return {
        record: { ...record, status: "running", attempt: started.fence.epoch, startedAt: at },
        duplicate: false,
        started,
      }
    })
  }

  /** Starts an attempt. */
  begin(record: TurnRecord, opening: Opening): Promise<NonNullable<AcceptResult["started"]>> {
    return this.#db.write(() => {
      const session = this.#sessions.ensureNow(record.sessionKey, record.agentId, {})
      return this.#beginNow(record, session, opening)
    })
  }

  #beginNow(record: TurnRecord, session: SessionRow, opening: Opening): NonNullable<AcceptResult["started"]> {
    const at = this.#clock.now()
    const row = this.#begin.get(at, session.id, record.turnId)
    if (!row) throw new FencedError(`Turn ${record.turnId} is gone`)
    const events = opening(session, () => this.#transcript.messagesOf(session.id))
    const fence = { turnId: record.turnId, sessionKey: session.key, epoch: int(row, "attempt") }
    return { fence, events: this.#transcript.append(session, record.turnId, at, events), session }
  }

  /** Appends events of a running attempt. */
  append(fence: Fence, events: readonly RecordedEvent[]): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => this.appendNow(fence, events))
  }

  /**
   * Appends what happened outside of an attempt, under the turn that began last. Undefined, and nothing is written, when the session is gone
   * or its log is another one than `log` by now, or when no turn has begun in it.
   */
  aside(
    sessionKey: string,
    log: string,
    events: (turnId: string) => readonly RecordedEvent[],
  ): Promise<RecordedEnvelope[] | undefined> {
    return this.#db.write(() => {
      const session = this.#sessions.find(sessionKey)
      const last = session?.id === log ? this.#last.get(sessionKey, log) : undefined
      if (!session || !last) return undefined
      const turnId = text(last, "id")
      return this.#transcript.append(session, turnId, this.#clock.now(), events(turnId))
    })
  }

  /** Within a write. Throws FencedError when the attempt is not the newest any more. */
  appendNow(fence: Fence, events: readonly RecordedEvent[]): RecordedEnvelope[] {
    this.check(fence)
    const session = this.#sessions.find(fence.sessionKey)
    if (!session) throw new FencedError(`Session ${fence.sessionKey} is gone`)
    return this.#transcript.append(session, fence.turnId, this.#clock.now(), events)
  }

  /** Within a write: throws FencedError unless this attempt is the newest and the turn has not ended. */
  check(fence: Fence): void {
    const row = this.#fence.get(fence.turnId)
    if (!row || row["ended_at"] !== null || row["attempt"] !== fence.epoch)
      throw new FencedError(`Turn ${fence.turnId} has moved on from attempt ${fence.epoch}`)
  }

  /** Changes the status of a turn that has not ended, with the events that tell of it. */
  mark(
    fence: Fence,
    status: "running" | "waiting" | "interrupted",
    events: readonly RecordedEvent[],
  ): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      const envelopes = this.appendNow(fence, events)
      this.#status.run(status, fence.turnId)
      return envelopes
    })
  }

  /** Ends the turn, once: last events, outcome, usage; its journal and drafts go. */
  finish(fence: Fence, events: readonly RecordedEvent[], outcome: TurnOutcome): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      this.check(fence)
      const row = this.#byId.get(fence.turnId)
      const record = decodeTurn(row!)
      if (isFinal(record.status)) throw new FencedError(`Turn ${fence.turnId} has ended`)
      const at = this.#clock.now()
      const session = this.#sessions.ensureNow(record.sessionKey, record.agentId, {})
      const last: RecordedEvent[] = [...this.#cancelAsked(fence.turnId, at), { type: "turn.ended", outcome }]
      const envelopes = this.#transcript.append(session, fence.turnId, at, [...events, ...last])
      // What a stateless caller sent along is in the transcript now; once is enough.
      const request = record.request.history
        ? JSON.stringify({ ...record.request, history: undefined })
        : text(row!, "request")
      this.#finish.run(outcome.status, at, JSON.stringify(outcome), request, fence.turnId)
      this.#clearSteps.run(fence.turnId)
      this.#clearDrafts.run(fence.turnId)
      this.#usage.add(at, outcome)
      return envelopes
    })
  }

  /** A turn that has ended asks for nothing any more. */
  #cancelAsked(turnId: string, at: number): RecordedEvent[] {
    return this.#asked.all(turnId).map((row) => {
      const approval: Approval = {
        ...json<Approval>(row, "data"),
        decision: "canceled",
        resolvedBy: "turn ended",
        resolvedAt: at,
      }
      this.#withdraw.run(JSON.stringify(approval), approval.id)
      return { type: "approval.resolved", approval }
    })
  }
}

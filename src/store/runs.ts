// Runs of workflows. Every write of a run is fenced by its attempt, and its steps lie in the one journal. A gate is answered once,
// whoever tries at the same time; what an earlier process left is taken up only when that process is gone.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import type { EnvelopeError, RunEvent, RunRecord, RunStatus } from "../protocol/workflow.ts"
import type { Database, Row } from "./database.ts"
import { int, json, text } from "./row.ts"
import {
  decodeGate,
  decodeRecord,
  type GateRow,
  type Holder,
  type NewRun,
  type RunFact,
  type RunFence,
  type RunFilter,
  type StoredRun,
} from "./run-rows.ts"
import type { Effect, StepState, StepTable } from "./steps.ts"

const COLUMNS = "id,title,file,status,attempt,holder,cwd,started_by,started_at,ended_at,args,error"

/** Ends the key under which a step's failure lies; alone, that of the run. */
export const FAILED = "!failed"

/** Owner of the outcomes that are found by idempotency key. */
const KEYED = "workflow keys"

/** Begins the keys of values that go with their run; no key of a command looks like it. */
export function runStatePrefix(runId: string): string {
  return `run/${runId}/`
}

export class RunFenced extends Error {
  override readonly name = "RunFenced"
}

export class RunTable {
  readonly #db: Database
  readonly #clock: Clock
  readonly #steps: StepTable
  readonly #insert
  readonly #byId
  readonly #recordOf
  readonly #fence
  readonly #take
  readonly #status
  readonly #finish
  readonly #lastSeq
  readonly #addEvent
  readonly #events
  readonly #delete
  readonly #gate
  readonly #gateByPath
  readonly #openGate
  readonly #setGate
  readonly #waiting
  readonly #over
  readonly #gatesOf
  readonly #dropGate
  readonly #dropGatesBelow
  readonly #dropRefusals
  readonly #getState
  readonly #setState
  readonly #dropState

  constructor(db: Database, clock: Clock, steps: StepTable) {
    this.#db = db
    this.#clock = clock
    this.#steps = steps
    this.#insert = db.statement(
      `INSERT INTO runs (id,title,file,status,attempt,holder,cwd,started_by,started_at,args,settings,definition)
       VALUES (?,?,?,'running',1,?,?,?,?,?,?,?)`,
    )
    this.#byId = db.statement("SELECT * FROM runs WHERE id=?")
    this.#recordOf = db.statement(`SELECT ${COLUMNS} FROM runs WHERE id=?`)
    this.#fence = db.statement("SELECT attempt,status FROM runs WHERE id=?")
    this.#take = db.statement(
      "UPDATE runs SET status='running',attempt=attempt+1,holder=?,ended_at=NULL,error=NULL WHERE id=? RETURNING attempt",
    )
    this.#status = db.statement("UPDATE runs SET status=?,holder=NULL WHERE id=?")
    this.#finish = db.statement("UPDATE runs SET status=?,holder=NULL,ended_at=?,output=?,error=? WHERE id=?")
    this.#lastSeq = db.statement("SELECT coalesce(max(seq),0) AS seq FROM run_events WHERE run_id=?")
    this.#addEvent = db.statement("INSERT INTO run_events (run_id,seq,at,data) VALUES (?,?,?,?)")
    this.#events = db.statement("SELECT seq,at,data FROM run_events WHERE run_id=? AND seq>? ORDER BY seq LIMIT ?")
    this.#delete = [
      "DELETE FROM run_events WHERE run_id=?",
      "DELETE FROM gates WHERE run_id=?",
      "DELETE FROM runs WHERE id=?",
    ].map((sql) => db.statement(sql))
    this.#gate = db.statement("SELECT * FROM gates WHERE id=?1 OR token=?1")
    this.#gateByPath = db.statement("SELECT * FROM gates WHERE run_id=? AND path=?")
    this.#openGate = db.statement(
      "INSERT INTO gates (id,token,run_id,path,status,request,created_at,expires_at) VALUES (?,?,?,?,'waiting',?,?,?)",
    )
    this.#setGate = db.statement("UPDATE gates SET status=?,answer=?,answered_at=? WHERE id=? AND status='waiting'")
    this.#waiting = db.statement("SELECT * FROM gates WHERE status='waiting' ORDER BY created_at LIMIT ?")
    this.#over = db.statement("SELECT * FROM gates WHERE status='waiting' AND expires_at<=? LIMIT 10000")
    this.#gatesOf = db.statement("SELECT * FROM gates WHERE run_id=? ORDER BY created_at")
    this.#dropGate = db.statement("DELETE FROM gates WHERE run_id=? AND path=?")
    this.#dropGatesBelow = db.statement("DELETE FROM gates WHERE run_id=?1 AND substr(path,1,length(?2))=?2")
    this.#dropRefusals = db.statement(
      "DELETE FROM gates WHERE run_id=? AND (status IN ('canceled','expired') OR json_extract(answer,'$.type')='rejected')",
    )
    this.#getState = db.statement("SELECT value FROM workflow_state WHERE key=?")
    this.#setState = db.statement("INSERT OR REPLACE INTO workflow_state (key,value,updated_at) VALUES (?,?,?)")
    this.#dropState = db.statement("DELETE FROM workflow_state WHERE substr(key,1,length(?1))=?1")
  }

  /** Writes a run down as running in `holder`. "later": with whatever of it is written next; every other write of it comes behind this one. */
  create(run: NewRun, holder: Holder, when: "now" | "later" = "now"): Promise<RunEvent[]> {
    return this.#db.write(() => {
      const at = this.#clock.now()
      this.#insert.run(
        run.runId,
        run.title,
        run.file ?? null,
        JSON.stringify(holder),
        run.cwd,
        run.startedBy,
        at,
        JSON.stringify(run.args),
        JSON.stringify(run.settings),
        JSON.stringify(run.definition),
      )
      return this.#appendNow(firstAttempt(run.runId), [{ type: "run.started", title: run.title, attempt: 1 }])
    }, when)
  }

  /**
   * Begins another attempt. Throws NOT_FOUND; CONFLICT when it is in none of the states `from`, or runs in a process that `isAlive` says lives.
   */
  take(
    runId: string,
    holder: Holder,
    from: readonly RunStatus[],
    isAlive: (holder: Holder) => boolean,
  ): Promise<RunFence> {
    return this.#db.write(() => this.#takeNow(runId, holder, from, isAlive))
  }

  #takeNow(runId: string, holder: Holder, from: readonly RunStatus[], isAlive: (holder: Holder) => boolean): RunFence {
    const row = this.#byId.get(runId)
    if (!row) throw unknownRun(runId)
    const status = text(row, "status") as RunStatus
    const held = row["holder"] === null ? null : json<Holder>(row, "holder")
    if (status === "running" && held && isAlive(held))
      throw new PincerError("CONFLICT", `Run ${runId} is running in process ${held.pid}: wait for it, or cancel it`)
    if (!from.includes(status))
      throw new PincerError("CONFLICT", `Run ${runId} is ${status}: it cannot go on from there`)
    const epoch = int(this.#take.get(JSON.stringify(holder), runId)!, "attempt")
    const fence = { runId, epoch }
    this.#appendNow(fence, [{ type: "run.started", title: text(row, "title"), attempt: epoch }])
    return fence
  }

  append(fence: RunFence, facts: readonly RunFact[]): Promise<RunEvent[]> {
    return this.#db.write(() => {
      this.#check(fence)
      return this.#appendNow(fence, facts)
    })
  }

  async state(fence: RunFence, key: string): Promise<StepState> {
    return this.#steps.state(fence.runId, key)
  }

  /** The intent of a step. What it may do must not begin before this is on disk. */
  intend(fence: RunFence, key: string, effect: Effect): Promise<void> {
    return this.#db.write(() => {
      this.#check(fence)
      this.#steps.intendNow(fence.runId, key, fence.epoch, effect)
    })
  }

  /** Facts that nobody waits for: they go with whatever is written next. */
  tell(fence: RunFence, facts: readonly RunFact[]): Promise<RunEvent[]> {
    return this.#db.write(() => {
      this.#check(fence)
      return this.#appendNow(fence, facts)
    }, "later")
  }

  /** Commits what waits for company. */
  flush(): void {
    this.#db.flush()
  }

  /** Goes with whatever is written next. `under`: an idempotency key under which later runs find the outcome. */
  settle(
    fence: RunFence,
    key: string,
    effect: Effect,
    value: unknown,
    facts: readonly RunFact[],
    under?: string,
  ): Promise<RunEvent[]> {
    return this.#db.write(() => {
      this.#check(fence)
      this.#steps.settleNow(fence.runId, key, fence.epoch, effect, value)
      if (under !== undefined) this.#steps.settleNow(KEYED, under, fence.epoch, effect, value)
      return this.#appendNow(fence, facts)
    }, "later")
  }

  /** What a step of any run left under an idempotency key. */
  async keyed(key: string): Promise<unknown> {
    const state = this.#steps.state(KEYED, key)
    return state.type === "done" ? state.value : undefined
  }

  /** A step is to be done anew: what is known of it goes. */
  forget(fence: RunFence, key: string): Promise<void> {
    return this.#db.write(() => {
      this.#check(fence)
      this.#steps.forgetNow(fence.runId, key)
    })
  }

  /** Steps are to be done anew: `whole` with whatever lies below or hangs on them, `own` by themselves. */
  forgetFrom(fence: RunFence, whole: readonly string[], own: readonly string[]): Promise<void> {
    return this.#db.write(() => {
      this.#check(fence)
      for (const path of own) this.#steps.forgetNow(fence.runId, path)
      for (const path of whole) {
        this.#steps.forgetBelowNow(fence.runId, path)
        this.#dropGate.run(fence.runId, path)
        for (const sign of ".[!|?") this.#dropGatesBelow.run(fence.runId, `${path}${sign}`)
      }
    })
  }

  /**
   * A step failed for good: it is not begun again unless somebody has the run tried again. `below`: how the keys of its own steps begin; what was
   * cut off there failed with it.
   */
  fail(
    fence: RunFence,
    path: string,
    message: string,
    below: readonly string[],
    facts: readonly RunFact[],
  ): Promise<RunEvent[]> {
    return this.#db.write(() => {
      this.#check(fence)
      this.#steps.forgetNow(fence.runId, path)
      for (const beginning of below) this.#steps.forgetOpenNow(fence.runId, beginning, fence.epoch, FAILED)
      this.#steps.settleNow(fence.runId, `${path}${FAILED}`, fence.epoch, "read", { message })
      return this.#appendNow(fence, facts)
    })
  }

  /** Steps that failed or were cut off are to be done anew, because what holds them is. */
  forgetOpen(fence: RunFence, below: readonly string[]): Promise<void> {
    return this.#db.write(() => {
      this.#check(fence)
      for (const beginning of below) this.#steps.forgetOpenNow(fence.runId, beginning, fence.epoch, FAILED)
    })
  }

  /** The run is tried again: its failures go, and whoever said no or nothing is asked again. */
  forgetFailures(fence: RunFence): Promise<void> {
    return this.#db.write(() => {
      this.#check(fence)
      this.#steps.forgetEndingNow(fence.runId, FAILED)
      this.#dropRefusals.run(fence.runId)
    })
  }

  /** The attempt that wrote the intent of a step which has no outcome. */
  async intentEpoch(runId: string, key: string): Promise<number | undefined> {
    return this.#steps.intentEpoch(runId, key)
  }

  /** Whether this attempt still runs it. */
  holds(fence: RunFence): boolean {
    const row = this.#fence.get(fence.runId)
    return row !== undefined && row["attempt"] === fence.epoch && row["status"] === "running"
  }

  /** The run waits: the gate, and whatever else is told, in one write, which goes with whatever is written next. */
  openGate(
    fence: RunFence,
    gate: Pick<GateRow, "id" | "token" | "path" | "request" | "expiresAt">,
    facts: readonly RunFact[],
  ): Promise<RunEvent[]> {
    return this.#db.write(() => {
      this.#check(fence)
      this.#openGate.run(
        gate.id,
        gate.token,
        fence.runId,
        gate.path,
        JSON.stringify(gate.request),
        this.#clock.now(),
        gate.expiresAt,
      )
      return this.#appendNow(fence, facts)
    }, "later")
  }

  /** The process lets go of the run: it waits, or is uncertain. */
  rest(fence: RunFence, status: "waiting" | "uncertain", facts: readonly RunFact[] = []): Promise<RunEvent[]> {
    return this.#db.write(() => {
      this.#check(fence)
      this.#status.run(status, fence.runId)
      return this.#appendNow(fence, facts)
    })
  }

  /**
   * The one answer of a gate, by its id or token, and in the same commit another attempt of its run. When the run cannot be taken the answer counts
   * all the same, and `taken` says why. Throws NOT_FOUND for an unknown gate, CONFLICT for one that was answered or has expired. A power cut before
   * anything else of the run is written leaves the gate waiting: nothing acts before its intent, and that is on disk with this.
   */
  answerAndTake(
    idOrToken: string,
    status: "answered" | "canceled",
    answer: Record<string, unknown>,
    holder: Holder,
    from: readonly RunStatus[],
    isAlive: (holder: Holder) => boolean,
  ): Promise<{ gate: GateRow; taken: RunFence | PincerError }> {
    return this.#db.write(() => {
      const gate = this.answerNow(idOrToken, status, () => answer)
      try {
        return { gate, taken: this.#takeNow(gate.runId, holder, from, isAlive) }
      } catch (error) {
        if (error instanceof PincerError) return { gate, taken: error }
        throw error
      }
    }, "ahead")
  }

  /** The answer alone, within a write that somebody else began. `answer` may refuse by throwing. */
  answerNow(
    idOrToken: string,
    status: "answered" | "canceled",
    answer: (gate: GateRow) => Record<string, unknown>,
  ): GateRow {
    const row = this.#gate.get(idOrToken)
    if (!row) throw new PincerError("NOT_FOUND", "Resume state not found: this token or id is unknown")
    const gate = decodeGate(row)
    const now = this.#clock.now()
    if (gate.status !== "waiting") throw new PincerError("CONFLICT", `This gate was ${gate.status} before`)
    if (gate.expiresAt !== null && now >= gate.expiresAt) throw new PincerError("CONFLICT", "This gate has expired")
    const given = answer(gate)
    this.#setGate.run(status, JSON.stringify(given), now, gate.id)
    return { ...gate, status, answer: given, answeredAt: now }
  }

  /** Gates whose time is over; each is told once. */
  async expire(): Promise<GateRow[]> {
    if (!this.#over.get(this.#clock.now())) return []
    return this.#db.write(() => {
      const now = this.#clock.now()
      const over = this.#over.all(now).map(decodeGate)
      for (const gate of over) this.#setGate.run("expired", "{}", now, gate.id)
      return over.map((gate) => ({ ...gate, status: "expired", answeredAt: now }) as const)
    })
  }

  finish(
    fence: RunFence,
    end: { status: RunStatus; output: unknown[]; error?: EnvelopeError },
    facts: readonly RunFact[] = [],
  ): Promise<RunEvent[]> {
    return this.#db.write(() => {
      this.#check(fence)
      const { status, output, error } = end
      this.#finish.run(
        status,
        this.#clock.now(),
        JSON.stringify(output),
        error ? JSON.stringify(error) : null,
        fence.runId,
      )
      for (const gate of this.#gatesOf.all(fence.runId).map(decodeGate))
        if (gate.status === "waiting") this.#setGate.run("canceled", "{}", this.#clock.now(), gate.id)
      const ended: RunFact = { type: "run.ended", status, ...(error ? { error } : {}) }
      return this.#appendNow(fence, [...facts, ended])
    })
  }

  async get(runId: string): Promise<StoredRun | undefined> {
    const row = this.#byId.get(runId)
    return row && this.#decode(row)
  }

  /** Without what it gave and what it runs, which may be long. */
  async record(runId: string): Promise<RunRecord | undefined> {
    const row = this.#recordOf.get(runId)
    return row && decodeRecord(row, this.#eventsOf(runId, 0, -1))
  }

  /** Newest first, without their steps. */
  async list({ status, search, limit, offset = 0 }: RunFilter): Promise<RunRecord[]> {
    const where = ["1=1"]
    const values: (string | number)[] = []
    if (status !== undefined) {
      where.push(`status IN (${status.map(() => "?").join(",")})`)
      values.push(...status)
    }
    if (search !== undefined && search !== "") {
      where.push("instr(lower(id||char(10)||title||char(10)||coalesce(file,'')),lower(?))")
      values.push(search)
    }
    const sql = `SELECT ${COLUMNS} FROM runs WHERE ${where.join(" AND ")} ORDER BY n DESC LIMIT ? OFFSET ?`
    return this.#db.query(sql, [...values, limit, offset]).map((row) => decodeRecord(row, []))
  }

  async events(runId: string, afterSeq: number, limit: number): Promise<RunEvent[]> {
    return this.#eventsOf(runId, afterSeq, limit)
  }

  async gateAt(runId: string, path: string): Promise<GateRow | undefined> {
    const row = this.#gateByPath.get(runId, path)
    return row && decodeGate(row)
  }

  async gate(idOrToken: string): Promise<GateRow | undefined> {
    const row = this.#gate.get(idOrToken)
    return row && decodeGate(row)
  }

  /** Gates that wait, oldest first. */
  async pending(limit = 1_000): Promise<GateRow[]> {
    return this.#waiting.all(limit).map(decodeGate)
  }

  async gatesOf(runId: string): Promise<GateRow[]> {
    return this.#gatesOf.all(runId).map(decodeGate)
  }

  delete(runId: string): Promise<boolean> {
    return this.#db.write(() => {
      this.#steps.clearNow(runId)
      this.#dropState.run(runStatePrefix(runId))
      return this.#delete.map((statement) => statement.run(runId)).at(-1) === 1
    })
  }

  /** A value that outlives runs; undefined when there is none. */
  async getState(key: string): Promise<unknown> {
    const row = this.#getState.get(key)
    return row && json<unknown>(row, "value")
  }

  setState(key: string, value: unknown): Promise<void> {
    return this.#db.write(() => {
      this.#setState.run(key, JSON.stringify(value ?? null), this.#clock.now())
    })
  }

  #decode(row: Row): StoredRun {
    const runId = text(row, "id")
    return {
      record: decodeRecord(row, this.#eventsOf(runId, 0, -1)),
      settings: json(row, "settings"),
      definition: json(row, "definition"),
      output: row["output"] === null ? null : json(row, "output"),
      holder: row["holder"] === null ? null : json(row, "holder"),
    }
  }

  #eventsOf(runId: string, afterSeq: number, limit: number): RunEvent[] {
    return this.#events
      .all(runId, afterSeq, limit)
      .map((row) => ({ ...json<RunEvent>(row, "data"), runId, seq: int(row, "seq"), at: int(row, "at") }))
  }

  #appendNow(fence: RunFence, facts: readonly RunFact[]): RunEvent[] {
    if (facts.length === 0) return []
    const at = this.#clock.now()
    let seq = int(this.#lastSeq.get(fence.runId)!, "seq")
    return facts.map((fact) => {
      seq += 1
      this.#addEvent.run(fence.runId, seq, at, JSON.stringify(fact))
      return { ...fact, runId: fence.runId, seq, at } as RunEvent
    })
  }

  #check(fence: RunFence): void {
    const row = this.#fence.get(fence.runId)
    if (!row || row["attempt"] !== fence.epoch || row["status"] !== "running")
      throw new RunFenced(`Run ${fence.runId} has moved on from attempt ${fence.epoch}`)
  }
}

/** The fence of a run that was just created. */
export function firstAttempt(runId: string): RunFence {
  return { runId, epoch: 1 }
}

function unknownRun(runId: string): PincerError {
  return new PincerError("NOT_FOUND", `Unknown run "${runId}": run "pincer workflow list --runs"`)
}

// The work on jobs: a bounded number at once, each attempt a turn that goes through the lanes like everything else. A job has no
// recovery of its own: its work is "hand the turn in, wait for its end, write that down", which may be done again from the top at
// any time, because a turn is accepted once by its id and resumes or ends by its own journal.
import { createHash } from "node:crypto"
import { PincerError } from "../base/errors.ts"
import { secret, uuid } from "../base/id.ts"
import { canonicalJson } from "../base/json.ts"
import type { TurnEnvelope } from "../protocol/event.ts"
import { attemptTurn, isJobEnd, type JobError, type JobRecord, type JobRequest } from "../protocol/job.ts"
import { isFinal, type TurnRecord, type TurnRequest } from "../protocol/turn.ts"
import type { JobEnd } from "../store/jobs.ts"
import { unknownJob } from "../store/jobs.ts"
import { attemptInput, endOf, isPassing } from "./attempt.ts"
import type { JobFigures, JobPorts, Submission, Submitted } from "./job.ts"
import { JobQueue, type Waiting } from "./queue.ts"

/** Before a full lane is asked again. */
const LANE_FULL_MS = 1_000
/** Before a job whose beginning could not be written is tried again. */
const STORE_FAULT_MS = 5_000

interface Active {
  controller: AbortController
  turnId: string
  /** Waits for a human: its place is given to another job meanwhile. */
  parked: boolean
  done: Promise<void>
}

/** "left": the gateway stops; the next life of it goes on. */
type AttemptEnd = JobEnd | { status: "again"; error: JobError } | { status: "left" }

export class JobRunner {
  readonly #ports: JobPorts
  readonly #queue: JobQueue
  readonly #active = new Map<string, Active>()
  readonly #listeners = new Map<string, Set<() => void>>()
  readonly #figures = {
    submitted: 0,
    completed: 0,
    failed: 0,
    canceled: 0,
    retried: 0,
    durationMs: { count: 0, sum: 0 },
  }
  #accepting = 0
  #parked = 0
  #draining = false
  #held = false
  /** Told of every job that has ended. */
  onEnd: (record: JobRecord) => void = () => undefined

  constructor(ports: JobPorts) {
    this.#ports = ports
    this.#queue = new JobQueue(ports.clock)
    this.#queue.onReady = () => this.#pump()
  }

  /**
   * Takes up what an earlier life left. To be called after the lanes have started. With `hold` nothing begins, neither that nor what
   * is handed in: it is kept for the next life.
   */
  async start({ hold = false }: { hold?: boolean } = {}): Promise<void> {
    this.#held = hold
    const open = await this.#ports.books.jobs.open()
    if (hold) {
      for (const job of open) this.#queue.add(job)
      return
    }
    const begun = open.filter((job) => job.status === "running")
    for (const job of open) this.#queue.add(job)
    for (const job of begun) void this.#work(this.#queue.find(job.id)!, true)
    this.#pump()
  }

  /**
   * Resolves once the job is on disk. Throws CONFLICT when the idempotency key was used for something else, RATE_LIMITED when too
   * many wait, UNAVAILABLE while the gateway stops.
   */
  async submit(said: Submission): Promise<Submitted> {
    const { clock, settings, books } = this.#ports
    if (this.#draining)
      throw new PincerError("UNAVAILABLE", "The gateway is shutting down: try again in a moment", {
        retryAfterMs: 2000,
      })
    if (this.#queue.size + this.#accepting >= settings.maxQueued)
      throw new PincerError("RATE_LIMITED", `${settings.maxQueued} jobs wait already: try again later`, {
        retryAfterMs: 5000,
      })
    const id = uuid(clock.now())
    this.#accepting += 1
    try {
      const { prompt, idempotencyKey = null } = said
      const request = this.#request(id, said)
      const fingerprint = idempotencyKey === null ? "" : fingerprintOf(said)
      const accepted = await books.jobs.accept({ id, prompt, request, idempotencyKey, fingerprint })
      if (accepted.duplicate) return accepted
      const { record } = accepted
      this.#figures.submitted += 1
      this.#queue.add(open(record, "queued"))
      this.#pump()
      return accepted
    } finally {
      this.#accepting -= 1
    }
  }

  #request(id: string, said: Submission): JobRequest {
    const { settings } = this.#ports
    const agent = settings.agents[said.agentId] ?? {}
    const { model, thinking, cwd, timeoutMs, permissions, callback, agentCommand, hosted } = said
    return {
      agentId: said.agentId,
      sessionKey: said.sessionKey ?? `agent:${said.agentId}:job:${id}`,
      ownSession: said.sessionKey === undefined,
      ...(model === undefined ? {} : { model }),
      ...(thinking === undefined ? {} : { thinking }),
      ...(cwd === undefined ? {} : { cwd }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      priority: said.priority ?? 0,
      maxAttempts: said.maxAttempts ?? agent.maxAttempts ?? settings.maxAttempts,
      backoffMs: settings.backoffMs,
      onInterrupt: said.onInterrupt ?? agent.onInterrupt ?? settings.onInterrupt,
      ...(permissions === undefined ? {} : { permissions }),
      ...(agentCommand === undefined ? {} : { agentCommand }),
      ...(hosted === undefined ? {} : { hosted }),
      ...(callback === undefined ? {} : { callback: { url: callback.url, secret: callback.secret ?? secret() } }),
      ...(said.door === undefined ? {} : { door: said.door }),
      clientId: said.clientId,
    }
  }

  /** Throws NOT_FOUND. */
  async get(id: string): Promise<JobRecord> {
    const record = await this.#ports.books.jobs.get(id)
    if (!record) throw unknownJob(id)
    return record
  }

  /** Resolves once it has ended. Throws NOT_FOUND, and CONFLICT for a job that has ended already. */
  async cancel(id: string): Promise<JobRecord> {
    const waiting = this.#queue.find(id)
    if (!waiting) throw cannot("canceled", await this.get(id))
    const active = this.#active.get(id)
    if (!active) {
      this.#queue.remove(id)
      // Held back in the middle of an attempt: its turn goes with it.
      if (waiting.taken && this.#held) {
        const { attempt } = await this.get(id)
        await this.#ports.lanes.cancel({ turnId: attemptTurn(id, attempt) })
      }
      try {
        return this.#ended(await this.#ports.books.jobs.finish(id, { status: "canceled" }))
      } catch (error) {
        this.#queue.add({ ...waiting, status: waiting.taken ? "running" : "queued" })
        throw error
      } finally {
        this.#pump()
      }
    }
    active.controller.abort()
    await this.#ports.lanes.cancel({ turnId: active.turnId })
    await active.done
    const record = await this.get(id)
    if (record.status === "canceled") return record
    // Its attempt failed at the same moment, and another one was to follow.
    if (!isJobEnd(record.status)) return this.cancel(id)
    throw cannot("canceled", record)
  }

  /** A failed job is queued again. Throws NOT_FOUND and CONFLICT. */
  async retry(id: string): Promise<JobRecord> {
    const record = await this.#ports.books.jobs.retry(id)
    this.#figures.retried += 1
    this.#queue.add(open(record, "queued"))
    this.#tell(id)
    this.#pump()
    return record
  }

  /**
   * what has not ended is canceled and kept, unless `purge` says to remove it as well; what has ended is removed, with the
   * session that was made for it. Returns the status it had or got, and whether it is gone. Throws NOT_FOUND.
   */
  async delete(id: string, purge: boolean): Promise<{ record: JobRecord; removed: boolean }> {
    let record = await this.get(id)
    if (this.#queue.find(id)) {
      record = await this.cancel(id).catch(async (error: unknown) => {
        // It may have ended by itself just now: that is as good.
        if (error instanceof PincerError && error.code === "CONFLICT") return this.get(id)
        throw error
      })
      if (!purge) return { record, removed: false }
    }
    await this.remove(record)
    return { record, removed: true }
  }

  /** Removes a job that has ended. */
  async remove(record: JobRecord): Promise<void> {
    await this.#ports.books.jobs.delete(record.id)
    if (record.request.ownSession) await this.#ports.books.sessions.delete(record.request.sessionKey)
    this.#tell(record.id)
  }

  /** Calls `listener` after each new fact of a job, and when it was removed. The returned function ends that. */
  onJob(id: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(id) ?? new Set()
    this.#listeners.set(id, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(id) === listeners) this.#listeners.delete(id)
    }
  }

  /** To be told of every event: a job that waits for a human gives its place to another one meanwhile. */
  observe({ turnId, event }: Pick<TurnEnvelope, "turnId" | "event">): void {
    if (event.type !== "approval.requested" && event.type !== "approval.resolved") return
    const active = this.#active.get(turnId.slice(0, turnId.lastIndexOf(".")))
    if (!active || active.turnId !== turnId) return
    this.#park(active, event.type === "approval.requested")
    this.#pump()
  }

  figures(): Omit<JobFigures, "callbacksDelivered" | "callbacksGivenUp"> {
    const running = this.#active.size
    return {
      ...this.#figures,
      durationMs: { ...this.#figures.durationMs },
      running,
      queued: this.#queue.size - running,
    }
  }

  /** No new attempts. */
  stop(): void {
    this.#draining = true
    this.#queue.close()
  }

  /** Resolves when what the lanes have ended is written down, or after `limitMs`. The rest is for the next life. */
  async settled(limitMs: number): Promise<void> {
    const { books, clock } = this.#ports
    const ending: Promise<void>[] = []
    for (const active of [...this.#active.values()]) {
      const turn = await books.turns.get(active.turnId)
      if (turn && isFinal(turn.status)) ending.push(active.done)
    }
    const limit = Promise.withResolvers<void>()
    const stopTimer = clock.after(limitMs, limit.resolve)
    await Promise.race([Promise.all(ending), limit.promise])
    stopTimer()
  }

  /** There may be room for more jobs now. */
  settingsChanged(): void {
    this.#pump()
  }

  #pump(): void {
    while (!this.#draining && !this.#held && this.#active.size - this.#parked < this.#ports.settings.maxConcurrent) {
      const job = this.#queue.take()
      if (!job) return
      void this.#work(job, false)
    }
  }

  #park(active: Active, parked: boolean): void {
    if (active.parked === parked) return
    active.parked = parked
    this.#parked += parked ? 1 : -1
  }

  /** One attempt from its beginning, or from where an earlier life left it (`begun`), to what follows from its end. Never throws. */
  async #work(job: Waiting, begun: boolean): Promise<void> {
    const done = Promise.withResolvers<void>()
    const active: Active = { controller: new AbortController(), turnId: "", parked: false, done: done.promise }
    this.#active.set(job.id, active)
    try {
      const { record, end } = await this.#attempt(job.id, begun, active)
      await this.#conclude(record, end)
    } catch (error) {
      await this.#rescue(job.id, error)
    } finally {
      this.#park(active, false)
      this.#active.delete(job.id)
      done.resolve()
      this.#pump()
    }
  }

  async #attempt(id: string, begun: boolean, active: Active): Promise<{ record: JobRecord; end: AttemptEnd }> {
    const { books, lanes } = this.#ports
    const known = await this.get(id)
    const attempt = begun ? known.attempt : known.attempt + 1
    const text = attempt > 1 ? await attemptInput(known, attempt, books.jobs) : known.prompt
    if (active.controller.signal.aborted) return { record: known, end: { status: "canceled" } }
    active.turnId = attemptTurn(id, attempt)
    // Both are asked for in one tick: one commit writes the beginning of the attempt and the acceptance of its turn.
    const [beginning, acceptance] = await Promise.allSettled([
      begun ? known : books.jobs.begin(id),
      this.#handIn(turnRequest(known, active.turnId, text), active),
    ])
    if (beginning.status === "rejected") {
      await lanes.cancel({ turnId: active.turnId })
      throw beginning.reason
    }
    const record = beginning.value
    if (begun) this.#pump()
    else this.#tell(id)
    if (acceptance.status === "rejected") return { record, end: this.#refused(acceptance.reason, active) }
    return { record, end: await this.#outcome(record, active) }
  }

  /** A lane that is full is asked again: the job has its place among jobs, not among what people type into that session. */
  async #handIn(request: TurnRequest, active: Active): Promise<void> {
    const { clock, lanes } = this.#ports
    for (;;) {
      try {
        const { record } = await lanes.submit(request)
        if (record.status === "waiting") this.#park(active, true)
        return
      } catch (error) {
        if (!(error instanceof PincerError) || error.code !== "RATE_LIMITED") throw error
        await clock.sleep(LANE_FULL_MS, active.controller.signal)
      }
    }
  }

  #refused(error: unknown, active: Active): AttemptEnd {
    if (active.controller.signal.aborted) return { status: "canceled" }
    if (this.#ports.lanes.draining) return { status: "left" }
    if (!(error instanceof PincerError)) throw error
    return { status: "failed", error: { code: error.code, message: error.message } }
  }

  async #outcome(record: JobRecord, active: Active): Promise<AttemptEnd> {
    const { books, lanes } = this.#ports
    const { turnId } = active
    let turn: TurnRecord | undefined
    try {
      turn = (await lanes.wait(turnId)) ?? (await books.turns.get(turnId))
    } catch (error) {
      if (!(error instanceof PincerError) || error.code !== "NOT_FOUND") throw error
    }
    if (!turn) return { status: "failed", error: { code: "ABORTED", message: "Its session was deleted while it ran" } }
    const end = endOf(turn, record)
    if (end) return this.#again(end, turn, record, active)
    if (lanes.draining) return { status: "left" }
    const message = "The end of its turn could not be recorded: the gateway's log says more"
    return { status: "failed", error: { code: "INTERNAL_ERROR", message } }
  }

  #again(end: JobEnd, turn: TurnRecord, record: JobRecord, active: Active): AttemptEnd {
    if (end.status !== "failed" || active.controller.signal.aborted || !isPassing(turn)) return end
    const used = record.attempt - record.roundFrom
    return used < record.request.maxAttempts ? { status: "again", error: end.error } : end
  }

  async #conclude(record: JobRecord, end: AttemptEnd): Promise<void> {
    const { books, clock, settings } = this.#ports
    const { id } = record
    switch (end.status) {
      case "left":
        return
      case "again": {
        const used = record.attempt - record.roundFrom
        const pause = Math.min(settings.maxBackoffMs, record.request.backoffMs * 2 ** (used - 1))
        const notBefore = clock.now() + pause
        await books.jobs.again(id, end.error, notBefore)
        this.#figures.retried += 1
        this.#active.delete(id)
        this.#queue.putBack(id, notBefore)
        this.#tell(id)
        return
      }
      default: {
        const ended = await books.jobs.finish(id, end)
        this.#queue.remove(id)
        this.#ended(ended)
      }
    }
  }

  #ended(record: JobRecord): JobRecord {
    const { status, startedAt, finishedAt } = record
    if (status === "completed" || status === "failed" || status === "canceled") this.#figures[status] += 1
    if (startedAt !== null && finishedAt !== null) {
      this.#figures.durationMs.count += 1
      this.#figures.durationMs.sum += finishedAt - startedAt
    }
    this.#tell(record.id)
    this.onEnd(record)
    return record
  }

  /** The store or the lanes failed in a way nobody foresaw. The job must not be forgotten, nor hold its session up for ever. */
  async #rescue(id: string, error: unknown): Promise<void> {
    const { books, clock, log } = this.#ports
    log.error({ err: error, jobId: id }, "An attempt of a job failed unexpectedly")
    if (this.#draining) return
    try {
      const record = await books.jobs.get(id)
      if (record?.status === "queued") {
        this.#queue.putBack(id, clock.now() + STORE_FAULT_MS)
        return
      }
      const message = error instanceof Error ? error.message : String(error)
      if (record?.status === "running")
        this.#ended(await books.jobs.finish(id, { status: "failed", error: { code: "INTERNAL_ERROR", message } }))
      this.#queue.remove(id)
    } catch (failure) {
      log.error({ err: failure, jobId: id }, "The end of a job could not be recorded: the next start takes it up")
    }
  }

  #tell(id: string): void {
    for (const listener of this.#listeners.get(id) ?? []) {
      try {
        listener()
      } catch (error) {
        this.#ports.log.error({ err: error, jobId: id }, "A listener failed")
      }
    }
  }
}

function open(record: JobRecord, status: "queued" | "running") {
  const { id, rank, notBefore, request } = record
  return { id, rank, status, priority: request.priority, sessionKey: request.sessionKey, notBefore }
}

function turnRequest({ request }: JobRecord, turnId: string, text: string): TurnRequest {
  const { model, thinking, cwd, timeoutMs, permissions, agentCommand, hosted } = request
  return {
    turnId,
    sessionKey: request.sessionKey,
    agentId: request.agentId,
    input: [{ type: "text", text }],
    ...(model === undefined ? {} : { model }),
    ...(thinking === undefined ? {} : { sampling: { thinking } }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(timeoutMs === undefined
      ? {}
      : { limits: { maxTimeMs: timeoutMs === 0 ? Number.MAX_SAFE_INTEGER : timeoutMs } }),
    ...(permissions === undefined ? {} : { permissions }),
    ...(agentCommand === undefined ? {} : { agentCommand }),
    ...(hosted === undefined ? {} : { hosted }),
    recovery: request.onInterrupt === "resume" ? "resume" : "mark-begun",
    origin: { door: request.door ?? "job", clientId: request.clientId },
  }
}

/** Everything that was asked for: a repeat must ask for the same. */
function fingerprintOf({ clientId: _, idempotencyKey: __, ...asked }: Submission): string {
  return createHash("sha256").update(canonicalJson(asked)).digest("base64url")
}

function cannot(what: string, record: JobRecord): PincerError {
  return new PincerError("CONFLICT", `Job ${record.id} is ${record.status} and cannot become ${what}`, {
    details: { status: record.status, wanted: what },
  })
}

// Lanes: one per session with work; its turns run strictly one after another, sessions side by side, all within a limit.
// submit() resolves when the turn is on disk. Memory holds only turns that have not ended; the store is the truth.
import { PincerError } from "../base/errors.ts"
import type { Approval } from "../protocol/approval.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import { NO_USAGE } from "../protocol/message.ts"
import { isFinal, type TurnRecord, type TurnRequest } from "../protocol/turn.ts"
import type { Fence } from "../store/store.ts"
import type { AcceptResult } from "../store/turns.ts"
import type { Accepted, ActiveTurn, Lanes } from "./agent.ts"
import { canReachHuman } from "./attendance.ts"
import { Holds } from "./hosted-holds.ts"
import { endsOfLeftCalls } from "./hosted-left.ts"
import { hostedOf } from "./hosted-profile.ts"
import { resumesHosted } from "./hosted-turn.ts"
import type { Ports } from "./ports.ts"
import { TurnAbort, TurnScope } from "./scope.ts"
import { TimeLimit } from "./time-limit.ts"
import { type Conversation, hostedIn, markedResult, openTurn, runBody } from "./turn.ts"

const MAX_TURN_ID = 256

interface Job {
  request: TurnRequest
  /** Set once it is on disk. */
  record: TurnRecord | undefined
  state: "accepting" | "queued" | "running" | "waiting" | "ended"
  controller: AbortController
  live: { text: string; thinking: string }
  /** Set when a parked turn was answered: the events to record when it goes on. */
  answered: RecordedEvent[] | undefined
  scope: TurnScope | undefined
  /** What its body waits for without being parked. */
  holds: Holds
  limit: TimeLimit | undefined
  done: PromiseWithResolvers<TurnRecord | undefined>
}

interface Lane {
  key: string
  jobs: Job[]
  /** Holds turns of an earlier life that are not to begin in this one. */
  held?: boolean
}

export class TurnLanes implements Lanes {
  readonly #ports: Ports
  readonly #lanes = new Map<string, Lane>()
  readonly #jobs = new Map<string, Job>()
  /** Lanes whose first turn could run if there were room. */
  readonly #ready: Lane[] = []
  #running = 0
  #draining = false

  constructor(ports: Ports) {
    this.#ports = ports
  }

  get draining(): boolean {
    return this.#draining
  }

  async submit(request: TurnRequest): Promise<Accepted> {
    this.#check(request)
    const lane = this.#lane(request.sessionKey)
    if (lane.held) throw heldBack(request.sessionKey)
    if (lane.jobs.length > this.#ports.settings.maxQueued)
      throw new PincerError(
        "RATE_LIMITED",
        `Session ${request.sessionKey} has ${lane.jobs.length} turns waiting: try again later`,
        {
          retryAfterMs: 1000,
        },
      )
    const known = this.#jobs.get(request.turnId)
    if (known) return this.#duplicate(known, request)
    if (request.queue === "interrupt") for (const job of [...lane.jobs]) this.#stop(job, "aborted")
    const attended = canReachHuman(this.#ports, request)
    const job = this.#newJob({ ...request, attended }, "accepting")
    lane.jobs.push(job)
    this.#jobs.set(request.turnId, job)
    const first = lane.jobs[0] === job && this.#running < this.#ports.settings.maxConcurrent
    if (first) this.#running += 1
    try {
      return await this.#accept(lane, job, first)
    } catch (error) {
      this.#forget(lane, job, first)
      throw error
    }
  }

  #check(request: TurnRequest): void {
    if (this.#draining)
      throw new PincerError("UNAVAILABLE", "The gateway is shutting down: try again in a moment", {
        retryAfterMs: 2000,
      })
    if (request.turnId === "" || request.turnId.length > MAX_TURN_ID)
      throw new PincerError("INVALID_PARAMS", `idempotencyKey must have 1 to ${MAX_TURN_ID} characters`)
    const profile = this.#ports.agents.get(request.agentId)
    if (!profile)
      throw new PincerError("NOT_FOUND", `Unknown agent "${request.agentId}": run "pincer agents list" or use "main"`, {
        details: { code: "UNKNOWN_AGENT_ID", agentId: request.agentId },
      })
    if (!hostedOf(profile, request) && (request.model !== undefined || request.provider !== undefined))
      this.#ports.catalogue.resolve(request.model, request.provider)
  }

  async #duplicate(known: Job, request: TurnRequest): Promise<Accepted> {
    if (known.request.sessionKey !== request.sessionKey)
      throw new PincerError(
        "CONFLICT",
        `Idempotency key "${request.turnId}" was used for another session: send a fresh one`,
      )
    const record = known.record ?? (await this.#ports.books.turns.get(request.turnId))
    if (record) return { record, duplicate: true }
    // The first one is still on its way to the disk: the store answers after it.
    const accepted = await this.#ports.books.turns.accept(request, {})
    return { record: accepted.record, duplicate: accepted.duplicate }
  }

  async #accept(lane: Lane, job: Job, first: boolean): Promise<Accepted> {
    const { books, publish } = this.#ports
    const { request } = job
    const draft: TurnRecord = {
      turnId: request.turnId,
      sessionKey: request.sessionKey,
      sessionId: "",
      agentId: request.agentId,
      status: "queued",
      request,
      attempt: 0,
      acceptedAt: 0,
      startedAt: null,
      endedAt: null,
      outcome: null,
    }
    const opened = first ? openTurn(this.#ports, draft) : undefined
    const cwd = request.cwd === undefined ? {} : { cwd: request.cwd }
    const accepted = await books.turns.accept(request, cwd, opened?.opening)
    if (accepted.duplicate) {
      this.#forget(lane, job, first)
      return { record: accepted.record, duplicate: true }
    }
    job.record = accepted.record
    this.#ports.checkpoint("turn.accepted")
    if (accepted.started && opened) void this.#run(lane, job, accepted.started, opened.conversation)
    else {
      job.state = "queued"
      const { sessionKey, sessionId, agentId, turnId } = accepted.record
      const event = { type: "turn.queued", record: accepted.record, ahead: lane.jobs.indexOf(job) } as const
      publish({ sessionKey, sessionId, agentId, turnId, seq: null, at: this.#ports.clock.now(), event })
      if (job.controller.signal.aborted) await this.#dismiss(lane, job)
      else this.#pump(lane)
    }
    return { record: accepted.record, duplicate: false }
  }

  #newJob(request: TurnRequest, state: Job["state"]): Job {
    const done = Promise.withResolvers<TurnRecord | undefined>()
    const holds = new Holds((waiting) => (waiting ? job.limit?.pause() : job.limit?.resume()))
    const job: Job = {
      request,
      record: undefined,
      state,
      controller: new AbortController(),
      live: { text: "", thinking: "" },
      answered: undefined,
      scope: undefined,
      holds,
      limit: undefined,
      done,
    }
    return job
  }

  #lane(key: string): Lane {
    let lane = this.#lanes.get(key)
    if (!lane) {
      lane = { key, jobs: [] }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  /** A turn that never came to be, or that has ended. */
  #forget(lane: Lane, job: Job, held: boolean): void {
    job.state = "ended"
    const at = lane.jobs.indexOf(job)
    if (at >= 0) lane.jobs.splice(at, 1)
    if (this.#jobs.get(job.request.turnId) === job) this.#jobs.delete(job.request.turnId)
    if (lane.jobs.length === 0 && this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
    if (held) this.#running -= 1
    job.done.resolve(job.record)
    this.#pump(lane)
    this.#pumpReady()
  }

  /** Starts the lane's first turn when it waits for nothing but room. */
  #pump(lane: Lane): void {
    const job = lane.jobs[0]
    if (!job || this.#draining || lane.held) return
    const canGo = job.state === "queued" || (job.state === "waiting" && job.answered !== undefined)
    if (!canGo) return
    if (this.#running >= this.#ports.settings.maxConcurrent) {
      if (!this.#ready.includes(lane)) this.#ready.push(lane)
      return
    }
    this.#running += 1
    if (job.state === "queued") void this.#begin(lane, job)
    else void this.#resume(lane, job)
  }

  /** There may be room for more turns now. */
  settingsChanged(): void {
    this.#pumpReady()
  }

  #pumpReady(): void {
    while (this.#ready.length > 0 && this.#running < this.#ports.settings.maxConcurrent)
      this.#pump(this.#ready.shift()!)
  }

  async #begin(lane: Lane, job: Job): Promise<void> {
    job.state = "running"
    const record = job.record!
    try {
      const drafts = record.attempt === 0 ? [] : await this.#ports.books.drafts.of(record.turnId)
      const opened = openTurn(this.#ports, record, drafts)
      const started = await this.#ports.books.turns.begin(record, opened.opening)
      await this.#run(lane, job, started, opened.conversation)
    } catch (error) {
      this.#ports.log.error({ err: error, turnId: record.turnId }, "A turn could not be started")
      await this.#endNow(
        job,
        { turnId: record.turnId, sessionKey: record.sessionKey, epoch: record.attempt },
        "failed",
        error,
      )
      this.#forget(lane, job, true)
    }
  }

  async #resume(lane: Lane, job: Job): Promise<void> {
    job.state = "running"
    const scope = job.scope!
    const events = job.answered ?? []
    job.answered = undefined
    try {
      scope.show(await this.#ports.books.turns.mark(scope.fence, "running", events))
      const messages = await this.#ports.books.transcript.messages(lane.key)
      await this.#drive(lane, job, scope, { messages })
    } catch (error) {
      this.#ports.log.error({ err: error, turnId: job.request.turnId }, "A turn could not go on")
      await this.#endNow(job, scope.fence, "failed", error)
      this.#forget(lane, job, true)
    }
  }

  async #run(
    lane: Lane,
    job: Job,
    started: NonNullable<AcceptResult["started"]>,
    conversation: Conversation,
  ): Promise<void> {
    job.state = "running"
    const scope = new TurnScope(this.#ports, started.fence, started.session, job.controller.signal)
    job.scope = scope
    job.record = { ...job.record!, status: "running", attempt: started.fence.epoch, sessionId: started.session.id }
    scope.show(started.events)
    await this.#drive(lane, job, scope, conversation)
  }

  async #drive(lane: Lane, job: Job, scope: TurnScope, conversation: Conversation): Promise<void> {
    const limits = { ...this.#ports.agents.get(scope.session.agentId)?.limits, ...job.request.limits }
    const tooLong = () => job.controller.abort(new TurnAbort("time_limit"))
    const { maxTimeMs } = limits
    job.limit = maxTimeMs === undefined ? undefined : new TimeLimit(this.#ports.clock, maxTimeMs, tooLong)
    const { holds, live } = job
    const end = await runBody({ ports: this.#ports, record: job.record!, scope, holds, conversation, live })
    job.limit?.pause()
    job.limit = undefined
    if (end === "parked") {
      job.state = "waiting"
      job.record = { ...job.record!, status: "waiting" }
      this.#running -= 1
      // An answer or a cancel may have come while it was being parked.
      if (job.controller.signal.aborted) job.answered ??= []
      else await this.#lookForAnswer(job)
      this.#pump(lane)
      this.#pumpReady()
      return
    }
    job.record = (await this.#ports.books.turns.get(job.request.turnId)) ?? job.record
    this.#forget(lane, job, true)
  }

  /** The answer may be older than the parking: then nobody will call settle() for it. */
  async #lookForAnswer(job: Job): Promise<void> {
    const pending = await this.#ports.books.approvals.pendingOf(job.request.turnId)
    if (pending.length === 0) job.answered ??= []
  }

  /** An approval of this turn was decided: it goes on. */
  settle(approval: Approval): void {
    this.#ports.checkpoint("approval.answered")
    const job = this.#jobs.get(approval.turnId)
    if (!job || job.holds.settle(approval)) return
    job.answered = [...(job.answered ?? []), { type: "approval.resolved", approval }]
    if (job.state === "waiting") this.#pump(this.#lane(job.request.sessionKey))
  }

  async cancel(target: { turnId: string } | { sessionKey: string; queued?: boolean }): Promise<string[]> {
    const jobs: Job[] = []
    if ("turnId" in target) {
      const job = this.#jobs.get(target.turnId)
      if (job) jobs.push(job)
    } else {
      const lane = this.#lanes.get(target.sessionKey)
      if (lane) jobs.push(...(target.queued ? lane.jobs : lane.jobs.slice(0, 1)))
    }
    for (const job of jobs) this.#stop(job, "aborted")
    await Promise.all(jobs.map((job) => job.done.promise))
    return jobs.map((job) => job.request.turnId)
  }

  #stop(job: Job, kind: TurnAbort["kind"]): void {
    if (job.controller.signal.aborted) return
    job.controller.abort(new TurnAbort(kind))
    const lane = this.#lane(job.request.sessionKey)
    if (job.state === "queued") void this.#dismiss(lane, job)
    else if (job.state === "waiting") {
      job.answered ??= []
      this.#pump(lane)
    }
  }

  /** Cancels a turn that has not started. */
  async #dismiss(lane: Lane, job: Job): Promise<void> {
    job.state = "ended"
    const record = job.record!
    await this.#endNow(job, { turnId: record.turnId, sessionKey: record.sessionKey, epoch: record.attempt }, "canceled")
    this.#forget(lane, job, false)
  }

  async #endNow(job: Job, fence: Fence, status: "canceled" | "failed", error?: unknown): Promise<void> {
    const { books, log, publish } = this.#ports
    const message = error instanceof Error ? error.message : String(error)
    const code = error instanceof PincerError ? error.code : "INTERNAL_ERROR"
    try {
      const envelopes = await books.turns.finish(fence, [], {
        status,
        stop: status === "canceled" ? "aborted" : "error",
        text: "",
        usage: NO_USAGE,
        ...(status === "failed" ? { error: { code, message } } : {}),
      })
      for (const envelope of envelopes) publish(envelope)
      job.record = (await books.turns.get(fence.turnId)) ?? job.record
    } catch (failure) {
      log.error({ err: failure, turnId: fence.turnId }, "The end of a turn could not be recorded")
    }
  }

  async wait(
    turnId: string,
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<TurnRecord | undefined> {
    const job = this.#jobs.get(turnId)
    if (!job) {
      const record = await this.#ports.books.turns.get(turnId)
      if (!record) throw new PincerError("NOT_FOUND", `Unknown run "${turnId}"`)
      return isFinal(record.status) ? record : undefined
    }
    const limit = Promise.withResolvers<undefined>()
    const cancelTimer =
      options.timeoutMs === undefined
        ? undefined
        : this.#ports.clock.after(options.timeoutMs, () => limit.resolve(undefined))
    const onAbort = () => limit.resolve(undefined)
    options.signal?.addEventListener("abort", onAbort, { once: true })
    try {
      const record = await Promise.race([job.done.promise, limit.promise])
      return record && isFinal(record.status) ? record : undefined
    } finally {
      cancelTimer?.()
      options.signal?.removeEventListener("abort", onAbort)
    }
  }

  active(sessionKey: string): ActiveTurn[] {
    const jobs = this.#lanes.get(sessionKey)?.jobs ?? []
    return jobs
      .filter((job) => job.state !== "ended")
      .map((job) => ({
        turnId: job.request.turnId,
        sessionKey,
        agentId: job.request.agentId,
        status: shownState(job),
        text: job.live.text,
        thinking: job.live.thinking,
        startedAt: job.record?.startedAt ?? null,
      }))
  }

  counts(): { running: number; queued: number; waiting: number; held?: number } {
    const counts = { running: 0, queued: 0, waiting: 0 }
    for (const job of this.#jobs.values()) {
      if (job.state !== "ended") counts[shownState(job)] += 1
    }
    const held = [...this.#lanes.values()].reduce((sum, lane) => sum + (lane.held ? lane.jobs.length : 0), 0)
    return held === 0 ? counts : { ...counts, held }
  }

  async start({ hold = false }: { hold?: boolean } = {}): Promise<void> {
    for (const record of await this.#ports.books.turns.open()) {
      const lane = this.#lane(record.sessionKey)
      const job = this.#newJob(record.request, "queued")
      job.record = record
      lane.jobs.push(job)
      this.#jobs.set(record.turnId, job)
      if (hold) {
        lane.held = true
        continue
      }
      const refusal = this.#refuseRecovery(record)
      if (refusal) await this.#mark(lane, job, record, refusal)
    }
    for (const lane of [...this.#lanes.values()]) this.#pump(lane)
  }

  /** Why a turn of an earlier life is not taken up again, or undefined when it is. */
  #refuseRecovery(record: TurnRecord): string | undefined {
    const { settings } = this.#ports
    const hosted = hostedIn(this.#ports, record)
    const held = hosted && record.status === "waiting"
    const cutOff = held || record.status === "running" || record.status === "interrupted"
    const { recovery } = record.request
    if (hosted && cutOff && !resumesHosted(record.request)) return "what an external agent did is not repeated"
    if (recovery === "mark" || (cutOff && recovery === "mark-begun")) return "its caller asked for that"
    if (cutOff && record.request.recovery === undefined && settings.onInterrupt === "mark")
      return 'turns.onInterrupt is "mark"'
    if (cutOff && record.attempt >= settings.maxAttempts) return `it was cut off ${record.attempt} times`
    return undefined
  }

  /** Ends a turn that was cut off: what had been written of its answer is kept, and its end says what happened. */
  async #mark(lane: Lane, job: Job, record: TurnRecord, why: string): Promise<void> {
    const { books, log, publish } = this.#ports
    log.info({ turnId: record.turnId, why }, "An interrupted turn is not resumed")
    const opened = openTurn(this.#ports, record, record.attempt === 0 ? [] : await books.drafts.of(record.turnId))
    const started = await books.turns.begin(record, opened.opening)
    const { outcome } = markedResult()
    const text = opened.conversation.messages.findLast(
      (message) => message.turnId === record.turnId && message.role === "assistant",
    )
    const said = text?.content.map((part) => (part.type === "text" ? part.text : "")).join("") ?? ""
    const left = hostedIn(this.#ports, record) ? await endsOfLeftCalls(this.#ports, record) : []
    const envelopes = await books.turns.finish(started.fence, left, { ...outcome, text: said })
    for (const envelope of [...started.events, ...envelopes]) publish(envelope)
    job.record = await books.turns.get(record.turnId)
    this.#forget(lane, job, false)
  }

  async drain(graceMs: number): Promise<void> {
    this.#draining = true
    const running = [...this.#jobs.values()].filter((job) => job.state === "running" || job.state === "accepting")
    if (running.length === 0) return
    const all = Promise.all(running.map((job) => job.done.promise))
    const grace = Promise.withResolvers<void>()
    const cancelTimer = this.#ports.clock.after(graceMs, () => grace.resolve())
    // A turn that parks meanwhile does not end; the grace period covers it.
    await Promise.race([all, grace.promise])
    cancelTimer()
    for (const job of running) if (job.state === "running") this.#stop(job, "shutdown")
    await Promise.race([all, this.#ports.clock.sleep(2_000)])
  }
}

/** As others see it: a turn whose body waits for a human waits. */
function shownState({ holds, state }: Job): ActiveTurn["status"] {
  if (state === "running") return holds.waiting ? "waiting" : "running"
  return state === "waiting" ? "waiting" : "queued"
}

/** Its transcript is not finished: what came later would stand before the end of what came first. */
function heldBack(sessionKey: string): PincerError {
  return new PincerError(
    "UNAVAILABLE",
    `Session ${sessionKey} has turns that wait until the gateway has left safe mode: use another session, or abort them`,
    { retryable: false, details: { code: "SAFE_MODE" } },
  )
}

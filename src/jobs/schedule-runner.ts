// The clock of schedules: one timer, for whatever is due first. A tick is decided, written into the ledger, begun, and ended, each
// written before the next; every step can be done again from the top after a crash, because whatever a tick starts bears a name
// that follows from it. Ticks of one schedule are worked off one after another.
import { PincerError } from "../base/errors.ts"
import { cut } from "../base/text.ts"
import type { ScheduleRecord, TickReason, TickRecord } from "../protocol/schedule.ts"
import type { OpenTick, TickEnd } from "../store/ticks.ts"
import {
  type AttemptOutcome,
  attemptKey,
  isOwnSession,
  policiesOf,
  type ScheduleNews,
  type SchedulePorts,
  type TickStop,
} from "./schedule.ts"
import { planTicks } from "./schedule-plan.ts"
import { isAlarming, outletOf, TickTelling } from "./schedule-telling.ts"
import { dueTicks, type Times, timesOf } from "./schedule-times.ts"

/** After something went wrong with a schedule. */
const FAULT_MS = 30_000
/** Schedules whose ticks are written in one commit. */
const RECORDED_AT_ONCE = 50
/** Of a result or an error, in the ledger and wherever it is told. */
const KEPT_CHARS = 8_000
const MAX_TIMES = 1_000

interface Open {
  tick: OpenTick
  /** Set while an attempt is at work. */
  controller: AbortController | undefined
  done: PromiseWithResolvers<TickRecord>
}

export class ScheduleRunner {
  readonly #ports: SchedulePorts
  /** Ticks that have not ended, oldest first. */
  readonly #open = new Map<string, Open>()
  readonly #telling: TickTelling
  readonly #times = new Map<string, Times>()
  /** Schedules with which something went wrong, and when they are tried again. */
  readonly #faults = new Map<string, number>()
  #working = 0
  #lastNow = 0
  #started = false
  #stopped = false
  #stopTimer: (() => void) | undefined
  #round: Promise<void> | undefined
  #again = false
  onNews: (news: ScheduleNews) => void = () => undefined

  constructor(ports: SchedulePorts) {
    this.#ports = ports
    this.#telling = new TickTelling(ports)
  }

  /** Takes up what an earlier life left, then what came due meanwhile. */
  async start(): Promise<void> {
    const { books, clock } = this.#ports
    this.#lastNow = clock.now()
    for (const tick of await books.ticks.open()) this.#add(tick)
    await this.#rewindAll()
    for (const open of [...this.#open.values()])
      if (open.tick.state === "running") void this.#work(open, true)
      else if (this.#isTooLate(open.tick)) await this.#end(open, { state: "missed", reason: "late" })
    for (const schedule of await this.#ports.books.schedules.list()) await this.#finishSchedule(schedule)
    await this.#telling.start()
    this.#started = true
    await this.wake()
  }

  /** Nothing new begins; what is at work is left to its own recovery. */
  stop(): void {
    this.#stopped = true
    this.#stopTimer?.()
    this.#telling.stop()
    for (const { controller } of this.#open.values()) controller?.abort("left" satisfies TickStop)
  }

  /** Resolves when nothing of this process looks at the ledger any more. */
  async settled(): Promise<void> {
    await this.#round
  }

  get running(): number {
    return this.#working
  }

  /** Whether a tick of this schedule is at work, and how many wait. */
  standing(scheduleId: string): { open: number; waiting: number; running: OpenTick | undefined } {
    const own = [...this.#open.values()].filter(({ tick }) => tick.scheduleId === scheduleId)
    const running = own.find(({ controller }) => controller)?.tick
    return { open: own.length, waiting: own.filter(({ tick }) => tick.attempt === 0).length, running }
  }

  /** The moments of a schedule, kept while there are not too many of them. */
  async times({ spec }: Pick<ScheduleRecord, "spec">): Promise<Times> {
    const { timeZone } = this.#ports.settings()
    const key = `${timeZone} ${JSON.stringify(spec.when)}`
    let times = this.#times.get(key)
    if (!times) {
      times = await timesOf(spec.when, timeZone)
      if (this.#times.size >= MAX_TIMES) this.#times.clear()
      this.#times.set(key, times)
    }
    return times
  }

  /** When a schedule is due for the first time after `ms`. */
  async nextAfter(schedule: Pick<ScheduleRecord, "spec">, ms: number): Promise<number | null> {
    const next = (await this.times(schedule)).next(ms)
    const { untilMs } = schedule.spec
    return next !== null && untilMs !== undefined && next > untilMs ? null : next
  }

  /** Looks at what is due now, and when to look again. Rounds never overlap. */
  wake(): Promise<void> {
    this.#again = true
    this.#round ??= this.#rounds()
    return this.#round
  }

  async #rounds(): Promise<void> {
    // So that the caller has the promise before this can be over.
    await Promise.resolve()
    while (this.#again && this.#started && !this.#stopped) {
      this.#again = false
      try {
        await this.#record()
        this.#pump()
        await this.#arm()
      } catch (error) {
        if (this.#stopped) break
        this.#ports.log.error({ err: error }, "The schedules could not be looked at")
        this.#sleep(FAULT_MS)
      }
    }
    this.#round = undefined
  }

  /** A tick that is on disk and is to be done; resolves with its end. */
  enqueue(tick: OpenTick): Promise<TickRecord> {
    const { done } = this.#add(tick)
    this.#pump()
    return done.promise
  }

  /** Resolves with the end of a tick; undefined when none of that id is open. */
  ended(id: string): Promise<TickRecord> | undefined {
    return this.#open.get(id)?.done.promise
  }

  /** What waits of a schedule is not begun any more. */
  async drop(scheduleId: string, reason: TickReason): Promise<void> {
    for (const open of [...this.#open.values()]) {
      if (open.tick.scheduleId !== scheduleId || open.controller) continue
      await this.#end(open, dropped(open.tick, reason))
    }
  }

  #add(tick: OpenTick): Open {
    const open: Open = { tick, controller: undefined, done: Promise.withResolvers() }
    this.#open.set(tick.id, open)
    return open
  }

  #isTooLate({ attempt, notBefore, trigger, work }: OpenTick): boolean {
    const { clock, settings } = this.#ports
    if (trigger === "manual" || attempt > 0 || policiesOf(work, settings()).catchUp !== "none") return false
    return clock.now() - notBefore > settings().graceMs
  }

  /** Writes down all that is due. */
  async #record(): Promise<void> {
    const { books, clock, log, settings } = this.#ports
    if (!settings().autonomous)
      for (const open of [...this.#open.values()])
        if (!this.#mayBegin(open)) await this.#end(open, dropped(open.tick, "autonomy-off"))
    if (!settings().enabled) return
    const now = clock.now()
    if (now < this.#lastNow) await this.#rewindAll()
    this.#lastNow = now
    const due = (await books.schedules.due(now)).filter(({ id }) => (this.#faults.get(id) ?? now) <= now)
    for (let from = 0; from < due.length && !this.#stopped; from += RECORDED_AT_ONCE)
      await Promise.all(
        due.slice(from, from + RECORDED_AT_ONCE).map(async (schedule) => {
          const { id } = schedule
          this.#faults.delete(id)
          try {
            await this.#recordOne(schedule)
          } catch (error) {
            if (this.#stopped) return
            this.#faults.set(id, now + FAULT_MS)
            log.error({ err: error, schedule: id }, "The ticks of a schedule could not be recorded")
          }
        }),
      )
  }

  async #recordOne(schedule: ScheduleRecord): Promise<void> {
    const { books, checkpoint, clock, log, settings } = this.#ports
    const { id, revision, spec } = schedule
    const from = schedule.nextAt!
    const { keepTicks } = settings()
    const now = clock.now()
    const due = await dueTicks(await this.times(schedule), from, Math.min(now, spec.untilMs ?? now), keepTicks)
    if (due.left) log.warn({ schedule: id, kept: keepTicks }, "More ticks were missed than the ledger keeps")
    const planned = planTicks(schedule, due.ticks, this.standing(id), settings(), now)
    const next = due.next !== null && spec.untilMs !== undefined && due.next > spec.untilMs ? null : due.next
    const spent = this.#isSpent(schedule, planned.filter(({ state }) => state === "due").length)
    const over = spent ? "max-runs" : next !== null ? null : due.next === null ? "done" : "until"
    checkpoint?.("ticks.decided")
    const nextAt = spent ? null : next
    const made = await books.ticks.record({
      scheduleId: id,
      from,
      revision,
      ticks: planned,
      nextAt,
      over,
      keep: keepTicks,
    })
    checkpoint?.("ticks.recorded")
    if (!made) {
      this.#again = true
      return
    }
    if (made.due.length > 0 && policiesOf(spec, settings()).overlap === "cancel-running") await this.#replace(id)
    for (const tick of made.due) this.#add(tick)
    for (const { sessionKey } of made.trimmed)
      if (sessionKey !== undefined && isOwnSession(sessionKey, id)) await books.sessions.delete(sessionKey)
  }

  #isSpent({ id, spec, stats }: ScheduleRecord, more: number): boolean {
    return spec.maxRuns !== undefined && stats.runs + this.standing(id).waiting + more >= spec.maxRuns
  }

  /** What a person started always may; what came due by the clock does not while autonomy is off. What is at work goes on. */
  #mayBegin({ controller, tick }: Open): boolean {
    return controller !== undefined || tick.trigger === "manual" || this.#ports.settings().autonomous
  }

  /** A new tick takes the place of those that are open. */
  async #replace(scheduleId: string): Promise<void> {
    await this.drop(scheduleId, "replaced")
    for (const { controller, tick } of this.#open.values())
      if (tick.scheduleId === scheduleId) controller?.abort("replaced" satisfies TickStop)
  }

  /** The clock is behind what is in the ledger: what was given up as missed is still to come; what ran is not done again. */
  async #rewindAll(): Promise<void> {
    const { books, clock } = this.#ports
    const now = clock.now()
    for (const schedule of await books.schedules.list()) {
      const { enabled, id, nextAt, over, revision } = schedule
      if (!enabled || over !== null || nextAt === null) continue
      const last = await books.ticks.lastRecorded(id)
      if (last === null || last <= now) continue
      const next = await this.nextAfter(schedule, now)
      if (next !== null && next < nextAt) await books.ticks.rewind(id, revision, now, next)
    }
  }

  /** Begins what may begin now. */
  #pump(): void {
    if (!this.#started || this.#stopped) return
    const now = this.#ports.clock.now()
    const { maxConcurrent } = this.#ports.settings()
    const busy = new Set([...this.#open.values()].filter((one) => one.controller).map((one) => one.tick.scheduleId))
    for (const open of [...this.#open.values()]) {
      if (this.#working >= maxConcurrent) return
      const { controller, tick } = open
      if (controller || tick.notBefore > now || busy.has(tick.scheduleId) || !this.#mayBegin(open)) continue
      busy.add(tick.scheduleId)
      void this.#work(open, false)
    }
  }

  async #arm(): Promise<void> {
    const { clock, settings } = this.#ports
    const { enabled, lookMs } = settings()
    const first = enabled ? await this.#firstDue() : null
    const now = clock.now()
    const waiting = [...this.#open.values()].filter((one) => !one.controller && one.tick.notBefore > now)
    const next = Math.min(first ?? Number.POSITIVE_INFINITY, ...waiting.map(({ tick }) => tick.notBefore))
    if (next === Number.POSITIVE_INFINITY) this.#stopTimer?.()
    else this.#sleep(Math.min(lookMs, Math.max(1, next - now)))
  }

  /** Of schedules with which something went wrong: when they are tried again. */
  async #firstDue(): Promise<number | null> {
    const { schedules } = this.#ports.books
    if (this.#faults.size === 0) return schedules.nextAt()
    const times = (await schedules.list())
      .filter(({ enabled, nextAt }) => enabled && nextAt !== null)
      .map(({ id, nextAt }) => Math.max(nextAt!, this.#faults.get(id) ?? 0))
    return times.length === 0 ? null : Math.min(...times)
  }

  #sleep(ms: number): void {
    this.#stopTimer?.()
    if (!this.#stopped) this.#stopTimer = this.#ports.clock.after(ms, () => void this.wake())
  }

  /** One attempt, from its beginning, or from where an earlier life left it (`begun`), to what follows from its end. Never throws. */
  async #work(open: Open, begun: boolean): Promise<void> {
    const { books, checkpoint, log } = this.#ports
    const controller = new AbortController()
    open.controller = controller
    this.#working += 1
    try {
      if (!begun) open.tick = await books.ticks.begin(open.tick.id)
      checkpoint?.("tick.begun")
      await this.#tell("started", open.tick)
      const outcome = await this.#attempt(open.tick, controller)
      checkpoint?.("tick.worked")
      await this.#conclude(open, outcome, controller.signal.reason)
    } catch (error) {
      if (this.#stopped) return
      log.error({ err: error, tick: open.tick.id }, "A tick of a schedule failed")
      await this.#rescue(open, error)
    } finally {
      open.controller = undefined
      this.#working -= 1
      if (!this.#stopped) void this.wake()
    }
  }

  async #attempt(tick: OpenTick, controller: AbortController): Promise<AttemptOutcome> {
    const { books, clock, launcher, log } = this.#ports
    const { timeoutMs } = tick.work
    const left = timeoutMs === undefined ? undefined : Math.max(0, (tick.attemptAt ?? 0) + timeoutMs - clock.now())
    const stopTimer =
      left === undefined ? undefined : clock.after(left, () => controller.abort("timeout" satisfies TickStop))
    try {
      return await launcher.run({ tick, key: attemptKey(tick) }, controller.signal, (ref) => {
        tick.ref = { ...tick.ref, ...ref }
        books.ticks
          .note(tick.id, tick.ref)
          .catch((error: unknown) => log.error({ err: error, tick: tick.id }, "A tick's work could not be noted"))
      })
    } catch (error) {
      if (!(error instanceof PincerError)) throw error
      return { status: "failed", error: error.message }
    } finally {
      stopTimer?.()
    }
  }

  async #conclude(open: Open, outcome: AttemptOutcome, stop: TickStop | undefined): Promise<void> {
    if (outcome.status === "left" || stop === "left") return
    const { clock, settings } = this.#ports
    const { tick } = open
    const { ref } = tick
    if (outcome.status === "done") return this.#end(open, { state: "ran", ref, summary: kept(outcome.summary) })
    if (outcome.status === "skipped") return this.#end(open, { state: "skipped", reason: outcome.reason, ref })
    if (outcome.status === "canceled" && stop !== "timeout") {
      const reason = stop === "replaced" ? "replaced" : "canceled"
      return this.#end(open, { state: "skipped", reason, ref })
    }
    const error = outcome.status === "failed" && stop !== "timeout" ? outcome.error : tooLong(tick)
    const { backoffMs, retries } = policiesOf(tick.work, settings())
    const schedule = await this.#ports.books.schedules.get(tick.scheduleId)
    const goesOn = schedule !== undefined && (schedule.enabled || schedule.over !== null || tick.trigger === "manual")
    const isFinal = outcome.status === "failed" && outcome.final === true
    if (tick.attempt <= retries && goesOn && !isFinal) {
      const pause = Math.min(settings().maxBackoffMs, backoffMs * 2 ** (tick.attempt - 1))
      open.tick = await this.#ports.books.ticks.again(tick.id, clock.now() + pause, kept(error))
      return
    }
    const reason = stop === "timeout" ? { reason: stop } : {}
    await this.#end(open, { state: "failed", ...reason, ref, error: kept(error) })
  }

  /** What could not be concluded: its end is written if that is possible at all, else the next life goes on with it. */
  async #rescue(open: Open, error: unknown): Promise<void> {
    const message = error instanceof PincerError ? error.message : "It failed inside the gateway: the log says why"
    try {
      await this.#end(open, { state: "failed", error: message })
    } catch (failure) {
      this.#ports.log.error({ err: failure, tick: open.tick.id }, "The end of a tick could not be recorded")
      this.#open.delete(open.tick.id)
    }
  }

  async #end(open: Open, end: TickEnd): Promise<void> {
    const { books, checkpoint, clock } = this.#ports
    const { scheduleId, work } = open.tick
    const before = await books.schedules.get(scheduleId)
    const isFailure = end.state === "failed" && (end.reason === undefined || end.reason === "timeout")
    const alerted = isFailure && isAlarming(before, clock.now())
    const outlet = outletOf(work, end.state, alerted, end.summary ?? "")
    const ended = await books.ticks.finish(open.tick.id, { ...end, alerted, toTell: outlet !== undefined })
    checkpoint?.("tick.ended")
    this.#open.delete(ended.id)
    open.done.resolve(ended)
    await this.#tell("finished", ended)
    if (outlet) void this.#telling.deliver(outlet, ended)
    await this.#finishSchedule(await books.schedules.get(scheduleId))
  }

  /** Removes a schedule that is over, when it asked for that and nothing of it is left. */
  async #finishSchedule(schedule: ScheduleRecord | undefined): Promise<void> {
    if (!schedule || schedule.over === null || !schedule.spec.deleteAfterRun) return
    const { id, stats } = schedule
    if (this.standing(id).open > 0 || stats.lastState !== "ran") return
    if (await this.#ports.books.schedules.remove(id)) this.#news({ action: "removed", schedule })
  }

  async #tell(action: "started" | "finished", tick: TickRecord): Promise<void> {
    this.#news({ action, schedule: await this.#ports.books.schedules.get(tick.scheduleId), tick })
  }

  #news(news: ScheduleNews): void {
    try {
      this.onNews(news)
    } catch (error) {
      this.#ports.log.error({ err: error }, "News of a schedule could not be told")
    }
  }
}

function kept(text: string): string {
  const whole = text.trim()
  return whole.length <= KEPT_CHARS ? whole : `${cut(whole, KEPT_CHARS - 1)}…`
}

/** The end of a tick that waits and is not begun any more. One that failed before keeps that. */
function dropped({ attempt, error }: OpenTick, reason: TickReason): TickEnd {
  return attempt > 0 ? { state: "failed", reason, error: error ?? "" } : { state: "skipped", reason }
}

function tooLong({ work }: OpenTick): string {
  return `It ran longer than its timeout of ${(work.timeoutMs ?? 0) / 1000} seconds`
}

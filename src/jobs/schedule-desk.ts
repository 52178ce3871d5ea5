// What a door may ask of schedules: add, change, remove, start one now, and read the ledger. A change of the rule begins anew after
// now; the lines that are written stay.
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import {
  isTickEnd,
  type ScheduleRecord,
  type ScheduleSpec,
  type TickReason,
  type TickRecord,
} from "../protocol/schedule.ts"
import { unknownSchedule } from "../store/schedules.ts"
import type { TickFilter } from "../store/ticks.ts"
import { isOwnSession, type ScheduleNews, type SchedulePorts } from "./schedule.ts"
import { ScheduleRunner } from "./schedule-runner.ts"

const DAY_MS = 86_400_000
const SWEEP_AT_ONCE = 200

export interface ScheduleChanges {
  spec?: (now: ScheduleSpec) => ScheduleSpec
  enabled?: boolean
  /** Refuses when somebody else changed it since. */
  revision?: number
}

export type RunMode = "force" | "due" | "if-enabled"

/** What came of asking to run a schedule now. */
export type RunNow =
  | { ran: true; tick: TickRecord; ended: Promise<TickRecord> }
  | { ran: false; reason: "not-due" | "disabled" | "already-running" }

export interface ScheduleFigures {
  enabled: boolean
  schedules: number
  active: number
  running: number
  nextAt: number | null
}

export class ScheduleDesk {
  readonly #ports: SchedulePorts
  readonly #runner: ScheduleRunner
  #stopSweep: (() => void) | undefined

  constructor(ports: SchedulePorts) {
    this.#ports = ports
    this.#runner = new ScheduleRunner(ports)
  }

  set onNews(listener: (news: ScheduleNews) => void) {
    this.#runner.onNews = listener
  }

  /** To be called after the lanes, the jobs and the workflows have started. */
  async start(): Promise<void> {
    await this.#runner.start()
    this.#stopSweep = this.#ports.clock.after(60_000, () => this.#sweep())
  }

  /** To be called before the lanes are drained. */
  async stop(): Promise<void> {
    this.#stopSweep?.()
    this.#runner.stop()
    await this.#runner.settled()
  }

  /** After the settings have changed. */
  async settingsChanged(): Promise<void> {
    await this.#runner.wake()
  }

  /** Throws INVALID_PARAMS for a rule that is never due, RATE_LIMITED when there are too many schedules. */
  async add(spec: ScheduleSpec, enabled: boolean): Promise<ScheduleRecord> {
    const { books, clock, settings } = this.#ports
    const nextAt = await this.#firstAfter(spec, clock.now())
    const id = uuid(clock.now())
    const schedule = await books.schedules.add(
      { id, spec, enabled, nextAt: enabled ? nextAt : null },
      settings().maxSchedules,
    )
    this.#runner.onNews({ action: "added", schedule })
    await this.#runner.wake()
    return schedule
  }

  /** A schedule of the gateway itself, under an id of its own: made, changed or, without a spec, removed as far as it differs. */
  async keep(id: string, spec: ScheduleSpec | undefined): Promise<void> {
    const { books, clock } = this.#ports
    const known = await books.schedules.get(id)
    if (!spec) {
      if (known) await this.remove(id)
      return
    }
    if (known) {
      if (JSON.stringify(known.spec) !== JSON.stringify(spec)) await this.update(id, { spec: () => spec })
      return
    }
    const nextAt = await this.#firstAfter(spec, clock.now())
    const schedule = await books.schedules.add({ id, spec, enabled: true, nextAt }, Number.MAX_SAFE_INTEGER)
    this.#runner.onNews({ action: "added", schedule })
    await this.#runner.wake()
  }

  /** Throws NOT_FOUND, CONFLICT, and INVALID_PARAMS for a rule that is never due. */
  async update(id: string, changes: ScheduleChanges): Promise<ScheduleRecord> {
    const { books, clock } = this.#ports
    const known = await this.get(id)
    const spec = changes.spec ? changes.spec(known.spec) : known.spec
    const enabled = changes.enabled ?? known.enabled
    const sameRule = JSON.stringify([spec.when, spec.untilMs, spec.maxRuns]) === JSON.stringify(ruleOf(known.spec))
    const goesOn = sameRule && enabled && known.enabled && known.over === null
    const first = goesOn || (sameRule && !enabled) ? null : await this.#firstAfter(spec, clock.now())
    if (enabled && !goesOn && spec.maxRuns !== undefined && known.stats.runs >= spec.maxRuns)
      throw new PincerError(
        "INVALID_PARAMS",
        `Schedule ${id} has run ${known.stats.runs} times: raise maxRuns to enable it`,
      )
    const revision = changes.revision ?? known.revision
    const schedule = await books.schedules.update(id, revision, (now) => ({
      spec,
      enabled,
      nextAt: goesOn ? now.nextAt : enabled ? first : null,
      over: enabled ? null : now.over,
    }))
    if (!enabled && known.enabled) await this.#runner.drop(id, "disabled")
    this.#runner.onNews({ action: "updated", schedule })
    await this.#runner.wake()
    return schedule
  }

  /** False when there is none. What runs is not stopped. */
  /** The schedule that a program declared under this key; undefined when there is none. */
  async declared(key: string): Promise<ScheduleRecord | undefined> {
    return (await this.list()).find(({ spec }) => spec.declarationKey === key)
  }

  /** Notes that programs keep with a schedule. Throws NOT_FOUND. */
  async scratch(id: string) {
    await this.get(id)
    return this.#ports.books.schedules.scratch(id)
  }

  /** See ScheduleTable.setScratch(). */
  setScratch(id: string, content: string | null, expected: number | undefined) {
    return this.#ports.books.schedules.setScratch(id, content, expected)
  }

  async remove(id: string): Promise<boolean> {
    const { books } = this.#ports
    const schedule = await books.schedules.get(id)
    if (!schedule || !(await books.schedules.remove(id))) return false
    await this.#runner.drop(id, "removed" satisfies TickReason)
    this.#runner.onNews({ action: "removed", schedule })
    return true
  }

  /** Throws NOT_FOUND. */
  async get(id: string): Promise<ScheduleRecord> {
    const schedule = await this.#ports.books.schedules.get(id)
    if (!schedule) throw unknownSchedule(id)
    return schedule
  }

  list(): Promise<ScheduleRecord[]> {
    return this.#ports.books.schedules.list()
  }

  /** When the attempt began that is at work. */
  runningSince(id: string): number | null {
    return this.#runner.standing(id).running?.attemptAt ?? null
  }

  /** Starts it beside its rule. Throws NOT_FOUND. */
  async runNow(id: string, mode: RunMode): Promise<RunNow> {
    const { books, clock } = this.#ports
    const schedule = await this.get(id)
    if (mode === "if-enabled" && !schedule.enabled) return { ran: false, reason: "disabled" }
    if (mode === "due") return this.#runDue(schedule, clock.now())
    if (this.#runner.standing(id).open > 0) return { ran: false, reason: "already-running" }
    const tick = await books.ticks.recordManual(id)
    if (!tick) throw unknownSchedule(id)
    return { ran: true, tick, ended: this.#runner.enqueue(tick) }
  }

  async #runDue({ enabled, id, nextAt }: ScheduleRecord, now: number): Promise<RunNow> {
    if (!enabled || nextAt === null || nextAt > now) return { ran: false, reason: "not-due" }
    await this.#runner.wake()
    const tick = await this.#ports.books.ticks.list({ scheduleId: id, limit: 1 })
    const [newest] = tick
    if (!newest || newest.scheduledFor < nextAt) return { ran: false, reason: "not-due" }
    return { ran: true, tick: newest, ended: this.#runner.ended(newest.id) ?? Promise.resolve(newest) }
  }

  /** Resolves with the end of a tick. Throws NOT_FOUND. */
  async ended(id: string): Promise<TickRecord> {
    const open = this.#runner.ended(id)
    if (open) return open
    const tick = await this.#ports.books.ticks.get(id)
    if (tick && isTickEnd(tick.state)) return tick
    throw new PincerError("NOT_FOUND", `Unknown tick "${id.slice(0, 100)}": run "pincer cron history"`)
  }

  async ticks(filter: TickFilter): Promise<{ ticks: TickRecord[]; total: number }> {
    const { ticks } = this.#ports.books
    return { ticks: await ticks.list(filter), total: await ticks.count(filter) }
  }

  async figures(): Promise<ScheduleFigures> {
    const { books, settings } = this.#ports
    const all = await books.schedules.list()
    const { enabled } = settings()
    const active = all.filter((one) => one.enabled).length
    const nextAt = enabled ? await books.schedules.nextAt() : null
    return { enabled, schedules: all.length, active, running: this.#runner.running, nextAt }
  }

  /** The next times of a rule that need not be a schedule. Throws INVALID_PARAMS. */
  async preview(spec: Pick<ScheduleSpec, "when">, count: number): Promise<number[]> {
    const times = await this.#runner.times({ spec: spec as ScheduleSpec })
    const found: number[] = []
    let at: number | null = this.#ports.clock.now()
    while (found.length < count) {
      at = times.next(at)
      if (at === null) break
      found.push(at)
    }
    return found
  }

  async #firstAfter(spec: ScheduleSpec, now: number): Promise<number> {
    // A single time that has just passed is due at once: somebody wrote "now".
    const from = spec.when.kind === "at" ? now - this.#ports.settings().graceMs : now
    const next = await this.#runner.nextAfter({ spec }, from)
    if (next !== null) return next
    if (spec.when.kind === "at")
      throw new PincerError(
        "INVALID_PARAMS",
        `${new Date(spec.when.atMs).toISOString()} has passed: give a time to come`,
      )
    throw new PincerError("INVALID_PARAMS", "This schedule is never due: no such day comes, or its end has passed")
  }

  /** Removes old records and the sessions that were made for them, some at a time. */
  #sweep(): void {
    const { books, clock, log, settings } = this.#ports
    this.#stopSweep = clock.after(DAY_MS, () => this.#sweep())
    const removeSome = async (): Promise<void> => {
      const old = await books.ticks.recordedBefore(clock.now() - settings().keepDays * DAY_MS, SWEEP_AT_ONCE)
      for (const { ref, scheduleId } of old)
        if (ref.sessionKey !== undefined && isOwnSession(ref.sessionKey, scheduleId))
          await books.sessions.delete(ref.sessionKey)
      await books.ticks.delete(old.map(({ id }) => id))
      if (old.length === SWEEP_AT_ONCE) await removeSome()
    }
    removeSome().catch((error: unknown) => log.error({ err: error }, "Old records of schedules could not be removed"))
  }
}

function ruleOf({ maxRuns, untilMs, when }: ScheduleSpec) {
  return [when, untilMs, maxRuns]
}

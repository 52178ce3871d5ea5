// Schedules in this house. What works on them is loaded when one is there, or when somebody asks: a start without any pays nothing.
import type { Lanes } from "../../agent/agent.ts"
import type { Ports } from "../../agent/ports.ts"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { Redactor } from "../../base/redact.ts"
import type { Config } from "../../config/schema.ts"
import type { AddressRules } from "../../jobs/callback-post.ts"
import type { JobDesk } from "../../jobs/desk.ts"
import type { ScheduleCheckpoint, ScheduleSettings } from "../../jobs/schedule.ts"
import type { ScheduleDesk } from "../../jobs/schedule-desk.ts"
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { Books } from "../../store/open.ts"
import type { LiveConfig } from "../config/live-config.ts"
import type { Workflows } from "../workflows/workflows.ts"
import type { Heartbeats } from "./heartbeats.ts"

export interface ScheduleParts {
  books: Books
  lanes: Lanes
  jobs: JobDesk
  workflows: Workflows
  agents: () => Ports["agents"]
  /** Whether a language model answers by default. */
  hasModel: () => boolean
  live: LiveConfig
  /** Nothing begins by itself: the gateway runs in safe mode. */
  isSafe?: boolean
  rules: AddressRules
  clock: Clock
  log: Logger
  redactor: Redactor
  publish: (envelope: TurnEnvelope) => void
  checkpoint?: (point: ScheduleCheckpoint) => void
}

export class Schedules {
  readonly #parts: ScheduleParts
  #desk: Promise<ScheduleDesk> | undefined
  #stopped = false
  #heartbeats: Promise<Heartbeats> | undefined
  #stopLooking: (() => void) | undefined
  /** Told what becomes of schedules and their ticks: the payload of the event `cron` as JSON text. */
  onNews: (payload: string) => void = () => undefined
  /** Told what became of each heartbeat: the payload of the event `heartbeat`. */
  onHeartbeat: (payload: string) => void = () => undefined

  constructor(parts: ScheduleParts) {
    this.#parts = parts
  }

  /** Loaded and started at the first call. */
  desk(): Promise<ScheduleDesk> {
    this.#desk ??= this.#open().catch((error: unknown) => {
      // The next call tries again.
      this.#desk = undefined
      throw error
    })
    return this.#desk
  }

  /** To be called once the gateway is ready; the returned function ends what it registered. */
  start(): () => void {
    const { live, log } = this.#parts
    const wake = () =>
      this.#wake().catch((error: unknown) => log.error({ err: error }, "The schedules could not be started"))
    setImmediate(() => void wake())
    // Whatever is not in force at once is read when the next tick is looked at.
    return live.take({
      prefixes: ["cron", "autonomy", "agents"],
      apply: () => {
        if (this.#desk) void this.#desk.then((desk) => desk.settingsChanged())
        this.lookForHeartbeats()
      },
    })
  }

  /** Loaded at the first call. */
  heartbeats(): Promise<Heartbeats> {
    this.#heartbeats ??= this.#openHeartbeats().catch((error: unknown) => {
      this.#heartbeats = undefined
      throw error
    })
    return this.#heartbeats
  }

  async #openHeartbeats(): Promise<Heartbeats> {
    const { agents, books, clock, hasModel, lanes, live } = this.#parts
    const { Heartbeats: Kind } = await import("./heartbeats.ts")
    return new Kind({ agents, books, clock, hasModel, lanes, config: () => live.current() })
  }

  /** How many schedules are switched on, and when the next one is due. Nothing is loaded for it. */
  async outlook(): Promise<{ active: number; nextAtMs: number | null }> {
    const { schedules } = this.#parts.books
    const active = (await schedules.list()).filter(({ enabled }) => enabled).length
    return { active, nextAtMs: await schedules.nextAt() }
  }

  /** To be called when there may be something to do for one now: a note was left, HEARTBEAT.md was written. */
  lookForHeartbeats(): void {
    this.#lookForHeartbeats().catch((error: unknown) => {
      if (!this.#stopped) this.#parts.log.error({ err: error }, "The heartbeats could not be looked at")
    })
  }

  async #lookForHeartbeats(): Promise<void> {
    if (this.#stopped || this.#parts.isSafe) return
    const heartbeats = await this.heartbeats()
    const { agentIds, lookMs } = heartbeats.wanted()
    const reasons = this.#desk ? [] : await Promise.all(agentIds.map((id) => heartbeats.hasReason(id)))
    if (this.#desk || reasons.includes(true)) await heartbeats.keep(await this.desk())
    this.#stopLooking?.()
    if (!this.#stopped && agentIds.length > 0)
      this.#stopLooking = this.#parts.clock.after(lookMs, () => this.lookForHeartbeats())
  }

  /** Nothing new begins. To be called before the lanes are drained. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#stopLooking?.()
    await (await this.#desk)?.stop()
  }

  async #wake(): Promise<void> {
    const { schedules, ticks } = this.#parts.books
    if (this.#stopped || this.#desk || this.#parts.isSafe) return
    const isIdle = (await schedules.nextAt()) === null && (await ticks.isIdle())
    if (!isIdle) await this.desk()
    await this.#lookForHeartbeats()
  }

  async #open(): Promise<ScheduleDesk> {
    const [{ ScheduleDesk: Desk }, { scheduleEvent }, { ScheduleLauncher }, { Outlets }, { isHeartbeat }] =
      await Promise.all([
        import("../../jobs/schedule-desk.ts"),
        import("./schedule-view.ts"),
        import("./schedule-launcher.ts"),
        import("./schedule-outlets.ts"),
        import("./heartbeats.ts"),
      ])
    const { agents, books, checkpoint, clock, jobs, lanes, live, log, publish, redactor, rules, workflows } =
      this.#parts
    const callback = () => live.current().jobs.callback
    const { transcript } = books
    const outlets = new Outlets({ transcript, lanes, clock, redactor, publish, rules, callback })
    const heartbeats = await this.heartbeats()
    const launcher = new ScheduleLauncher({ jobs, workflows, agents, outlets, heartbeats })
    const settings = () => settingsOf(live.current())
    const desk = new Desk({ books, settings, launcher, clock, log, ...(checkpoint ? { checkpoint } : {}) })
    desk.onNews = (news) => {
      this.onNews(JSON.stringify(redactor.value(scheduleEvent(news))))
      if (news.action === "finished" && isHeartbeat(news.tick.scheduleId))
        this.onHeartbeat(JSON.stringify(redactor.value(heartbeats.shown(news.tick))))
    }
    if (!this.#stopped && !this.#parts.isSafe) await desk.start()
    return desk
  }
}

function settingsOf({ autonomy, cron }: Config): ScheduleSettings {
  const { ledger, timeZone, ...rest } = cron
  const zone = timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  return {
    ...rest,
    autonomous: autonomy.enabled,
    keepDays: ledger.keepDays,
    keepTicks: ledger.keepRecords,
    timeZone: zone,
  }
}

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

export interface ScheduleParts {
  books: Books
  lanes: Lanes
  jobs: JobDesk
  workflows: Workflows
  agents: () => Ports["agents"]
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
  /** Told what becomes of schedules and their ticks: the payload of the event `cron` as JSON text. */
  onNews: (payload: string) => void = () => undefined

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
      prefixes: ["cron"],
      apply: () => {
        if (this.#desk) void this.#desk.then((desk) => desk.settingsChanged())
      },
    })
  }

  /** Nothing new begins. To be called before the lanes are drained. */
  async stop(): Promise<void> {
    this.#stopped = true
    await (await this.#desk)?.stop()
  }

  async #wake(): Promise<void> {
    const { schedules, ticks } = this.#parts.books
    if (this.#stopped || this.#desk || this.#parts.isSafe) return
    const isIdle = (await schedules.nextAt()) === null && (await ticks.isIdle())
    if (!isIdle) await this.desk()
  }

  async #open(): Promise<ScheduleDesk> {
    const [{ ScheduleDesk: Desk }, { scheduleEvent }, { ScheduleLauncher }, { Outlets }] = await Promise.all([
      import("../../jobs/schedule-desk.ts"),
      import("./schedule-view.ts"),
      import("./schedule-launcher.ts"),
      import("./schedule-outlets.ts"),
    ])
    const { agents, books, checkpoint, clock, jobs, lanes, live, log, publish, redactor, rules, workflows } =
      this.#parts
    const callback = () => live.current().jobs.callback
    const { transcript } = books
    const outlets = new Outlets({ transcript, lanes, clock, redactor, publish, rules, callback })
    const launcher = new ScheduleLauncher({ jobs, workflows, agents, outlets })
    const settings = () => settingsOf(live.current().cron)
    const desk = new Desk({ books, settings, launcher, clock, log, ...(checkpoint ? { checkpoint } : {}) })
    desk.onNews = (news) => this.onNews(JSON.stringify(redactor.value(scheduleEvent(news))))
    if (!this.#stopped && !this.#parts.isSafe) await desk.start()
    return desk
  }
}

function settingsOf({ ledger, timeZone, ...rest }: Config["cron"]): ScheduleSettings {
  const zone = timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  return { ...rest, keepDays: ledger.keepDays, keepTicks: ledger.keepRecords, timeZone: zone }
}

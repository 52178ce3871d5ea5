// What came of a tick, told where that was asked for: its result, or that it failed. That something is to be told is written down with
// the end of the tick, so that what a stop or a crash cuts off is told by the next life.
import type {
  ScheduleOutlet,
  ScheduleRecord,
  ScheduleSpec,
  TickEndState,
  TickRecord,
  TickState,
} from "../protocol/schedule.ts"
import { newsOf } from "./quiet-answer.ts"
import type { SchedulePorts } from "./schedule.ts"

/** Between alerts of a schedule that does not say. */
const COOLDOWN_MS = 3_600_000

export class TickTelling {
  readonly #ports: Pick<SchedulePorts, "books" | "launcher" | "log">
  readonly #leaving = new AbortController()

  constructor(ports: Pick<SchedulePorts, "books" | "launcher" | "log">) {
    this.#ports = ports
  }

  /** Goes on with what an earlier life left. */
  async start(): Promise<void> {
    for (const tick of await this.#ports.books.ticks.untold()) {
      const outlet = outletOf(tick.work, tick.state, tick.state !== "ran", tick.summary ?? "")
      if (outlet) void this.deliver(outlet, tick)
    }
  }

  stop(): void {
    this.#leaving.abort()
  }

  /** Never throws. */
  async deliver(outlet: ScheduleOutlet, tick: TickRecord): Promise<void> {
    const { books, launcher, log } = this.#ports
    const { signal } = this.#leaving
    const schedule = { id: tick.scheduleId, name: tick.name, agentId: tick.agentId }
    const text = tick.state === "ran" ? (tick.summary ?? "") : alertText(tick)
    let told: "delivered" | "failed" = "delivered"
    try {
      await launcher.tell(outlet, { id: `${tick.id}.told`, text, schedule, tick }, signal)
    } catch (error) {
      told = "failed"
      if (!signal.aborted) log.warn({ err: error, tick: tick.id }, "What came of a schedule could not be told")
    }
    try {
      if (!signal.aborted) await books.ticks.told(tick.id, told)
    } catch (error) {
      log.error({ err: error, tick: tick.id }, "That a tick was told could not be recorded")
    }
  }
}

/** Where the end of a tick is told: an answer that says that it is no news is not. */
export function outletOf(
  { alert, deliver }: ScheduleSpec,
  state: TickState | TickEndState,
  alerted: boolean,
  answer: string,
): ScheduleOutlet | undefined {
  if (alerted) return alert?.to
  return state === "ran" && newsOf(answer) === "sent" ? deliver : undefined
}

/** Whether one more failure of this schedule is to be told. */
export function isAlarming(schedule: ScheduleRecord | undefined, now: number): boolean {
  const alert = schedule?.spec.alert
  if (!schedule || !alert) return false
  const { alertedAt, failuresInRow } = schedule.stats
  if (failuresInRow + 1 < (alert.after ?? 1)) return false
  return alertedAt === null || now - alertedAt >= (alert.cooldownMs ?? COOLDOWN_MS) || now < alertedAt
}

function alertText({ attempt, error, name, scheduledFor }: TickRecord): string {
  const tries = attempt > 1 ? ` after ${attempt} attempts` : ""
  return `Schedule "${name}" failed${tries} (due ${new Date(scheduledFor).toISOString()}): ${error ?? ""}`
}

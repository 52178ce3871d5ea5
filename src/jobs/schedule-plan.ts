// What becomes of ticks that are due: pure. Late ones are made up for as the catch-up policy says; the rest meets what is still at
// work as the overlap policy says. Every tick gets its line, whatever becomes of it.
import type { ScheduleRecord, TickReason } from "../protocol/schedule.ts"
import type { NewTick } from "../store/ticks.ts"
import { jitterOf, policiesOf, type ScheduleSettings } from "./schedule.ts"

export interface TickStanding {
  /** Ticks of the schedule that have not ended, and those of them that were not begun. */
  open: number
  waiting: number
}

/** The lines of `ticks`, which are in order and all due at `now`. */
export function planTicks(
  schedule: ScheduleRecord,
  ticks: readonly number[],
  standing: TickStanding,
  settings: ScheduleSettings,
  now: number,
): NewTick[] {
  const { id, spec } = schedule
  const reasons = settings.autonomous ? lateOnes(schedule, ticks, settings, now) : given(ticks, "autonomy-off")
  overlapping(schedule, ticks, reasons, standing, settings)
  let left =
    spec.maxRuns === undefined ? Number.POSITIVE_INFINITY : spec.maxRuns - schedule.stats.runs - standing.waiting
  return ticks.map((scheduledFor): NewTick => {
    const reason = reasons.get(scheduledFor) ?? (left <= 0 ? "max-runs" : null)
    if (reason === null) {
      left -= 1
      const notBefore = scheduledFor + jitterOf(id, scheduledFor, spec.jitterMs ?? 0)
      return { scheduledFor, notBefore, state: "due", reason }
    }
    return { scheduledFor, notBefore: scheduledFor, state: isMissed(reason) ? "missed" : "skipped", reason }
  })
}

function isMissed(reason: TickReason): boolean {
  return reason === "late" || reason === "superseded" || reason === "over-limit"
}

/** Ticks that nothing was running for, with why they are not made up for. */
function lateOnes(
  { spec }: ScheduleRecord,
  ticks: readonly number[],
  settings: ScheduleSettings,
  now: number,
): Map<number, TickReason> {
  const { catchUp, catchUpMax } = policiesOf(spec, settings)
  const last = ticks.at(-1)
  const isLate = (tick: number) => tick !== last || now - tick > settings.graceMs
  const late = ticks.filter(isLate)
  switch (catchUp) {
    case "none":
      return given(late, "late")
    case "last":
      return given(ticks.slice(0, -1), "superseded")
    case "all":
      return given(ticks.slice(0, Math.max(0, ticks.length - catchUpMax)), "over-limit")
  }
}

function given(ticks: readonly number[], reason: TickReason): Map<number, TickReason> {
  return new Map(ticks.map((tick) => [tick, reason]))
}

/** What is still at work decides over those that would begin now; those of one catching-up wait for one another. */
function overlapping(
  { spec }: ScheduleRecord,
  ticks: readonly number[],
  reasons: Map<number, TickReason>,
  { open, waiting }: TickStanding,
  settings: ScheduleSettings,
): void {
  const wanted = ticks.filter((tick) => !reasons.has(tick))
  const { overlap } = policiesOf(spec, settings)
  switch (overlap) {
    case "skip":
      if (open > 0) for (const tick of wanted) reasons.set(tick, "overlap")
      return
    case "queue": {
      const room = Math.max(0, settings.maxWaiting - waiting)
      for (const tick of wanted.slice(room)) reasons.set(tick, "queue-full")
      return
    }
    case "cancel-running":
      for (const tick of wanted.slice(0, -1)) reasons.set(tick, "replaced")
  }
}

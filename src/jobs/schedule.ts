// The contract of schedules: a schedule is a rule that enqueues work. What is due is written into the ledger first, then begun, then
// its end is written down; what the work itself is, and where its result is told, comes from outside.
import { createHash } from "node:crypto"
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type {
  CatchUp,
  Overlap,
  ScheduleOutlet,
  ScheduleRecord,
  ScheduleSpec,
  TickReason,
  TickRecord,
  TickRef,
} from "../protocol/schedule.ts"
import type { Books } from "../store/open.ts"
import type { OpenTick } from "../store/ticks.ts"

export interface ScheduleSettings {
  /** False: nothing comes due by the clock; what a person starts runs. */
  enabled: boolean
  /** False: what comes due by the clock is written down as skipped. */
  autonomous: boolean
  maxSchedules: number
  /** Ticks at work at once. */
  maxConcurrent: number
  /** Ticks of one schedule that may wait, with the overlap policy "queue". */
  maxWaiting: number
  catchUp: CatchUp
  catchUpMax: number
  overlap: Overlap
  /** A tick that is no later than this was not missed. */
  graceMs: number
  retries: number
  backoffMs: number
  maxBackoffMs: number
  /** The ledger: records are kept so long, and so many of each schedule. */
  keepDays: number
  keepTicks: number
  /** The longest sleep: timers stand still while a machine is suspended. */
  lookMs: number
  /** IANA time zone of rules that name none. */
  timeZone: string
}

/** One attempt at a tick. Whatever it starts is named `key`, so that it is found again after a crash and never started twice. */
export interface TickAttempt {
  tick: OpenTick
  key: string
}

/** Why an attempt is to stop. "left": the gateway stops; the work itself is left to its own recovery. */
export type TickStop = "canceled" | "replaced" | "timeout" | "left"

export type AttemptOutcome =
  | { status: "done"; summary: string }
  /** `final`: not to be tried again, as nobody knows what it did. */
  | { status: "failed"; error: string; final?: true }
  | { status: "canceled" }
  /** There was nothing to begin. */
  | { status: "skipped"; reason: TickReason }
  | { status: "left" }

export interface TickLauncher {
  /**
   * Begins the attempt, or goes on with the one that an earlier life began under the same key, and resolves with its end. When the
   * signal aborts (its reason is a TickStop) the work is stopped, unless the reason is "left". `note` writes down what was started.
   */
  run(attempt: TickAttempt, signal: AbortSignal, note: (ref: TickRef) => void): Promise<AttemptOutcome>
  /** Tells a text somewhere, at most once for each id where the outlet can know that. Ends within a bounded time. */
  tell(outlet: ScheduleOutlet, message: OutletMessage, signal: AbortSignal): Promise<void>
}

export interface OutletMessage {
  /** The same for the same thing told. */
  id: string
  text: string
  schedule: { id: string; name: string; agentId: string }
  tick: TickRecord
}

export type ScheduleNews =
  | { action: "added" | "updated" | "removed"; schedule: ScheduleRecord }
  | { action: "started" | "finished"; schedule: ScheduleRecord | undefined; tick: TickRecord }

/** Points between two facts, where crash tests kill the process. */
export type ScheduleCheckpoint = "ticks.decided" | "ticks.recorded" | "tick.begun" | "tick.worked" | "tick.ended"

export interface SchedulePorts {
  books: Pick<Books, "schedules" | "ticks" | "sessions">
  settings: () => ScheduleSettings
  launcher: TickLauncher
  clock: Clock
  log: Logger
  checkpoint?: (point: ScheduleCheckpoint) => void
}

export function attemptKey({ id, attempt }: Pick<TickRecord, "id" | "attempt">): string {
  return `${id}.${attempt}`
}

/** The session of one tick, of a schedule whose ticks have sessions of their own. */
export function sessionOfTick({ agentId, scheduledFor, scheduleId }: TickRecord): string {
  return `agent:${agentId}:cron:${scheduleId}:run:${scheduledFor}`
}

/** Whether a session was made for a tick of this schedule, and goes with its record. */
export function isOwnSession(sessionKey: string, scheduleId: string): boolean {
  return sessionKey.includes(`:cron:${scheduleId}:run:`)
}

/** The policies in force for a schedule. */
export function policiesOf(spec: ScheduleSpec, settings: ScheduleSettings) {
  return {
    catchUp: spec.catchUp ?? settings.catchUp,
    catchUpMax: spec.catchUpMax ?? settings.catchUpMax,
    overlap: spec.overlap ?? settings.overlap,
    retries: spec.retries ?? settings.retries,
    backoffMs: spec.backoffMs ?? settings.backoffMs,
  }
}

/** How long a tick is put off: the same tick always by the same, less than `jitterMs`. */
export function jitterOf(scheduleId: string, tick: number, jitterMs: number): number {
  if (jitterMs <= 0) return 0
  const hash = createHash("sha256").update(`${scheduleId}\0${tick}`).digest()
  return hash.readUIntBE(0, 6) % jitterMs
}

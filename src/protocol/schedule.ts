// Schedules: rules that enqueue work, and the ledger of their ticks. Every moment at which a schedule is due is a tick, and has
// exactly one record from the moment on that it was due. Plain data: it is stored, and every dialect is a projection of it.
import type { Permissions } from "./permission.ts"
import type { Sampling } from "./turn.ts"

/** When. Times are ms since 1970. A cron expression has 5 fields, or 6 with seconds first; without `tz` the gateway's zone counts. */
export type ScheduleWhen =
  | { kind: "at"; atMs: number }
  | { kind: "every"; everyMs: number; anchorMs: number }
  | { kind: "cron"; expr: string; tz?: string }

/** What. `event`: the text is told to the session as something that happened, not as what a person wants. */
export type ScheduleTask =
  | {
      kind: "turn"
      message: string
      /** "isolated": a session of its own for each tick; else a session key. */
      session: string
      event?: boolean
      model?: string
      thinking?: Sampling["thinking"]
      cwd?: string
      permissions?: Permissions
    }
  | { kind: "workflow"; file: string; args: Record<string, unknown>; cwd?: string; permissions?: Permissions }
  | { kind: "command"; line: string; cwd?: string; permissions?: Permissions }
  /** No model: the text itself is what is delivered. */
  | { kind: "text"; text: string }
  /** The agent is asked whether something needs attention: how, the configuration says when its time has come. */
  | { kind: "heartbeat" }

/** What becomes of ticks that passed while nothing could run: none of them, the last, or all up to a limit. */
export const CATCH_UPS = ["none", "last", "all"] as const
export type CatchUp = (typeof CATCH_UPS)[number]

/** What becomes of a tick while an earlier one is at work. */
export const OVERLAPS = ["skip", "queue", "cancel-running"] as const
export type Overlap = (typeof OVERLAPS)[number]

/** Where something is told: into a session, or to a URL by POST. */
export type ScheduleOutlet = { kind: "session"; sessionKey: string } | { kind: "webhook"; url: string }

/** What somebody asked for. Absent policies are those of the configuration. */
export interface ScheduleSpec {
  name: string
  description?: string
  agentId: string
  when: ScheduleWhen
  task: ScheduleTask
  catchUp?: CatchUp
  /** With "all": so many at most. */
  catchUpMax?: number
  overlap?: Overlap
  /** Each tick is put off by up to so much; the same tick always by the same. */
  jitterMs?: number
  /** Further attempts after one that failed. */
  retries?: number
  backoffMs?: number
  /** Of one attempt. */
  timeoutMs?: number
  /** After so many ticks that ran it is over. */
  maxRuns?: number
  /** Not due any more after this time. */
  untilMs?: number
  /** Removed once it is over, unless its last tick failed. */
  deleteAfterRun?: boolean
  /** Where the result goes. */
  deliver?: ScheduleOutlet
  /** Told back as it was said: a system event begins its turn at once either way. */
  wakeMode?: "now" | "next-heartbeat"
  /** Told after so many ticks that failed in a row, then once in a `cooldownMs`. */
  alert?: { to: ScheduleOutlet; after?: number; cooldownMs?: number }
  /** What a program calls it that declares it again and again: there is one of each name. */
  declarationKey?: string
  /** Who asked for it. */
  clientId: string
}

/** Notes that programs keep with a schedule between its runs. */
export interface ScheduleScratch {
  content: string
  revision: number
  /** ms since 1970. */
  updatedAtMs: number
}

export type TickState = "due" | "running" | TickEndState
/** "missed": it passed and is not made up for. */
export type TickEndState = "ran" | "skipped" | "missed" | "failed"
export const TICK_STATES: readonly TickState[] = ["due", "running", "ran", "skipped", "missed", "failed"]

export function isTickEnd(state: TickState): state is TickEndState {
  return state !== "due" && state !== "running"
}

/** How its attempts are found again: all of them bear names that follow from the tick. */
export interface TickRef {
  jobId?: string
  /** Turn or run of a workflow. */
  runId?: string
  sessionKey?: string
}

/** One line of the ledger. */
export interface TickRecord {
  /** Order in which they were written. */
  n: number
  /** "cron-<schedule>-<time>", for what a person started "cron-<schedule>-m-<time>". */
  id: string
  scheduleId: string
  /** As the schedule was called then. */
  name: string
  agentId: string
  trigger: "tick" | "manual"
  scheduledFor: number
  /** Not to be begun before: jitter, and the pause before another attempt. */
  notBefore: number
  state: TickState
  /** Why it was skipped or missed: a word of TICK_REASONS. */
  reason: string | null
  /** Attempts that were begun. */
  attempt: number
  recordedAt: number
  /** Of the first attempt, and of the one at work. */
  startedAt: number | null
  attemptAt: number | null
  endedAt: number | null
  ref: TickRef
  summary: string | null
  error: string | null
  /** Whether its result or alert was told where that was asked for. */
  delivery: "pending" | "delivered" | "failed" | null
}

export const TICK_REASONS = {
  overlap: "an earlier one was still at work",
  replaced: "a later one took its place",
  "queue-full": "too many waited already",
  disabled: "the schedule was disabled before it began",
  removed: "the schedule was removed before it began",
  expired: "it was too late to begin",
  late: "nothing was running when it was due, and it is not made up for",
  superseded: "nothing was running when it was due, and only the last one is made up for",
  "over-limit": "nothing was running when it was due, and there were more than are made up for",
  "max-runs": "the schedule had run as often as it may",
  canceled: "somebody stopped it",
  timeout: "it ran longer than it may",
  "autonomy-off": "nothing begins by itself while autonomy is off",
  "heartbeats-off": "heartbeats are off",
  "no-model": "no language model is configured",
  "nothing-to-do": "HEARTBEAT.md says nothing and no note waits",
  "quiet-hours": "it fell into the quiet hours",
  busy: "the session was at work",
} as const
export type TickReason = keyof typeof TICK_REASONS

/** What is known of a schedule beside its spec. */
export interface ScheduleRecord {
  id: string
  spec: ScheduleSpec
  enabled: boolean
  /** Counts changes of the spec. */
  revision: number
  createdAt: number
  updatedAt: number
  /** The next tick; null when there is none. */
  nextAt: number | null
  /** Why it is over, when it is. */
  over: "done" | "max-runs" | "until" | null
  stats: ScheduleStats
}

export interface ScheduleStats {
  /** Ticks that were begun, and those of them that failed. */
  runs: number
  failures: number
  failuresInRow: number
  skipped: number
  missed: number
  lastTickAt: number | null
  lastState: TickEndState | null
  lastError: string | null
  lastDurationMs: number | null
  /** Between the tick and its beginning. */
  lastDelayMs: number | null
  alertedAt: number | null
}

export const NO_STATS: ScheduleStats = {
  runs: 0,
  failures: 0,
  failuresInRow: 0,
  skipped: 0,
  missed: 0,
  lastTickAt: null,
  lastState: null,
  lastError: null,
  lastDurationMs: null,
  lastDelayMs: null,
  alertedAt: null,
}

/** The id of a tick follows from its schedule and time, and everything that it starts is named after it. */
export function tickId(scheduleId: string, scheduledFor: number, trigger: TickRecord["trigger"] = "tick"): string {
  return `cron-${scheduleId}-${trigger === "manual" ? "m-" : ""}${scheduledFor}`
}

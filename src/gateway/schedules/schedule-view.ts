// Schedules and their ledger as the wire has them: one object with the fields of every dialect (protocol §7.8, §9.4; R-31). Pure.
import { unreachable } from "../../base/errors.ts"
import type { ScheduleNews } from "../../jobs/schedule.ts"
import {
  isTickEnd,
  type ScheduleOutlet,
  type ScheduleRecord,
  type ScheduleSpec,
  type ScheduleWhen,
  TICK_REASONS,
  type TickReason,
  type TickRecord,
  type TickState,
} from "../../protocol/schedule.ts"
import { parseSessionKey } from "../../protocol/session.ts"

const iso = (ms: number) => new Date(ms).toISOString()

/** Absent instead of null or undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], null | undefined> } {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  ) as never
}

/** The rule as one line: the expression, "@every 300s" or "@at <time>". */
export function ruleText(when: ScheduleWhen): string {
  switch (when.kind) {
    case "at":
      return `@at ${iso(when.atMs)}`
    case "every":
      return `@every ${when.everyMs / 1000}s`
    case "cron":
      return when.expr
    default:
      return unreachable(when)
  }
}

function shownWhen(when: ScheduleWhen, jitterMs: number | undefined): Record<string, unknown> {
  const stagger = jitterMs === undefined ? {} : { staggerMs: jitterMs }
  return when.kind === "at" ? { ...when, at: iso(when.atMs) } : { ...when, ...stagger }
}

export function sessionTargetOf({ agentId, task }: ScheduleSpec): string {
  if (task.kind === "heartbeat") return "main"
  if (task.kind !== "turn" || task.session === "isolated") return "isolated"
  return task.session === parseSessionKey("main", agentId).key ? "main" : `session:${task.session}`
}

function payloadOf({ task, timeoutMs }: ScheduleSpec): Record<string, unknown> {
  const timeout = timeoutMs === undefined ? {} : { timeoutSeconds: timeoutMs / 1000 }
  switch (task.kind) {
    case "turn": {
      const { cwd, event, message, model, thinking } = task
      if (event) return { kind: "systemEvent", text: message, ...timeout }
      return { kind: "agentTurn", message, ...given({ model, cwd, thinking }), ...timeout }
    }
    case "workflow":
      return { kind: "workflow", file: task.file, args: task.args, ...given({ cwd: task.cwd }), ...timeout }
    case "command":
      return { kind: "command", command: task.line, ...given({ cwd: task.cwd }), ...timeout }
    case "text":
      return { kind: "message", text: task.text }
    case "heartbeat":
      return { kind: "heartbeat" }
    default:
      return unreachable(task)
  }
}

function outletFields(outlet: ScheduleOutlet): Record<string, unknown> {
  return outlet.kind === "session"
    ? { mode: "announce", channel: "session", to: outlet.sessionKey }
    : { mode: "webhook", to: outlet.url }
}

/** What somebody would say to get this schedule: what a patch is laid over. */
export function saidOf(schedule: Pick<ScheduleRecord, "spec" | "enabled">): Record<string, unknown> {
  const { spec } = schedule
  const {
    agentId,
    alert,
    backoffMs,
    catchUp,
    catchUpMax,
    declarationKey,
    deleteAfterRun,
    deliver,
    description,
    jitterMs,
  } = spec
  const { maxRuns, name, overlap, retries, task, untilMs, wakeMode, when } = spec
  return {
    name,
    agentId,
    enabled: schedule.enabled,
    schedule: shownWhen(when, undefined),
    sessionTarget: sessionTargetOf(spec),
    payload: payloadOf(spec),
    ...given({
      description,
      declarationKey,
      deleteAfterRun,
      catchUp,
      catchUpMax,
      overlap,
      jitterMs,
      retries,
      backoffMs,
      maxRuns,
    }),
    ...given({ untilMs, wakeMode, permissions: "permissions" in task ? task.permissions : undefined }),
    ...(deliver === undefined ? {} : { delivery: outletFields(deliver) }),
    ...(alert === undefined
      ? {}
      : {
          failureAlert: { ...outletFields(alert.to), ...given({ after: alert.after, cooldownMs: alert.cooldownMs }) },
        }),
  }
}

/** Words of a person: what it says or does, in one text. */
export function workText({ task }: Pick<ScheduleSpec, "task">): string {
  switch (task.kind) {
    case "turn":
      return task.message
    case "workflow":
      return task.file
    case "command":
      return task.line
    case "text":
      return task.text
    case "heartbeat":
      return "heartbeat"
    default:
      return unreachable(task)
  }
}

const STATUS: Readonly<Record<TickState, string>> = {
  due: "pending",
  running: "running",
  ran: "ok",
  skipped: "skipped",
  missed: "skipped",
  failed: "error",
}

const RECORD_STATUS: Readonly<Record<TickState, string>> = { ...STATUS, ran: "completed", failed: "failed" }

export function shownSchedule(schedule: ScheduleRecord, runningSince: number | null = null): Record<string, unknown> {
  const { createdAt, enabled, id, nextAt, over, revision, spec, stats, updatedAt } = schedule
  const lastStatus = stats.lastState === null ? null : STATUS[stats.lastState]
  const { jitterMs, when } = spec
  return {
    ...saidOf(schedule),
    id,
    jobId: id,
    effectiveAgentId: spec.agentId,
    enabled,
    deleteAfterRun: spec.deleteAfterRun ?? false,
    createdAtMs: createdAt,
    updatedAtMs: updatedAt,
    configRevision: String(revision),
    schedule: shownWhen(when, when.kind === "cron" ? jitterMs : undefined),
    cron: ruleText(when),
    message: workText(spec),
    wakeMode: spec.wakeMode ?? "now",
    delivery: spec.deliver === undefined ? { mode: "none" } : outletFields(spec.deliver),
    state: {
      ...given({
        nextRunAtMs: nextAt,
        runningAtMs: runningSince,
        lastRunAtMs: stats.lastTickAt,
        lastError: stats.lastError,
      }),
      ...given({ lastStatus, lastRunStatus: lastStatus, lastDurationMs: stats.lastDurationMs }),
      ...given({ lastScheduleDelayMs: stats.lastDelayMs, over }),
      consecutiveErrors: stats.failuresInRow,
      consecutiveFailures: stats.failuresInRow,
      totalRuns: stats.runs,
      totalFailures: stats.failures,
      totalSkipped: stats.skipped,
      totalMissed: stats.missed,
    },
    ...given({ nextRunAtMs: nextAt, lastRunAtMs: stats.lastTickAt, lastRunStatus: lastStatus }),
  }
}

/** One line of the ledger as the claw dialect has it. */
export function shownEntry(tick: TickRecord, nextAt: number | null): Record<string, unknown> {
  const { attempt, delivery, error, id, name, ref, scheduleId, scheduledFor, state, summary, trigger } = tick
  const at = tick.endedAt ?? tick.attemptAt ?? tick.recordedAt
  const durationMs = tick.startedAt === null || tick.endedAt === null ? null : tick.endedAt - tick.startedAt
  const action = isTickEnd(state) ? "finished" : state === "running" ? "started" : "due"
  return {
    ts: at,
    jobId: scheduleId,
    jobName: name,
    action,
    status: STATUS[state],
    state,
    trigger,
    runId: id,
    scheduledForMs: scheduledFor,
    runAtMs: tick.startedAt ?? scheduledFor,
    attempt,
    deliveryStatus:
      delivery === null
        ? "not-requested"
        : { pending: "unknown", delivered: "delivered", failed: "not-delivered" }[delivery],
    ...given({
      error,
      summary,
      durationMs,
      nextRunAtMs: nextAt,
      reason: tick.reason,
      reasonText: reasonText(tick.reason),
    }),
    ...given({ sessionKey: ref.sessionKey, workId: ref.jobId ?? ref.runId }),
  }
}

export function reasonText(reason: string | null): string | null {
  return reason === null ? null : (TICK_REASONS[reason as TickReason] ?? reason)
}

/** The same as the simple dialect has it (PY-RPC-CRON-03). */
export function shownRecord(tick: TickRecord): Record<string, unknown> {
  const { endedAt, error, id, name, reason, scheduleId, startedAt, state, summary } = tick
  return {
    id,
    jobId: scheduleId,
    jobTitle: name,
    status: state === "failed" && reason === "timeout" ? "timeout" : RECORD_STATUS[state],
    scheduledFor: iso(tick.scheduledFor),
    startedAt: startedAt === null ? null : iso(startedAt),
    endedAt: endedAt === null ? null : iso(endedAt),
    output: summary,
    error: error ?? reasonText(reason),
    durationS: startedAt === null || endedAt === null ? null : (endedAt - startedAt) / 1000,
  }
}

/** The payload of the event `cron`. */
export function scheduleEvent(news: ScheduleNews): Record<string, unknown> {
  const { action, schedule } = news
  const job = schedule && { job: shownSchedule(schedule), ...given({ nextRunAtMs: schedule.nextAt }) }
  if (!("tick" in news)) return { action, jobId: news.schedule.id, ...job }
  const { action: _, ...entry } = shownEntry(news.tick, schedule?.nextAt ?? null)
  return { ...entry, action, ...job }
}

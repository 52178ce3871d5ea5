// From what a caller says of a schedule to what is stored: everything that can be refused is refused here, before anything is written.
import { isAbsolute } from "node:path"
import { hostedOf } from "../../agent/hosted-profile.ts"
import { isSpecialAddress } from "../../base/address.ts"
import { PincerError, unreachable } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import { parseWith } from "../../base/schema.ts"
import { excerpt } from "../../base/text.ts"
import { checkCallbackUrl } from "../../jobs/callback-post.ts"
import { momentIn, ruleIn } from "../../jobs/schedule-words.ts"
import type { Permissions } from "../../protocol/permission.ts"
import type {
  ScheduleOutlet,
  ScheduleRecord,
  ScheduleSpec,
  ScheduleTask,
  ScheduleWhen,
} from "../../protocol/schedule.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import { checkPermissions, requireAgent } from "../inbound.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import { problemText } from "../workflows/workflows.ts"
import { commandWorkflow } from "./schedule-launcher.ts"
import { type AddParams, addParams, normalizeAdd } from "./schedule-params.ts"
import { saidOf, workText } from "./schedule-view.ts"

type Who = Pick<Caller, "clientId" | "deviceId" | "scopes">

/** Throws INVALID_PARAMS, NOT_FOUND for an unknown agent or model, PERMISSION_DENIED for permissions beyond the caller's. */
export async function specOf(params: AddParams, who: Who, zone: string, parts: Parts): Promise<ScheduleSpec> {
  const now = parts.clock.now()
  const agentId = agentOf(params, parts)
  const task = taskOf(params, agentId)
  await checkTask(task, agentId, who, parts)
  const rule = whenOf(params, now, zone)
  const stagger = typeof params.schedule === "object" ? params.schedule.staggerMs : undefined
  const {
    backoffMs,
    catchUp,
    catchUpMax,
    declarationKey,
    deleteAfterRun,
    description,
    jitterMs = stagger,
    maxRuns,
    overlap,
  } = params
  const { payload, retries, until, wakeMode } = params
  const untilMs = until === undefined ? params.untilMs : momentIn(until, now, params.tz ?? zone)
  const timeoutS = "timeoutSeconds" in payload ? payload.timeoutSeconds : undefined
  const deliver = params.delivery && outletOf(params.delivery, agentId, parts)
  const alert = alertOf(params, agentId, parts)
  if (task.kind === "text" && !deliver)
    throw new PincerError(
      "INVALID_PARAMS",
      'A message without a model is told somewhere: give delivery, such as {mode: "announce"}',
    )
  return {
    name: params.name ?? excerpt(workText({ task }), 60),
    agentId,
    when: rule,
    task,
    ...some({
      description,
      declarationKey,
      catchUp,
      catchUpMax,
      overlap,
      jitterMs,
      retries,
      backoffMs,
      maxRuns,
      untilMs,
      deleteAfterRun,
    }),
    ...some({ wakeMode, deliver, alert, timeoutMs: timeoutS === undefined ? undefined : Math.round(timeoutS * 1000) }),
    clientId: who.clientId,
  }
}

/** What a change makes of a schedule: what it says lies over what was said before, null takes away. */
export async function changedSpec(
  schedule: ScheduleRecord,
  patch: Record<string, unknown>,
  who: Who,
  zone: string,
  parts: Parts,
): Promise<{ spec: ScheduleSpec; enabled: boolean }> {
  const before = saidOf(schedule)
  const news = normalizeAdd(patch, { py: false })
  const said: Record<string, unknown> = { ...before, ...news }
  for (const key of ["payload", "delivery", "failureAlert"]) said[key] = laidOver(before[key], news[key])
  for (const [key, value] of Object.entries(patch)) if (value === null) delete said[key]
  const { payload } = patch
  if (isObject(payload) && isObject(said["payload"])) {
    const gone = Object.keys(payload).filter((key) => payload[key] === null)
    said["payload"] = Object.fromEntries(Object.entries(said["payload"]).filter(([key]) => !gone.includes(key)))
  }
  // Another session was named, and the one before was the target.
  if (news["sessionKey"] !== undefined && news["sessionTarget"] === undefined) delete said["sessionTarget"]
  if (news["untilMs"] !== undefined || news["until"] !== undefined)
    delete said[news["until"] === undefined ? "until" : "untilMs"]
  const params = parseWith(addParams(), JSON.parse(JSON.stringify(said)), "invalid cron.update params")
  const spec = await specOf(params, who, zone, parts)
  return { spec: { ...spec, clientId: schedule.spec.clientId }, enabled: params.enabled ?? schedule.enabled }
}

function laidOver(before: unknown, news: unknown): unknown {
  if (news === undefined) return before
  if (!isObject(before) || !isObject(news)) return news
  if (news["kind"] !== undefined && news["kind"] !== before["kind"]) return news
  return { ...before, ...news }
}

function some<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}

function agentOf({ agentId, sessionKey, sessionTarget }: AddParams, parts: Parts): string {
  const named = sessionTarget?.startsWith("session:") ? sessionTarget.slice(8) : sessionKey
  const inKey = named !== undefined && /^agent:/i.test(named) ? parseSessionKey(named).agentId : undefined
  const id = (agentId ?? inKey ?? parts.config.agents.default).toLowerCase()
  if (inKey !== undefined && inKey !== id)
    throw new PincerError(
      "INVALID_PARAMS",
      `Session "${named}" belongs to agent "${inKey}", not to "${id}": name one of them only`,
    )
  return requireAgent(id, parts).id
}

function whenOf({ schedule, tz }: AddParams, now: number, zone: string): ScheduleWhen {
  if (typeof schedule === "string") return ruleIn(schedule, now, zone, tz)
  const { anchorMs, at, atMs, everyMs, expr, kind } = schedule
  const ownZone = schedule.tz ?? tz
  const missing = (what: string) => new PincerError("INVALID_PARAMS", `schedule: kind "${kind}" needs ${what}`)
  switch (kind) {
    case "at": {
      if (atMs !== undefined) return { kind, atMs }
      if (at === undefined) throw missing("at or atMs")
      return { kind, atMs: typeof at === "number" ? at : momentIn(at, now, ownZone ?? zone) }
    }
    case "every":
      if (everyMs === undefined) throw missing("everyMs")
      return { kind, everyMs, anchorMs: anchorMs ?? now }
    case "cron":
      if (expr === undefined) throw missing("expr")
      return { kind, expr, ...(ownZone === undefined ? {} : { tz: ownZone }) }
    default:
      return unreachable(kind)
  }
}

/** A rule alone, as cron.preview is asked about. */
export function previewed(params: Pick<AddParams, "schedule" | "tz">, now: number, zone: string): ScheduleWhen {
  return whenOf(params as AddParams, now, zone)
}

function taskOf(params: AddParams, agentId: string): ScheduleTask {
  const { payload, permissions: asked } = params
  const permissions = asked as Permissions | undefined
  switch (payload.kind) {
    case "systemEvent": {
      const session = sessionOf(params, agentId, "main")
      if (session === "isolated")
        throw new PincerError(
          "INVALID_PARAMS",
          'A systemEvent needs sessionTarget "main": isolated jobs take an agentTurn',
        )
      return { kind: "turn", message: payload.text, session, event: true, ...some({ permissions }) }
    }
    case "agentTurn": {
      const { cwd, message, model, thinking } = payload
      const session = sessionOf(params, agentId, "isolated")
      return { kind: "turn", message, session, ...some({ model, thinking, cwd, permissions }) }
    }
    case "workflow":
      return {
        kind: "workflow",
        file: payload.file,
        args: payload.args ?? {},
        ...some({ cwd: payload.cwd, permissions }),
      }
    case "command":
      return { kind: "command", line: payload.command, ...some({ cwd: payload.cwd, permissions }) }
    case "message":
      return { kind: "text", text: payload.text }
    default:
      return unreachable(payload)
  }
}

function sessionOf({ sessionKey, sessionTarget }: AddParams, agentId: string, usual: "main" | "isolated"): string {
  const target = sessionTarget ?? (sessionKey === undefined ? usual : "current")
  if (target === "isolated") return target
  if (target === "main") return parseSessionKey("main", agentId).key
  if (target !== "current") return parseSessionKey(target.replace(/^session:/, ""), agentId).key
  if (sessionKey === undefined)
    throw new PincerError("INVALID_PARAMS", 'sessionTarget "current" needs sessionKey: name the session')
  return parseSessionKey(sessionKey, agentId).key
}

async function checkTask(task: ScheduleTask, agentId: string, who: Who, parts: Parts): Promise<void> {
  if (task.kind === "text" || task.kind === "heartbeat") return
  const { clientId, deviceId } = who
  checkPermissions(task.permissions, agentId, { door: "schedule", clientId, deviceId }, who.scopes, parts)
  const profile = requireAgent(agentId, parts)
  if (task.cwd !== undefined && !isAbsolute(task.cwd))
    throw new PincerError("INVALID_PARAMS", `cwd "${task.cwd}" is relative: give an absolute path`)
  if (task.kind === "turn") {
    if (task.model !== undefined && !hostedOf(profile, {})) parts.catalogue.resolve(task.model)
    return
  }
  if (!parts.workflows) return
  const source = task.kind === "workflow" ? { file: task.file } : { definition: commandWorkflow("command", task.line) }
  const { problems } = await parts.workflows.check(source, task.cwd ?? profile.workspace)
  const errors = problems.filter(({ level }) => level === "error")
  if (errors.length > 0)
    throw new PincerError("INVALID_PARAMS", problemText(errors), { details: { problems: errors.slice(0, 20) } })
}

function outletOf(
  { channel, mode = "announce", to }: NonNullable<AddParams["delivery"]>,
  agentId: string,
  parts: Parts,
): ScheduleOutlet | undefined {
  if (mode === "none") return undefined
  if (mode === "webhook") {
    if (to === undefined) throw new PincerError("INVALID_PARAMS", "A webhook needs to: the URL that is called")
    const { allowHosts } = parts.config.jobs.callback
    checkCallbackUrl(to, { isSpecial: isSpecialAddress, allowHosts })
    return { kind: "webhook", url: to }
  }
  if (channel !== undefined && channel !== "session" && channel !== "last")
    throw new PincerError(
      "INVALID_PARAMS",
      `There is no channel "${channel}" here: deliver to "session", or to a webhook`,
    )
  return { kind: "session", sessionKey: parseSessionKey(to ?? "main", agentId).key }
}

function alertOf({ failureAlert }: AddParams, agentId: string, parts: Parts): ScheduleSpec["alert"] {
  if (failureAlert === undefined || failureAlert === false) return undefined
  const { after, cooldownMs, ...named } = failureAlert === true ? {} : failureAlert
  const to = outletOf(named, agentId, parts)
  return to && { to, ...some({ after, cooldownMs }) }
}

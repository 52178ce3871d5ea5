// From the flags of `pincer cron add` and `edit` to what the gateway is told. What the words mean is the gateway's; only what is about
// this machine and this command line is settled here.
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { parseJson } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { type PermissionFlags, permissionsOf } from "./permission-flags.ts"

export interface RuleFlags {
  at?: string
  every?: string
  cron?: string
  tz?: string
}

export interface ScheduleFlags extends RuleFlags, PermissionFlags {
  name?: string
  declare?: string
  description?: string
  message?: string
  workflow?: string
  arg?: string[]
  command?: string
  agent?: string
  session?: string
  main?: boolean
  model?: string
  thinking?: string
  cwd?: string
  catchUp?: string
  catchUpMax?: string
  overlap?: string
  jitter?: string
  retries?: string
  backoff?: string
  timeout?: string
  maxRuns?: string
  until?: string
  deleteAfterRun?: boolean
  disabled?: boolean
  deliver?: boolean
  channel?: string
  to?: string
  resultTo?: string
  alertTo?: string
  alertAfter?: string
  json?: boolean
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Seconds as a bare number, or with units: "90", "10m", "1h30m". */
export function durationOf(text: string, flag: string): number {
  const compact = text.trim().toLowerCase()
  if (/^\d+(\.\d+)?$/.test(compact)) return Math.round(Number(compact) * 1000)
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(compact))
    throw new PincerError("INVALID_PARAMS", `${flag}: "${text}" is no duration: write seconds, or like 10m, 1h30m`)
  let ms = 0
  for (const [, size, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) ms += Number(size) * UNITS[unit!]!
  return Math.round(ms)
}

function numberOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== "" && Number.isInteger(value)) return value
  throw new PincerError("INVALID_PARAMS", `${flag}: "${text}" is not a whole number`)
}

/** The rule that the flags give; undefined when they give none. ClawGo: --every goes before --cron. */
export function ruleOf({ at, cron, every, tz }: RuleFlags): Record<string, unknown> | undefined {
  const zone = tz === undefined ? {} : { tz }
  if (at !== undefined && (every !== undefined || cron !== undefined))
    throw new PincerError("INVALID_PARAMS", "--at is a single time: leave --every and --cron out, or --at")
  if (every !== undefined) return { schedule: { kind: "every", everyMs: durationOf(every, "--every") } }
  if (at !== undefined) return { schedule: { kind: "at", at, ...zone } }
  return cron === undefined ? undefined : { cron, ...zone }
}

/** What the work is; undefined when no flag says so. */
function workOf(flags: ScheduleFlags, cli: Cli, local: boolean): Record<string, unknown> | undefined {
  const { command, cwd, deliver, main, message, model, thinking, workflow } = flags
  const given = [message, workflow, command].filter((one) => one !== undefined)
  if (given.length > 1)
    throw new PincerError(
      "INVALID_PARAMS",
      "Give one of --message, --workflow and --command: a schedule does one thing",
    )
  const folder = cwd === undefined ? {} : { cwd: resolve(cli.cwd, cwd) }
  if (workflow !== undefined) {
    const here = resolve(cli.cwd, workflow)
    const file = local && existsSync(here) ? here : workflow
    return { kind: "workflow", file, args: argumentsOf(flags.arg ?? []), ...folder }
  }
  if (command !== undefined) return { kind: "command", command, ...folder }
  if (message === undefined) return undefined
  if (deliver) return { kind: "message", text: message }
  if (main) return { kind: "systemEvent", text: message }
  const how = { ...(model === undefined ? {} : { model }), ...(thinking === undefined ? {} : { thinking }) }
  return { kind: "agentTurn", message, ...how, ...folder }
}

/** "name=value", the value as JSON where it is JSON. */
function argumentsOf(words: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=")
      if (at < 1) throw new PincerError("INVALID_PARAMS", `--arg: "${word}" is no name=value`)
      return [word.slice(0, at), jsonOrText(word.slice(at + 1))]
    }),
  )
}

function jsonOrText(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof SyntaxError) return text
    throw error
  }
}

function outletOf(text: string): Record<string, unknown> {
  return /^https?:\/\//.test(text) ? { mode: "webhook", to: text } : { mode: "announce", channel: "session", to: text }
}

function deliveryOf({ channel, deliver, resultTo, to }: ScheduleFlags): Record<string, unknown> | undefined {
  if (resultTo !== undefined) return outletOf(resultTo)
  if (!deliver) {
    if (channel !== undefined || to !== undefined)
      throw new PincerError("INVALID_PARAMS", "--channel and --to belong to --deliver: add it, or use --result-to")
    return undefined
  }
  const isUrl = to !== undefined && /^https?:\/\//.test(to)
  return isUrl
    ? { mode: "webhook", to }
    : { mode: "announce", ...(channel === undefined ? {} : { channel }), ...(to === undefined ? {} : { to }) }
}

/** What the flags say, and nothing that they do not say. `local`: the gateway is on this machine. */
export function saidBy(flags: ScheduleFlags, cli: Cli, local: boolean): Record<string, unknown> {
  const payload = workOf(flags, cli, local)
  const timeout = flags.timeout === undefined ? undefined : durationOf(flags.timeout, "--timeout") / 1000
  const delivery = deliveryOf(flags)
  const after = numberOf(flags.alertAfter, "--alert-after")
  const alert = flags.alertTo === undefined ? (after === undefined ? undefined : {}) : outletOf(flags.alertTo)
  const permissions = permissionsOf(flags, cli.env, (line) => cli.err.line(line))
  const said: Record<string, unknown> = {
    name: flags.name,
    declarationKey: flags.declare,
    description: flags.description,
    ...ruleOf(flags),
    payload: payload && timeout !== undefined ? { ...payload, timeoutSeconds: timeout } : payload,
    agentId: flags.agent,
    sessionTarget: flags.main ? "main" : undefined,
    sessionKey: flags.main ? undefined : flags.session,
    delivery,
    failureAlert: alert && { ...alert, ...(after === undefined ? {} : { after }) },
    permissions,
    catchUp: flags.catchUp,
    catchUpMax: numberOf(flags.catchUpMax, "--catch-up-max"),
    overlap: flags.overlap,
    jitterMs: flags.jitter === undefined ? undefined : durationOf(flags.jitter, "--jitter"),
    retries: numberOf(flags.retries, "--retries"),
    backoffMs: flags.backoff === undefined ? undefined : durationOf(flags.backoff, "--backoff"),
    maxRuns: numberOf(flags.maxRuns, "--max-runs"),
    until: flags.until,
    deleteAfterRun: flags.deleteAfterRun,
    enabled: flags.disabled ? false : undefined,
  }
  if (!payload && timeout !== undefined) said["payload"] = { timeoutSeconds: timeout }
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined))
}

/** Flags of `edit` by the field that holds what they said. */
const FIELDS: Readonly<Record<string, string>> = {
  description: "description",
  "catch-up": "catchUp",
  "catch-up-max": "catchUpMax",
  overlap: "overlap",
  jitter: "jitterMs",
  retries: "retries",
  backoff: "backoffMs",
  "max-runs": "maxRuns",
  until: "untilMs",
  "delete-after-run": "deleteAfterRun",
  "result-to": "delivery",
  "alert-to": "failureAlert",
  permissions: "permissions",
}
const WORK_FIELDS: Readonly<Record<string, string>> = {
  timeout: "timeoutSeconds",
  model: "model",
  thinking: "thinking",
  cwd: "cwd",
}

/** Takes away what the flags named in `text` once said. Throws INVALID_PARAMS for a name that is none. */
export function cleared(patch: Record<string, unknown>, text: string): void {
  for (const word of text.split(",").map((one) => one.trim().replace(/^--/, ""))) {
    const inWork = WORK_FIELDS[word]
    const field = FIELDS[word]
    if (inWork !== undefined) patch["payload"] = { ...(patch["payload"] as object | undefined), [inWork]: null }
    else if (field !== undefined) patch[field] = null
    else {
      const known = [...Object.keys(FIELDS), ...Object.keys(WORK_FIELDS)].join(", ")
      throw new PincerError("INVALID_PARAMS", `--clear: "${word}" is none of ${known}`)
    }
  }
}

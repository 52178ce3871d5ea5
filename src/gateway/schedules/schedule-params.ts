// The forms in which callers say what a schedule is: job objects of protocol 3 and 4, the flat words of the simple dialect, and those
// of the command line. One canonical form comes out of them (protocol §9.3), or a refusal that names what is wrong.
import { z } from "zod"
import { isObject } from "../../base/json.ts"
import { CATCH_UPS, OVERLAPS } from "../../protocol/schedule.ts"
import { permissions, renamed, THINKING } from "../methods/params.ts"

const text = () => z.string().trim().min(1)
const seconds = () => z.number().min(0.001).max(2_592_000).optional()
const ms = () => z.number().int().min(0)

const when = () =>
  z.union(
    [
      text().describe('"0 9 * * *" (5 or 6 fields), "@daily", "every 10m", or a time'),
      z.object({
        kind: z.enum(["at", "every", "cron"], { error: 'must be "at", "every" or "cron"' }),
        at: z.union([text(), z.number()]).optional().describe("ISO, a local time in tz, HH:MM, or ms"),
        atMs: z.number().optional(),
        everyMs: z.number().int().min(1_000, { error: "must be at least 1000" }).optional(),
        anchorMs: z.number().int().optional().describe("Counted from here; default: from when it was added"),
        expr: text().max(200).optional(),
        tz: text().optional().describe("IANA time zone; default: the gateway's"),
        staggerMs: ms().max(86_400_000).optional().describe("The same as jitterMs"),
      }),
    ],
    { error: ({ errors, input }) => whenProblem(input, errors as Problems | undefined) },
  )

type Problems = readonly (readonly { path: readonly PropertyKey[]; message: string }[])[]

/** What is wrong with the form that was meant: text or an object. */
function whenProblem(input: unknown, errors: Problems | undefined): string {
  if (input === undefined) return 'is required: say "0 9 * * *", "every 10m", a time, or {kind, …}'
  const [first] = errors?.[isObject(input) ? 1 : 0] ?? []
  return first ? `${first.path.join(".")} ${first.message}`.trim() : "is neither text nor an object"
}

const payload = () =>
  z.discriminatedUnion(
    "kind",
    [
      z.object({ kind: z.literal("systemEvent"), text: text().max(500_000), timeoutSeconds: seconds() }),
      z.object({
        kind: z.literal("agentTurn"),
        message: text().max(500_000),
        model: text().optional(),
        thinking: z.enum(THINKING).optional(),
        cwd: text().optional(),
        timeoutSeconds: seconds(),
        deliver: z.boolean().optional(),
        channel: text().optional(),
        to: text().optional(),
        bestEffortDeliver: z.boolean().optional(),
      }),
      z.object({
        kind: z.literal("workflow"),
        file: text().describe("Relative to cwd"),
        args: z.record(z.string(), z.unknown()).optional(),
        cwd: text().optional(),
        timeoutSeconds: seconds(),
      }),
      z.object({
        kind: z.literal("command"),
        command: text().max(100_000).describe("A line of the shell, judged and confined as an agent's"),
        cwd: text().optional(),
        timeoutSeconds: seconds(),
      }),
      z.object({ kind: z.literal("message"), text: text().max(100_000).describe("Told as it is, without a model") }),
    ],
    { error: "is required: give message, command or workflow, or a payload of one of the known kinds" },
  )

const outlet = () => ({
  mode: z.enum(["none", "announce", "webhook"]).optional(),
  channel: text().optional().describe('"session" (default)'),
  to: text().optional().describe("A session key (default: the agent's main session), or the URL of a webhook"),
})

export const addParams = () =>
  z.object({
    name: text().max(200).optional().describe("Default: the beginning of what it says"),
    description: z.string().max(10_000).optional(),
    declarationKey: text()
      .max(200)
      .optional()
      .describe("There is one schedule of each key: adding it again changes the one that is there"),
    agentId: text().optional(),
    sessionKey: text().optional().describe("The session of its turns; default: one of its own for each tick"),
    enabled: z.boolean().optional().describe("Default true"),
    deleteAfterRun: z.boolean().optional().describe("Removed once it is over and went well"),
    schedule: when().describe("Also cron, at, atMs, every, everyMs, everySeconds with scheduleType"),
    tz: text().optional().describe("Of a schedule that is given as text"),
    sessionTarget: text().optional().describe('"isolated" (default), "main", "current", "session:<key>"'),
    wakeMode: z.enum(["now", "next-heartbeat"]).optional().describe("Either way at once"),
    payload: payload().describe("Also message, text, command, workflow"),
    delivery: z
      .object({ ...outlet(), bestEffort: z.boolean().optional() })
      .optional()
      .describe("Where the result is told"),
    failureAlert: z
      .union([
        z.boolean(),
        z.object({
          ...outlet(),
          after: z.number().int().min(1).max(1_000).optional().describe("Failures in a row; default 1"),
          cooldownMs: ms().optional().describe("Default an hour"),
        }),
      ])
      .optional(),
    permissions: permissions(),
    catchUp: z.enum(CATCH_UPS).optional().describe("Ticks that passed while nothing ran; default cron.catchUp"),
    catchUpMax: z.number().int().min(1).max(10_000).optional(),
    overlap: z.enum(OVERLAPS).optional().describe("A tick while an earlier one is at work; default cron.overlap"),
    jitterMs: ms().max(86_400_000).optional().describe("Each tick is put off by less than this"),
    retries: z.number().int().min(0).max(100).optional(),
    backoffMs: ms().optional(),
    maxRuns: z.number().int().min(1).optional(),
    untilMs: z.number().int().optional().describe("Also until, as text: not due after it"),
    until: text().optional(),
  })
export type AddParams = z.infer<ReturnType<typeof addParams>>

/** Every spelling of a new schedule as the canonical one. `py`: `command` is what is said to the agent (PY-RPC-CRON). */
export function normalizeAdd(params: Record<string, unknown>, { py }: { py: boolean }): Record<string, unknown> {
  const out = renamed(params, { agentId: ["agent"], sessionKey: ["session"], name: ["title", "displayName"] })
  out["schedule"] = scheduleOf(out)
  const said = payloadOf(out, py)
  if (said !== undefined) out["payload"] = said
  deliveryOf(out)
  for (const key of Object.keys(out)) if (out[key] === undefined) delete out[key]
  return out
}

const TYPES: Readonly<Record<string, string>> = {
  cron: "cron",
  every: "every",
  interval: "every",
  once: "at",
  at: "at",
}

function scheduleOf(out: Record<string, unknown>): unknown {
  const { at, atMs, cron, every, everyMs, everySeconds, expr, schedule, scheduleType, tz } = out
  if (isObject(schedule)) return withKind(renamed(schedule, { expr: ["cron"], tz: ["timezone", "timeZone"] }))
  const kind = typeof scheduleType === "string" ? TYPES[scheduleType] : undefined
  // A word that means nothing is refused, and not taken for another one.
  if (scheduleType !== undefined && kind === undefined) return { kind: scheduleType }
  const zone = tz === undefined ? {} : { tz }
  if (kind === "every" && everySeconds === undefined && schedule !== undefined)
    return `every ${typeof schedule === "number" ? `${schedule}s` : String(schedule)}`
  if (kind === "at" && at === undefined && schedule !== undefined) return { kind, at: schedule, ...zone }
  if (everyMs !== undefined) return { kind: "every", everyMs }
  if (everySeconds !== undefined) return { kind: "every", everyMs: milliseconds(everySeconds) }
  if (every !== undefined)
    return typeof every === "number" ? { kind: "every", everyMs: every } : `every ${String(every)}`
  if (at !== undefined || atMs !== undefined)
    return { kind: "at", ...(atMs === undefined ? { at } : { atMs }), ...zone }
  if (cron !== undefined && typeof cron !== "string") return cron
  const words = cron ?? expr
  if (typeof words === "string") return isRule(words) ? words : { kind: "cron", expr: words, ...zone }
  return schedule
}

/** "@every 10m" and "@at …" are no cron expressions, wherever they stand. */
function isRule(words: string): boolean {
  return /^(?:@?every|@at)\s/i.test(words.trim())
}

function withKind(schedule: Record<string, unknown>): Record<string, unknown> {
  if (schedule["kind"] !== undefined) return schedule
  const kind = schedule["expr"] !== undefined ? "cron" : schedule["everyMs"] !== undefined ? "every" : "at"
  return { kind, ...schedule }
}

function milliseconds(value: unknown): unknown {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? Math.round(number * 1000) : value
}

function payloadOf(out: Record<string, unknown>, py: boolean): unknown {
  const {
    args,
    command,
    cwd,
    file,
    message,
    model,
    payload,
    sessionTarget,
    text: words,
    thinking,
    timeoutSeconds,
  } = out
  const place = { ...(cwd === undefined ? {} : { cwd }), ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }) }
  if (isObject(payload)) return { ...place, ...renamed(payload, {}) }
  const workflow = out["workflow"] ?? file
  if (workflow !== undefined)
    return { kind: "workflow", file: workflow, ...(args === undefined ? {} : { args }), ...place }
  if (command !== undefined && !py) return { kind: "command", command, ...place }
  const said = message ?? words ?? command
  if (said === undefined) return payload
  if (sessionTarget === "main") return { kind: "systemEvent", text: said }
  return {
    kind: "agentTurn",
    message: said,
    ...place,
    ...(model === undefined ? {} : { model }),
    ...(thinking === undefined ? {} : { thinking }),
  }
}

/** Protocol 3 and ClawGo say within the payload, or beside it, where a result goes. */
function deliveryOf(out: Record<string, unknown>): void {
  if (isObject(out["delivery"])) out["delivery"] = renamed(out["delivery"], {})
  if (isObject(out["failureAlert"])) out["failureAlert"] = renamed(out["failureAlert"], {})
  if (out["delivery"] !== undefined) return
  const { payload: said, isolation } = out
  const from = isObject(said) && said["deliver"] === true ? said : out["deliver"] === true ? out : undefined
  if (from) {
    const { channel, to } = from
    const isUrl = typeof to === "string" && /^https?:/.test(to)
    out["delivery"] = { mode: channel === "webhook" || isUrl ? "webhook" : "announce", channel, to }
  } else if (isObject(isolation) && renamed(isolation, {})["postToMainMode"] !== undefined)
    out["delivery"] = { mode: "announce" }
}

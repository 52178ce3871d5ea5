// cron.*: schedules and their ledger, for every dialect (protocol §7.8, §8.3, §9.3, §9.4).
import { isDeepStrictEqual } from "node:util"
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { ScheduleDesk } from "../../jobs/schedule-desk.ts"
import {
  isTickEnd,
  type ScheduleRecord,
  type ScheduleSpec,
  TICK_STATES,
  type TickRecord,
  type TickState,
} from "../../protocol/schedule.ts"
import type { Parts } from "../parts.ts"
import { addParams, normalizeAdd } from "../schedules/schedule-params.ts"
import { type Caller, type Method, method } from "./method.ts"
import { count, renamed } from "./params.ts"

const job = () =>
  z.looseObject({
    id: z.string(),
    jobId: z.string(),
    name: z.string(),
    agentId: z.string(),
    enabled: z.boolean(),
    cron: z.string().describe('The expression, "@every 300s" or "@at <time>"'),
    schedule: z.looseObject({ kind: z.enum(["at", "every", "cron"]) }),
    sessionTarget: z.string(),
    payload: z.looseObject({ kind: z.string() }),
    state: z.looseObject({ nextRunAtMs: z.number().optional(), lastStatus: z.string().optional() }),
    createdAtMs: z.number(),
    updatedAtMs: z.number(),
  })

const idParams = () => z.object({ id: z.string({ error: "id is required" }).min(1).max(200).describe("Also jobId") })
const named = (params: Record<string, unknown>) => renamed(params, { id: ["jobId"] })

function deskOf({ schedules }: Parts): Promise<ScheduleDesk> {
  if (schedules) return schedules.desk()
  throw new PincerError("UNAVAILABLE", "Schedules do not run in this gateway")
}

/** Schedules of the gateway itself follow the configuration. */
function refuseOwn(id: string): void {
  if (id.startsWith("heartbeat-"))
    throw new PincerError(
      "CONFLICT",
      `"${id}" follows the configuration: change agents.defaults.heartbeat, or "heartbeat" of the agent's entry`,
    )
}

function zoneOf({ config }: Parts): string {
  return config.cron.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
}

const views = () => import("../schedules/schedule-view.ts")
const calls = () => import("../schedules/schedule-calls.ts")

async function shown(schedule: ScheduleRecord, desk: ScheduleDesk) {
  return (await views()).shownSchedule(schedule, desk.runningSince(schedule.id))
}

const KINDS = ["all", "at", "every", "cron", "on-exit", "stream"] as const
const STATUSES = ["all", "ok", "error", "skipped", "unknown"] as const

const list = method({
  name: "cron.list",
  summary: "Schedules, the one that is due first at the head.",
  scope: "operator.read",
  normalize: (params, { dialect }) => ({
    ...(dialect === "py" ? { includeDisabled: true } : {}),
    ...renamed(params, { agentId: ["agent"] }),
  }),
  params: () =>
    z.object({
      includeDisabled: z.boolean().optional().describe("Default false; in the simple dialect true"),
      enabled: z.enum(["all", "enabled", "disabled"]).optional(),
      query: z.string().max(1_000).optional().describe("Part of the name, the description, the rule or the work"),
      agentId: z.string().optional(),
      scheduleKind: z.enum(KINDS).optional(),
      lastRunStatus: z.enum(STATUSES).optional(),
      sortBy: z.enum(["nextRunAtMs", "updatedAtMs", "name"]).optional(),
      sortDir: z.enum(["asc", "desc"]).optional(),
      limit: count(1_000),
      offset: z.number().int().min(0).optional(),
    }),
  result: () => z.looseObject({ jobs: z.array(job()), count: z.number(), total: z.number() }),
  async run(params, { parts }) {
    const desk = await deskOf(parts)
    const { shownSchedule } = await views()
    const all = (await desk.list()).map((one) => shownSchedule(one, desk.runningSince(one.id)) as ShownJob)
    const found = all.filter((one) => fits(one, params)).sort(ordering(params))
    const { limit = 200, offset = 0 } = params
    const jobs = found.slice(offset, offset + limit)
    const page = pageOf(found.length, offset, limit, jobs.length)
    return { jobs, count: jobs.length, ...page, snapshotRevision: snapshotOf(all) }
  },
  py: (result) => (result as { jobs: unknown[] }).jobs,
})

/** Another one whenever a schedule was added, changed or removed: who reads page after page sees that they belong together. */
function snapshotOf(all: readonly ShownJob[]): string {
  return `${all.length}-${Math.max(0, ...all.map((one) => one.updatedAtMs))}`
}

interface ShownJob extends Record<string, unknown> {
  name: string
  agentId: string
  enabled: boolean
  description?: string
  cron: string
  message: string
  updatedAtMs: number
  nextRunAtMs?: number
  lastRunStatus?: string
  schedule: { kind: string }
}

interface ListWish {
  includeDisabled?: boolean | undefined
  enabled?: "all" | "enabled" | "disabled" | undefined
  query?: string | undefined
  agentId?: string | undefined
  scheduleKind?: string | undefined
  lastRunStatus?: string | undefined
  sortBy?: "nextRunAtMs" | "updatedAtMs" | "name" | undefined
  sortDir?: "asc" | "desc" | undefined
}

function fits(
  one: ShownJob,
  { agentId, enabled, includeDisabled, lastRunStatus, query, scheduleKind }: ListWish,
): boolean {
  const wanted = enabled ?? (includeDisabled ? "all" : "enabled")
  if (wanted !== "all" && one.enabled !== (wanted === "enabled")) return false
  if (agentId !== undefined && one.agentId !== agentId) return false
  if (scheduleKind !== undefined && scheduleKind !== "all" && one.schedule.kind !== scheduleKind) return false
  if (lastRunStatus !== undefined && lastRunStatus !== "all" && (one.lastRunStatus ?? "unknown") !== lastRunStatus)
    return false
  const words = query?.trim().toLowerCase() ?? ""
  return [one.name, one.description ?? "", one.cron, one.message].some((text) => text.toLowerCase().includes(words))
}

function ordering({ sortBy = "nextRunAtMs", sortDir = "asc" }: ListWish): (a: ShownJob, b: ShownJob) => number {
  const sign = sortDir === "asc" ? 1 : -1
  return (a, b) => {
    if (sortBy === "name") return sign * a.name.localeCompare(b.name)
    if (sortBy === "updatedAtMs") return sign * (a.updatedAtMs - b.updatedAtMs)
    const [first, second] = [a.nextRunAtMs ?? Number.MAX_SAFE_INTEGER, b.nextRunAtMs ?? Number.MAX_SAFE_INTEGER]
    return sign * (first - second)
  }
}

function pageOf(total: number, offset: number, limit: number, size: number) {
  const hasMore = offset + size < total
  return { total, offset, limit, hasMore, nextOffset: hasMore ? offset + size : null }
}

const status = method({
  name: "cron.status",
  summary: "Whether schedules come due, how many there are, and when the next one is.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.looseObject({
      enabled: z.boolean(),
      storePath: z.string(),
      jobs: z.number(),
      nextWakeAtMs: z.number().nullable(),
    }),
  async run(_params, { parts }) {
    const { active, enabled, nextAt, running, schedules } = await (await deskOf(parts)).figures()
    return { enabled, storePath: `${parts.home}/pincer.db`, jobs: schedules, active, running, nextWakeAtMs: nextAt }
  },
})

const get = method({
  name: "cron.get",
  summary: "One schedule.",
  scope: "operator.read",
  normalize: named,
  params: idParams,
  result: job,
  async run({ id }, { parts }) {
    const desk = await deskOf(parts)
    return shown(await desk.get(id), desk)
  },
})

const add = method({
  name: "cron.add",
  summary: "Adds a schedule; what is due is written into its ledger before anything is done.",
  scope: "operator.admin",
  normalize: (params, { dialect }) => normalizeAdd(params, { py: dialect === "py" }),
  params: addParams,
  result: () => z.object({ ...job().shape, ok: z.literal(true) }).loose(),
  async run(params, { caller, parts }) {
    const desk = await deskOf(parts)
    const spec = await (await calls()).specOf(params, caller, zoneOf(parts), parts)
    const add = () => desk.add(spec, params.enabled ?? true)
    const { declarationKey } = spec
    const schedule =
      declarationKey === undefined ? await add() : await declare(desk, declarationKey, spec, params.enabled, add)
    return { ...(await shown(schedule, desk)), ok: true as const }
  },
})

const declaring = new WeakMap<ScheduleDesk, Promise<unknown>>()

/** One after another: of two that declare the same at once, one is added and one changes it. What is the same already is left alone. */
function declare(
  desk: ScheduleDesk,
  key: string,
  spec: ScheduleSpec,
  enabled: boolean | undefined,
  add: () => Promise<ScheduleRecord>,
): Promise<ScheduleRecord> {
  const before = declaring.get(desk) ?? Promise.resolve()
  const done = before.then(async () => {
    const known = await desk.declared(key)
    if (!known) return add()
    const next = { ...spec, clientId: known.spec.clientId }
    const same = isDeepStrictEqual(next, known.spec) && (enabled ?? known.enabled) === known.enabled
    return same ? known : desk.update(known.id, { spec: () => next, ...(enabled === undefined ? {} : { enabled }) })
  })
  declaring.set(
    desk,
    done.catch(() => undefined),
  )
  return done
}

const update = method({
  name: "cron.update",
  summary: "Changes a schedule: what the patch says lies over what was, null takes away.",
  scope: "operator.admin",
  normalize: (params) => {
    const { patch, ...out } = named(params)
    const { id, jobId: _, expectedConfigRevision, ...rest } = out
    // Nulls in a patch mean something.
    const given = isObject(params["patch"]) ? params["patch"] : isObject(patch) ? patch : rest
    return { id, patch: given, ...(expectedConfigRevision === undefined ? {} : { expectedConfigRevision }) }
  },
  params: () =>
    z.object({
      ...idParams().shape,
      patch: z.record(z.string(), z.unknown()).describe("As the params of cron.add, each of them optional"),
      expectedConfigRevision: z
        .union([z.string(), z.number()])
        .optional()
        .describe("Refuse when it is another one by now"),
    }),
  result: job,
  async run({ expectedConfigRevision, id, patch }, { caller, parts }) {
    refuseOwn(id)
    const desk = await deskOf(parts)
    const known = await desk.get(id)
    const revision = expectedConfigRevision === undefined ? known.revision : revisionOf(expectedConfigRevision)
    const { enabled, spec } = await (await calls()).changedSpec(known, patch, caller, zoneOf(parts), parts)
    return shown(await desk.update(id, { spec: () => spec, enabled, revision }), desk)
  },
})

function revisionOf(given: string | number): number {
  const revision = Number(given)
  return Number.isSafeInteger(revision) ? revision : -1
}

/** cron.toggle, cron.enable, cron.disable. */
function switching(name: string, fixed: boolean | undefined, summary: string): Method {
  return method({
    name,
    summary,
    scope: "operator.admin",
    normalize: named,
    params: () => idParams().extend({ enabled: z.boolean().optional().describe("Of cron.toggle; default true") }),
    result: () => z.looseObject({ ok: z.literal(true), enabled: z.boolean(), job: job() }),
    async run({ enabled = true, id }, { parts }) {
      refuseOwn(id)
      const desk = await deskOf(parts)
      const schedule = await desk.update(id, { enabled: fixed ?? enabled })
      return { ok: true as const, enabled: schedule.enabled, job: await shown(schedule, desk) }
    },
    py: (result) => {
      const { enabled, ok } = result as { ok: true; enabled: boolean }
      return { ok, enabled }
    },
  })
}

const remove = method({
  name: "cron.remove",
  summary: "Removes a schedule; its ledger stays until it is old, and what runs goes on.",
  scope: "operator.admin",
  normalize: named,
  params: idParams,
  result: () => z.object({ ok: z.boolean(), removed: z.boolean() }),
  async run({ id }, { parts }) {
    refuseOwn(id)
    return { ok: true, removed: await (await deskOf(parts)).remove(id) }
  },
  py: (result) => ({ ok: (result as { removed: boolean }).removed }),
})

const run = method({
  name: "cron.run",
  summary: "Starts a schedule now, beside its rule; protocol 3 and `wait` answer once it has ended.",
  scope: "operator.admin",
  normalize: named,
  params: () =>
    z.object({
      ...idParams().shape,
      mode: z.enum(["due", "force", "if-enabled"]).optional().describe("Default force"),
      wait: z.boolean().optional(),
      expectedProcessInstanceId: z.string().optional().describe("Refuse when the gateway was started anew since"),
    }),
  result: () =>
    z.looseObject({
      ok: z.boolean(),
      ran: z.boolean(),
      enqueued: z.boolean(),
      runId: z.string().optional(),
      reason: z.string().optional(),
    }),
  async run({ expectedProcessInstanceId, id, mode = "force", wait }, { caller, parts }) {
    if (expectedProcessInstanceId !== undefined && expectedProcessInstanceId !== parts.bootId)
      throw new PincerError("CONFLICT", "The gateway was started anew since: look at the schedules again")
    if (parts.live.mode === "safe")
      throw new PincerError(
        "UNAVAILABLE",
        "The gateway runs in safe mode, where schedules begin nothing: see pincer status",
        { retryable: false, details: { code: "SAFE_MODE" } },
      )
    const desk = await deskOf(parts)
    const started = await desk.runNow(id, mode)
    if (!started.ran) return { ok: true, ran: false, enqueued: false, reason: started.reason }
    const result = { ok: true, ran: true, enqueued: true, runId: started.tick.id }
    const ended = (wait ?? caller.protocol === 3) ? await unlessGone(started.ended, caller.signal) : undefined
    if (!ended) return result
    return { ...result, ok: ended.state === "ran", ...(await views()).shownEntry(ended, null) }
  },
})

/** A caller that goes away leaves what it started at work. */
async function unlessGone(ended: Promise<TickRecord>, signal: AbortSignal): Promise<TickRecord | undefined> {
  const gone = Promise.withResolvers<undefined>()
  const leave = () => gone.resolve(undefined)
  if (signal.aborted) leave()
  signal.addEventListener("abort", leave, { once: true })
  try {
    return await Promise.race([ended, gone.promise])
  } finally {
    signal.removeEventListener("abort", leave)
  }
}

const ENDED = TICK_STATES.filter(isTickEnd)
const BY_STATUS: Readonly<Record<string, readonly TickState[]>> = {
  all: ENDED,
  ok: ["ran"],
  error: ["failed"],
  skipped: ["skipped", "missed"],
}

const runs = method({
  name: "cron.runs",
  aliases: ["cron.history"],
  summary: "The ledger, newest first: one line for each tick, whatever became of it; of all schedules without an id.",
  scope: "operator.read",
  normalize: (params, { dialect }: Caller) => ({ ...(dialect === "py" ? { open: true } : {}), ...named(params) }),
  params: () =>
    z.object({
      id: z.string().optional().describe("Also jobId"),
      scope: z.enum(["job", "all"]).optional(),
      agentId: z.string().optional(),
      runId: z.string().optional().describe("A single tick"),
      status: z.enum(["all", "ok", "error", "skipped"]).optional(),
      statuses: z.array(z.enum(["ok", "error", "skipped"])).optional(),
      open: z.boolean().optional().describe("Also ticks that have not ended; in the simple dialect always"),
      query: z.string().max(1_000).optional(),
      sortDir: z.enum(["asc", "desc"]).optional(),
      limit: count(1_000),
      offset: z.number().int().min(0).optional(),
    }),
  result: () =>
    z.looseObject({
      entries: z.array(
        z.looseObject({ ts: z.number(), jobId: z.string(), action: z.string(), status: z.string(), runId: z.string() }),
      ),
      records: z.array(z.looseObject({ id: z.string(), jobId: z.string(), jobTitle: z.string(), status: z.string() })),
      count: z.number(),
      total: z.number(),
    }),
  async run(
    { agentId, id, limit = 50, offset = 0, open, query, runId, sortDir, status: one = "all", statuses },
    { parts },
  ) {
    const desk = await deskOf(parts)
    const wanted = statuses ? statuses.flatMap((word) => BY_STATUS[word]!) : BY_STATUS[one]!
    const { ticks, total } = await desk.ticks({
      ...(id === undefined ? {} : { scheduleId: id }),
      ...(agentId === undefined ? {} : { agentId }),
      ...(runId === undefined ? {} : { tickId: runId }),
      ...(query === undefined ? {} : { search: query }),
      states: open && !statuses && one === "all" ? TICK_STATES : wanted,
      limit,
      offset,
      oldestFirst: sortDir === "asc",
    })
    const { shownEntry, shownRecord } = await views()
    const next = new Map((await desk.list()).map((schedule) => [schedule.id, schedule.nextAt]))
    const entries = ticks.map((tick) => shownEntry(tick, next.get(tick.scheduleId) ?? null))
    const page = pageOf(total, offset, limit, ticks.length)
    return { entries, records: ticks.map(shownRecord), count: ticks.length, ...page }
  },
  py: (result) => {
    const { count: size, records } = result as { records: unknown[]; count: number }
    return { records, count: size }
  },
})

const preview = method({
  name: "cron.preview",
  summary: "When a rule would be due next, without adding it.",
  scope: "operator.read",
  normalize: (params) => normalizeAdd(params, { py: false }),
  params: () =>
    addParams()
      .pick({ schedule: true, tz: true })
      .extend({ count: count(100) }),
  result: () => z.object({ times: z.array(z.number()), cron: z.string(), timeZone: z.string() }),
  async run({ count: wanted = 5, ...rule }, { parts }) {
    const desk = await deskOf(parts)
    const zone = zoneOf(parts)
    const when = (await calls()).previewed(rule, parts.clock.now(), zone)
    const { ruleText } = await views()
    const timeZone = when.kind === "cron" ? (when.tz ?? zone) : (rule.tz ?? zone)
    return { times: await desk.preview({ when }, wanted), cron: ruleText(when), timeZone }
  },
})

export const cronMethods: readonly Method[] = [
  list,
  status,
  get,
  add,
  update,
  switching("cron.toggle", undefined, "Switches a schedule on or off."),
  switching("cron.enable", true, "Switches a schedule on; what passed meanwhile is not made up for."),
  switching("cron.disable", false, "Switches a schedule off; what waits is not begun, what runs goes on."),
  remove,
  run,
  runs,
  preview,
]

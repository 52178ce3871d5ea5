// `pincer cron …`: schedules of the gateway, added, shown and changed. A schedule may be named by its id, the beginning or end of it,
// or its name.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { type Reach, reachGateway } from "./connect.ts"
import { cleared, ruleOf, type ScheduleFlags, saidBy } from "./cron-words.ts"
import { inert, inertLine } from "./inert.ts"
import { countOf } from "./sessions.ts"
import { duration } from "./status.ts"
import { readStdin } from "./stdin.ts"

/** A schedule as the gateway tells it. */
interface Job {
  id: string
  name: string
  description?: string
  agentId: string
  enabled: boolean
  cron: string
  message: string
  sessionTarget: string
  schedule: { kind: string; tz?: string }
  payload: { kind: string; timeoutSeconds?: number; model?: string; cwd?: string }
  delivery: { mode: string; to?: string }
  failureAlert?: { to?: string; after?: number }
  deleteAfterRun: boolean
  nextRunAtMs?: number
  state: {
    lastStatus?: string
    lastRunAtMs?: number
    lastError?: string
    lastDurationMs?: number
    over?: string
    runningAtMs?: number
  } & Record<"totalRuns" | "totalFailures" | "totalSkipped" | "totalMissed", number>
  [policy: string]: unknown
}

interface Entry {
  jobId: string
  jobName: string
  state: string
  trigger: string
  scheduledForMs: number
  durationMs?: number
  error?: string
  summary?: string
  reasonText?: string
  runId: string
  status: string
}

async function withCron<T>(cli: Cli, use: (link: Reach) => Promise<T>): Promise<T> {
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    return await use(link)
  } finally {
    await link.close()
  }
}

async function ask<T>({ client }: Pick<Reach, "client">, method: string, params: Record<string, unknown>): Promise<T> {
  const answer: unknown = await client.request(method, params, params["wait"] === true ? { timeoutMs: 0 } : {})
  if (isObject(answer)) return answer as T
  throw new PincerError("INTERNAL_ERROR", `The gateway's answer to ${method} is not understood`)
}

async function allJobs(link: Reach): Promise<Job[]> {
  return (await ask<{ jobs: Job[] }>(link, "cron.list", { enabled: "all", limit: 1000 })).jobs
}

/** Throws NOT_FOUND, and INVALID_PARAMS for words that fit several. */
async function idOf(link: Reach, word: string): Promise<string> {
  const jobs = await allJobs(link)
  const exact = jobs.find(({ id }) => id === word)
  if (exact) return exact.id
  const called = jobs.filter(({ name }) => name === word)
  const found =
    called.length > 0 ? called : jobs.filter(({ id }) => word.length >= 4 && (id.startsWith(word) || id.endsWith(word)))
  if (found.length === 1) return found[0]!.id
  if (found.length > 1)
    throw new PincerError(
      "INVALID_PARAMS",
      `"${word}" fits ${found.length} schedules: name one by its id (${found.map(({ id }) => id).join(", ")})`,
    )
  throw new PincerError("NOT_FOUND", `Unknown schedule "${word}": run "pincer cron list --all"`)
}

export async function addSchedule(cli: Cli, flags: ScheduleFlags): Promise<void> {
  if (!ruleOf(flags)) throw new PincerError("INVALID_PARAMS", "Nothing says when: give --at, --every or --cron")
  if (flags.message === undefined && flags.workflow === undefined && flags.command === undefined)
    throw new PincerError("INVALID_PARAMS", "Nothing says what: give --message, --workflow or --command")
  const job = await withCron(cli, (link) => ask<Job>(link, "cron.add", saidBy(flags, cli, link.target.local)))
  if (flags.json) return cli.out.json(job)
  cli.out.line(job.id)
  cli.err.line(cli.err.paint(`${inertLine(job.name)}: ${whenText(job)}`, "dim"))
}

export async function editSchedule(cli: Cli, word: string, flags: ScheduleFlags & { clear?: string }): Promise<void> {
  const job = await withCron(cli, async (link) => {
    const patch = saidBy(flags, cli, link.target.local)
    if (flags.clear !== undefined) cleared(patch, flags.clear)
    if (Object.keys(patch).length === 0)
      throw new PincerError("INVALID_PARAMS", 'Nothing is to be changed: give a flag, as in "pincer cron edit --help"')
    return ask<Job>(link, "cron.update", { id: await idOf(link, word), patch })
  })
  if (flags.json) return cli.out.json(job)
  cli.out.line(`Changed ${job.id}: ${whenText(job)}`)
}

export interface ScratchFlags {
  set?: string
  clear?: boolean
  expect?: string
  json?: boolean
}

interface Scratch {
  ok?: boolean
  scratch?: { content: string } | null
  currentRevision: number
}

/** Throws CONFLICT when somebody else wrote in the meantime. */
export async function scratchOf(cli: Cli, word: string, flags: ScratchFlags): Promise<void> {
  const { clear, expect } = flags
  const content = clear ? null : flags.set === "-" ? ((await readStdin(false)) ?? "") : flags.set
  const expected = expect === undefined ? undefined : Number(expect)
  if (expected !== undefined && !Number.isSafeInteger(expected))
    throw new PincerError("INVALID_PARAMS", `--expect: "${expect}" is no revision: see pincer cron scratch --json`)
  const found = await withCron(cli, async (link) => {
    const id = await idOf(link, word)
    if (content === undefined) return ask<Scratch>(link, "cron.scratch.get", { id })
    const wish = { id, content, ...(expected === undefined ? {} : { expectedRevision: expected }) }
    return ask<Scratch>(link, "cron.scratch.set", wish)
  })
  if (found.ok === false)
    throw new PincerError("CONFLICT", `The notes were changed since: they are at revision ${found.currentRevision}`)
  if (flags.json) return cli.out.json(found)
  if (content !== undefined) cli.out.line(`Revision ${found.currentRevision}.`)
  else if (found.scratch) cli.out.line(inert(found.scratch.content))
  else cli.err.line("No notes.")
}

export interface ScheduleListFlags {
  all?: boolean
  agent?: string
  search?: string
  json?: boolean
}

export async function listSchedules(cli: Cli, flags: ScheduleListFlags): Promise<void> {
  const list = await withCron(cli, (link) =>
    ask<{ jobs: Job[] }>(link, "cron.list", {
      enabled: "all",
      limit: 1000,
      ...(flags.agent === undefined ? {} : { agentId: flags.agent }),
      ...(flags.search === undefined ? {} : { query: flags.search }),
    }),
  )
  const jobs = flags.all ? list.jobs : list.jobs.filter(({ enabled }) => enabled)
  if (flags.json) return cli.out.json({ jobs, count: jobs.length })
  const rows = jobs.map((job) => [job.id, stateText(job), ruleText(job), nextText(job), lastText(job), job.name])
  if (rows.length > 0) cli.out.table(["ID", "STATE", "RULE", "NEXT", "LAST", "NAME"], rows)
  const hidden = list.jobs.length - jobs.length
  if (hidden > 0) cli.err.line(cli.err.paint(`${hidden} more that are off: --all shows them`, "dim"))
  else if (rows.length === 0) cli.err.line('No schedules: add one with "pincer cron add"')
}

function stateText({ enabled, state }: Job): string {
  if (state.runningAtMs !== undefined) return "running"
  if (enabled) return "on"
  return state.over === undefined ? "off" : "over"
}

function ruleText({ cron, schedule }: Job): string {
  return schedule.tz === undefined ? cron : `${cron} (${schedule.tz})`
}

function nextText({ nextRunAtMs }: Job): string {
  if (nextRunAtMs === undefined) return "-"
  const wait = nextRunAtMs - Date.now()
  return wait <= 0 ? "now" : `in ${duration(wait)}`
}

function lastText({ state }: Job): string {
  if (state.lastRunAtMs === undefined) return "-"
  return `${state.lastStatus ?? "begun"} ${duration(Math.max(0, Date.now() - state.lastRunAtMs))} ago`
}

function whenText(job: Job): string {
  if (job.nextRunAtMs === undefined) return job.enabled ? "not due any more" : "switched off"
  return `next ${localTime(job.nextRunAtMs)} (${nextText(job)})`
}

function localTime(ms: number): string {
  const at = new Date(ms)
  const two = (value: number) => String(value).padStart(2, "0")
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

const KINDS: Readonly<Record<string, string>> = {
  agentTurn: "Message",
  systemEvent: "System event",
  workflow: "Workflow",
  command: "Command",
  message: "Text",
}

export async function showSchedule(cli: Cli, word: string, flags: { json?: boolean }): Promise<void> {
  const job = await withCron(cli, async (link) => ask<Job>(link, "cron.get", { id: await idOf(link, word) }))
  if (flags.json) return cli.out.json(job)
  const { payload, state } = job
  const policies = ["catchUp", "catchUpMax", "overlap", "jitterMs", "retries", "backoffMs", "maxRuns", "untilMs"]
  const facts: [string, string | undefined][] = [
    ["Schedule", job.id],
    ["Name", job.name],
    ["Description", job.description],
    ["State", stateText(job)],
    ["Rule", ruleText(job)],
    ["Next", job.nextRunAtMs === undefined ? undefined : whenText(job)],
    [KINDS[payload.kind] ?? payload.kind, job.message],
    ["Agent", job.agentId],
    ["Session", payload.kind === "agentTurn" ? job.sessionTarget : undefined],
    ["Folder", payload.cwd],
    ["Timeout", payload.timeoutSeconds === undefined ? undefined : `${payload.timeoutSeconds} s`],
    [
      "Policies",
      policies
        .filter((name) => job[name] !== undefined)
        .map((name) => `${name} ${String(job[name])}`)
        .join(", ") || undefined,
    ],
    ["Result to", job.delivery.mode === "none" ? undefined : job.delivery.to],
    ["Alert to", job.failureAlert?.to],
    [
      "Ran",
      `${state.totalRuns}, ${state.totalFailures} failed, ${state.totalSkipped} skipped, ${state.totalMissed} missed`,
    ],
    ["Last", lastText(job) + (state.lastError === undefined ? "" : `: ${state.lastError}`)],
  ]
  cli.out.facts(facts.filter((fact): fact is [string, string] => fact[1] !== undefined))
}

const DONE = { enable: "Enabled", disable: "Disabled", remove: "Removed" } as const

/** Each of the schedules in turn; the first refusal is thrown after the others were done. */
export async function changeSchedules(
  cli: Cli,
  verb: keyof typeof DONE,
  words: readonly string[],
  flags: { json?: boolean },
): Promise<void> {
  const outcomes: unknown[] = []
  let refusal: unknown
  await withCron(cli, async (link) => {
    for (const word of words) {
      try {
        const id = await idOf(link, word)
        outcomes.push({ id, ...(await ask<object>(link, `cron.${verb}`, { id })) })
        if (!flags.json) cli.out.line(`${DONE[verb]} ${id}.`)
      } catch (error) {
        if (!(error instanceof PincerError) || error.code === "UNAVAILABLE") throw error
        if (refusal !== undefined) cli.err.line(inertLine(error.message))
        refusal ??= error
      }
    }
  })
  if (refusal !== undefined) throw refusal
  if (flags.json) cli.out.json(outcomes.length === 1 ? outcomes[0] : outcomes)
}

/** Exit code 1 when it was waited for and did not go well. */
export async function runSchedule(
  cli: Cli,
  word: string,
  flags: { due?: boolean; wait?: boolean; json?: boolean },
): Promise<void> {
  const params = { mode: flags.due ? "due" : "force", wait: flags.wait === true }
  const ran = await withCron(cli, async (link) =>
    ask<Entry & { ran: boolean; ok: boolean; reason?: string }>(link, "cron.run", {
      id: await idOf(link, word),
      ...params,
    }),
  )
  if (flags.json) cli.out.json(ran)
  if (!ran.ran) {
    const why = {
      "not-due": "it is not due",
      "already-running": "it is at work already",
      disabled: "it is switched off",
    }
    throw new PincerError("CONFLICT", `Nothing was started: ${why[ran.reason as keyof typeof why] ?? ran.reason}`)
  }
  if (!flags.json) cli.out.line(flags.wait ? inert(ran.summary ?? ran.state) : ran.runId)
  if (flags.wait && !ran.ok)
    throw new PincerError(
      "CONFLICT",
      `It ${ran.state === "failed" ? "failed" : `was ${ran.state}`}: ${ran.error ?? ran.reasonText ?? "see pincer cron history"}`,
    )
}

export interface LedgerFlags {
  limit: string
  status?: string
  json?: boolean
}

export async function showHistory(cli: Cli, word: string | undefined, flags: LedgerFlags): Promise<void> {
  const found = await withCron(cli, async (link) => {
    const id = word === undefined ? {} : { id: await idOrGone(link, word) }
    const status = flags.status === undefined ? { open: true } : { status: flags.status }
    return ask<{ entries: Entry[]; total: number }>(link, "cron.runs", {
      ...id,
      ...status,
      limit: countOf(flags.limit, "--limit"),
    })
  })
  const { entries, total } = found
  if (flags.json) return cli.out.json({ entries, count: entries.length, total })
  if (entries.length === 0) return cli.err.line("Nothing was due yet.")
  const rows = entries.map((entry) => [
    localTime(entry.scheduledForMs),
    entry.trigger === "manual" ? `${entry.state} (by hand)` : entry.state,
    entry.durationMs === undefined ? "-" : duration(entry.durationMs),
    entry.jobName,
    entry.error ?? entry.reasonText ?? entry.summary ?? "",
  ])
  cli.out.table(["DUE", "STATE", "TOOK", "NAME", "WHAT CAME OF IT"], rows)
  if (total > entries.length) cli.err.line(cli.err.paint(`${entries.length} of ${total}: see more with --limit`, "dim"))
}

/** The ledger outlives its schedule: an id is taken as it is when no schedule has it. */
async function idOrGone(link: Reach, word: string): Promise<string> {
  if (/^[0-9a-f-]{36}$/.test(word)) return word
  return idOf(link, word)
}

export async function previewRule(
  cli: Cli,
  words: readonly string[],
  flags: { tz?: string; count: string; json?: boolean },
): Promise<void> {
  const schedule = words.join(" ")
  const zone = flags.tz === undefined ? {} : { tz: flags.tz }
  const params = { schedule, ...zone, count: countOf(flags.count, "--count") }
  const told = await withCron(cli, (link) => ask<{ times: number[]; timeZone: string }>(link, "cron.preview", params))
  if (flags.json) return cli.out.json(told)
  if (told.times.length === 0) throw new PincerError("NOT_FOUND", `"${schedule}" is never due`)
  for (const at of told.times) cli.out.line(shownIn(at, told.timeZone))
}

function shownIn(at: number, timeZone: string): string {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" })
  return `${format.format(at)} ${timeZone}  ${new Date(at).toISOString()}`
}

export async function showCronStatus(cli: Cli, flags: { json?: boolean }): Promise<void> {
  interface Status extends Record<string, unknown> {
    enabled: boolean
    jobs: number
    active: number
    running: number
    nextWakeAtMs: number | null
  }
  const status = await withCron(cli, (link) => ask<Status>(link, "cron.status", {}))
  if (flags.json) return cli.out.json(status)
  const { active, enabled, jobs, nextWakeAtMs, running } = status
  const next = nextWakeAtMs === null ? "nothing is due" : localTime(nextWakeAtMs)
  cli.out.facts([
    ["Schedules", `${jobs}, ${active} of them on, ${running} at work`],
    ["Next", enabled ? next : "switched off: set cron.enabled"],
  ])
}

// `pincer cron import`: the schedules that another program keeps in its jobs.json, each added here under a new id. What cannot be taken over
// is said, and the rest is added all the same; nothing is written into the other program's folder.
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject, parseJson } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { reachGateway } from "./connect.ts"
import { inertLine } from "./inert.ts"

/** Of a job elsewhere; the rest of it is about its own past. */
const TAKEN = [
  "name",
  "description",
  "agentId",
  "enabled",
  "deleteAfterRun",
  "schedule",
  "sessionTarget",
  "wakeMode",
] as const
/** Where results can be told here. */
const CHANNELS: readonly unknown[] = [undefined, "session", "webhook"]

interface Imported {
  added: { id: string; name: string; from: string }[]
  left: { name: string; why: string }[]
  notes: { name: string; note: string }[]
}

export async function importSchedules(
  cli: Cli,
  file: string,
  flags: { json?: boolean; disabled?: boolean },
): Promise<void> {
  const jobs = jobsIn(resolve(cli.cwd, file))
  const outcome: Imported = { added: [], left: [], notes: [] }
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    for (const job of jobs) await importOne(job)
  } finally {
    await link.close()
  }
  if (flags.json) cli.out.json(outcome)
  else {
    for (const { id, name } of outcome.added) cli.out.line(`Added ${id} ${inertLine(name)}`)
    for (const { name, note } of outcome.notes) cli.err.line(`${inertLine(name)}: ${inertLine(note)}`)
    for (const { name, why } of outcome.left) cli.err.line(`Left out ${inertLine(name)}: ${inertLine(why)}`)
  }

  async function importOne(job: Record<string, unknown>): Promise<void> {
    const name = String(job["name"] ?? job["id"] ?? "without a name")
    const { note, params } = translated(job)
    try {
      const given = flags.disabled ? { ...params, enabled: false } : params
      const { id } = await link.client.request<{ id: string }>("cron.add", given)
      outcome.added.push({ id, name, from: String(job["id"] ?? "") })
      if (note !== undefined) outcome.notes.push({ name, note })
    } catch (error) {
      if (!(error instanceof PincerError) || error.code === "UNAVAILABLE") throw error
      outcome.left.push({ name, why: error.message })
    }
  }
}

function jobsIn(path: string): Record<string, unknown>[] {
  let text: string
  try {
    text = readFileSync(path, "utf8")
  } catch (error) {
    throw new PincerError("NOT_FOUND", `${path} cannot be read: name the jobs.json of the other program`, {
      cause: error,
    })
  }
  const parsed = parsedAs(text, path)
  const jobs = isObject(parsed) ? parsed["jobs"] : parsed
  if (Array.isArray(jobs) && jobs.every(isObject)) return jobs
  throw new PincerError("INVALID_PARAMS", `${path} holds no schedules: it is to be a list of jobs, or {"jobs": […]}`)
}

function parsedAs(text: string, path: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new PincerError("INVALID_PARAMS", `${path} is not JSON: ${error.message}`, { cause: error })
  }
}

/** As cron.add takes it. ClawGo says "agent_turn", and keeps the channel in the payload. */
function translated(job: Record<string, unknown>): { params: Record<string, unknown>; note?: string } {
  const params: Record<string, unknown> = {}
  for (const key of TAKEN) if (job[key] !== undefined && job[key] !== null) params[key] = job[key]
  const said = isObject(job["payload"]) ? job["payload"] : {}
  const { channel, deliver, kind, to, ...rest } = said
  const payload = { ...rest, kind: kind === "agent_turn" ? "agentTurn" : kind }
  const delivery = isObject(job["delivery"])
    ? job["delivery"]
    : deliver === true
      ? { mode: "announce", channel, to }
      : undefined
  const isHere = delivery === undefined || CHANNELS.includes(delivery["channel"])
  params["payload"] = payload
  if (delivery !== undefined && isHere) params["delivery"] = delivery
  if (isHere) return { params }
  return {
    params,
    note: `its result went to ${String(delivery["channel"])}, which is not here: say where with "pincer cron edit --result-to"`,
  }
}

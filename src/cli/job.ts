// `pincer job list|get|logs|cancel|retry|delete`: jobs of the gateway, shown and changed.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { JobLogLine, WireJob } from "../protocol/job.ts"
import type { Cli } from "./cli.ts"
import { type Reach, reachGateway } from "./connect.ts"
import { inert, inertJson, inertLine } from "./inert.ts"
import type { Style } from "./screen.ts"
import { countOf } from "./sessions.ts"
import { duration } from "./status.ts"

export interface ListFlags {
  limit: string
  status?: string
  agent?: string
  session?: string
  json?: boolean
}

export async function withJobs<T>(cli: Cli, use: (link: Reach) => Promise<T>): Promise<T> {
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    return await use(link)
  } finally {
    await link.close()
  }
}

/** What the gateway says about one job. */
export async function askJob(
  link: Pick<Reach, "client">,
  method: string,
  params: Record<string, unknown>,
): Promise<WireJob> {
  const answer: unknown = await link.client.request(method, params)
  if (isObject(answer) && typeof answer["id"] === "string" && typeof answer["status"] === "string")
    return answer as unknown as WireJob
  throw new PincerError("INTERNAL_ERROR", `The gateway's answer to ${method} is not understood`)
}

export async function listJobs(cli: Cli, flags: ListFlags): Promise<void> {
  const params = {
    limit: countOf(flags.limit, "--limit"),
    ...(flags.status === undefined ? {} : { status: flags.status }),
    ...(flags.agent === undefined ? {} : { agent: flags.agent }),
    ...(flags.session === undefined ? {} : { session: flags.session }),
  }
  const list: unknown = await withJobs(cli, (link) => link.client.request("job.list", params))
  if (!isObject(list) || !Array.isArray(list["jobs"]))
    throw new PincerError("INTERNAL_ERROR", "The gateway's answer to job.list is not understood")
  const jobs = list["jobs"] as WireJob[]
  if (flags.json) {
    cli.out.json(list)
    return
  }
  if (jobs.length === 0) {
    cli.err.line("No jobs.")
    return
  }
  const now = Date.now()
  const rows = jobs.map((job) => [
    job.id,
    job.status,
    job.agent_name,
    `${duration(Math.max(0, now - Date.parse(job.created_at)))} ago`,
    job.prompt,
  ])
  cli.out.table(["ID", "STATUS", "AGENT", "SUBMITTED", "PROMPT"], rows)
  const total = Number(list["total"])
  if (total > jobs.length) cli.err.line(cli.err.paint(`${jobs.length} of ${total}: see more with --limit`, "dim"))
}

export async function showJob(cli: Cli, id: string, flags: { json?: boolean; result?: boolean }): Promise<void> {
  const job = await withJobs(cli, async (link) => {
    const found = await askJob(link, "job.get", { job_id: id })
    return found.result_truncated ? { ...found, result: await wholeResult(link, found) } : found
  })
  if (flags.json) {
    const { result_truncated: _, ...rest } = job
    cli.out.json(rest)
    return
  }
  if (flags.result) {
    if (job.result === undefined)
      throw new PincerError(
        "NOT_FOUND",
        `Job ${job.id} is ${job.status} and has no result: see "pincer job logs ${job.id}"`,
      )
    cli.out.line(cli.out.isTerminal ? inert(job.result) : job.result)
    return
  }
  cli.out.facts(factsOf(job))
  if (job.result !== undefined) cli.out.line(`\n${inert(job.result)}`)
}

async function wholeResult(link: Reach, job: WireJob): Promise<string> {
  let text = ""
  for (let offset: number | null = 0; offset !== null; ) {
    const page: { text: string; next: number | null } = await link.client.request("job.result", {
      job_id: job.id,
      offset,
    })
    text += page.text
    offset = page.next
  }
  return text
}

function factsOf(job: WireJob): [string, string][] {
  const facts: [string, string | undefined][] = [
    ["Job", job.id],
    ["Status", job.error === undefined ? job.status : `${job.status}: ${job.error}`],
    ["Agent", job.agent_name],
    ["Session", job.session_key],
    ["Prompt", job.prompt],
    ["Attempt", job.max_attempts > 1 ? `${job.attempt} of ${job.max_attempts}` : undefined],
    ["Submitted", job.created_at],
    ["Not before", job.not_before],
    ["Started", job.started_at],
    ["Finished", job.finished_at],
    ["Callback", job.callback && `${job.callback.url} (${job.callback.state})`],
  ]
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined)
}

const LEVEL_STYLES: Readonly<Record<JobLogLine["level"], Style>> = { info: "dim", warn: "yellow", error: "red" }

export async function showJobLogs(cli: Cli, id: string, flags: { json?: boolean }): Promise<void> {
  const { logs = [] } = await withJobs(cli, (link) => askJob(link, "job.get", { job_id: id }))
  for (const line of logs) {
    if (flags.json) cli.out.line(inertJson(JSON.stringify(line)))
    else
      cli.out.line(
        `${cli.out.paint(line.timestamp, "dim")} ${cli.out.paint(line.level.padEnd(5), LEVEL_STYLES[line.level])} ${inertLine(line.message)}`,
      )
  }
}

const DONE = { cancel: "Canceled", retry: "Queued again:", delete: "Deleted" } as const

/** Each of the jobs in turn; what was refused is thrown after the others were done. */
export async function changeJobs(
  cli: Cli,
  verb: keyof typeof DONE,
  ids: readonly string[],
  flags: { json?: boolean },
): Promise<void> {
  const outcomes: unknown[] = []
  let refusal: unknown
  await withJobs(cli, async ({ client }) => {
    for (const id of ids) {
      try {
        outcomes.push(await client.request(`job.${verb}`, { job_id: id }))
        if (!flags.json) cli.out.line(`${DONE[verb]} ${inertLine(id)}.`)
      } catch (error) {
        if (!(error instanceof PincerError) || error.code === "UNAVAILABLE") throw error
        if (refusal !== undefined) cli.err.line(inert(error.message))
        refusal ??= error
      }
    }
  })
  if (refusal !== undefined) throw refusal
  if (flags.json) cli.out.json(outcomes.length === 1 ? outcomes[0] : outcomes)
}

// `pincer job submit`: words and flags as a job; prints its id, or stays and watches.
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import type { Cli } from "./cli.ts"
import { PATIENT, type Reach, reachGateway } from "./connect.ts"
import { askJob } from "./job.ts"
import { followJob } from "./job-watch.ts"
import { type PermissionFlags, permissionsOf } from "./permission-flags.ts"
import { readStdin } from "./stdin.ts"
import { type HostingFlags, hostingWishes } from "./turn-flags.ts"

export interface SubmitFlags extends PermissionFlags, HostingFlags {
  prompt?: string
  agent?: string
  session?: string
  model?: string
  cwd?: string
  timeout?: string
  priority?: string
  attempts?: string
  onInterrupt?: string
  callback?: string
  key?: string
  watch?: boolean
  json?: boolean
}

export async function submitJob(cli: Cli, words: readonly string[], flags: SubmitFlags): Promise<void> {
  const prompt = flags.prompt ?? words.join(" ")
  const piped = (await readStdin(prompt.trim() !== ""))?.trim() ?? ""
  const whole = [prompt, piped].filter((text) => text.trim() !== "").join("\n\n")
  if (whole === "")
    throw new PincerError("INVALID_PARAMS", 'Nothing was asked: write pincer job submit "…", or pipe the task in')
  const permissions = permissionsOf(flags, cli.env, (line) => cli.err.line(line))
  const hosting = hostingWishes(flags, cli.env)
  const params = { ...paramsOf(flags, whole), ...hosting, ...(permissions ? { permissions } : {}) }
  const link = await reachGateway(cli, { otherwise: "start", reconnect: PATIENT })
  try {
    const job = await askJob(link, "job.submit", { ...params, ...folderOf(cli, link, flags) })
    if (!flags.watch) {
      if (flags.json) cli.out.json(job)
      else cli.out.line(job.id)
      return
    }
    if (!flags.json) cli.err.line(cli.err.paint(`Job ${job.id}`, "dim"))
    await followJob(cli, link, job.id, { json: flags.json })
  } finally {
    await link.close()
  }
}

function folderOf(cli: Cli, link: Reach, flags: SubmitFlags): { cwd?: string } {
  if (flags.cwd !== undefined) return { cwd: resolve(cli.cwd, flags.cwd) }
  // Another machine has other folders.
  return link.target.local ? { cwd: cli.cwd } : {}
}

function paramsOf(flags: SubmitFlags, prompt: string): Record<string, unknown> {
  const given: Record<string, unknown> = {
    prompt,
    agent: flags.agent,
    session: flags.session,
    model: flags.model,
    timeout: numberOf(flags.timeout, "--timeout"),
    priority: numberOf(flags.priority, "--priority"),
    max_attempts: numberOf(flags.attempts, "--attempts"),
    on_interrupt: flags.onInterrupt,
    callback: flags.callback === undefined ? undefined : { url: flags.callback },
    idempotency_key: flags.key,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function numberOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== "" && Number.isFinite(value)) return value
  throw new PincerError("INVALID_PARAMS", `${flag}: "${text}" is not a number`)
}

// `pincer update run`: has the gateway replace itself and waits until the new one says so; without a gateway it is done here.
// `pincer update history`: what became of earlier ones.
import { systemClock } from "../base/clock.ts"
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { loadConfig } from "../config/load.ts"
import type { Env } from "../config/paths.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import type { Cli } from "./cli.ts"
import { otherGateway, reachGateway } from "./connect.ts"
import { secondsOf } from "./gateway-control.ts"
import { inertLine } from "./inert.ts"
import { withGateway } from "./one-call.ts"
import { PROGRAM } from "./program-file.ts"
import { openProgress, type Progress } from "./progress.ts"
import { Exit } from "./report.ts"

export interface UpdateFlags {
  to?: string
  timeout?: string
  restart?: boolean
  session?: string
  note?: string
  json?: boolean
}

/** What is shown of an update. */
interface UpdateView {
  id: string
  state: string
  from: string
  target: string
  version: string
  reason?: string
  startedAt: number
}

/** The part of the gateway that does it, where no gateway runs. */
export interface Updater {
  run(wish: { version?: string; timeoutMs: number; keepRunning: true }): Promise<UpdateView>
}

export type OpenUpdater = (room: {
  program: string
  home: string
  version: string
  env: Env
  settings(): Config["update"]
  /** Told what is done now. */
  onWords(words: string): void
}) => Updater

/** After the answer: the new gateway has to come up and say what it is. */
const BACK_MS = 90_000
const LOOK_MS = 250

/** Throws Exit(1) when the update failed, TIMEOUT when the gateway does not come back. */
export async function runUpdate(cli: Cli, flags: UpdateFlags, open: OpenUpdater): Promise<void> {
  const timeoutMs = secondsOf(flags.timeout ?? "300")
  const { home } = resolvePaths(cli.env, cli.flags)
  const progress = openProgress(cli)
  let done: UpdateView
  try {
    const throughGateway = (await otherGateway(cli)) !== undefined || runningGateway(home) !== undefined
    done = throughGateway
      ? await atGateway(cli, flags, timeoutMs, progress)
      : await here(cli, flags, timeoutMs, progress, open)
  } finally {
    progress.end()
  }
  if (flags.json) cli.out.json(done)
  else say(cli, done)
  if (done.state === "failed") throw new Exit(1)
}

async function atGateway(cli: Cli, flags: UpdateFlags, timeoutMs: number, progress: Progress): Promise<UpdateView> {
  const { client, close } = await reachGateway(cli, { otherwise: "refuse" })
  try {
    client.on("update.run.changed", ({ payload }) => {
      const words = isObject(payload) ? payload["words"] : undefined
      if (typeof words === "string") progress.show(words)
    })
    const { note, session, to } = flags
    const answer: unknown = await client.request(
      "update.run",
      {
        timeoutMs,
        ...(to === undefined ? {} : { version: to }),
        ...(session === undefined ? {} : { sessionKey: session }),
        ...(note === undefined ? {} : { note }),
        ...(flags.restart === false ? { restart: false } : {}),
      },
      // npm twice and the program four times, when all goes wrong.
      { timeoutMs: 2 * timeoutMs + 180_000 },
    )
    const run = sentinelIn(answer)
    if (!run) throw new PincerError("INTERNAL_ERROR", "The gateway's answer to update.run is not understood")
    if (run.state !== "restarting") return run
    progress.show(`Pincer ${run.target} is installed: the gateway restarts`)
    return await whenBack(cli, run)
  } finally {
    await close()
  }
}

/** The update as the gateway tells it that comes up afterwards. */
async function whenBack(cli: Cli, { id, target }: UpdateView): Promise<UpdateView> {
  const deadline = Date.now() + BACK_MS
  let why = "it does not answer"
  while (Date.now() < deadline) {
    await systemClock.sleep(LOOK_MS)
    try {
      const answer: unknown = await withGateway(cli, (client) => client.request("update.runs.get", { id }))
      const run = isObject(answer) ? viewOf(answer["run"]) : undefined
      if (run && run.state !== "restarting") return run
    } catch (error) {
      why = asPincerError(error).message
    }
  }
  throw new PincerError(
    "TIMEOUT",
    `Pincer ${target} is installed, but the gateway has not come back within ${BACK_MS / 1000} s (${why}): run pincer gateway status`,
  )
}

async function here(cli: Cli, { to }: UpdateFlags, timeoutMs: number, progress: Progress, open: OpenUpdater) {
  const { home } = resolvePaths(cli.env, cli.flags)
  const { config } = loadConfig({ env: cli.env, flags: cli.flags })
  const updater = open({
    ...{ program: PROGRAM, home, version: cli.version, env: cli.env },
    settings: () => config.update,
    onWords: (words) => progress.show(words),
  })
  return updater.run({ timeoutMs, keepRunning: true, ...(to === undefined ? {} : { version: to }) })
}

function say(cli: Cli, { from, reason, state, target }: UpdateView): void {
  const why = inertLine(reason ?? "nobody knows why")
  if (state === "failed") cli.err.line(`The update to ${target} failed: ${why}.`)
  else if (state === "skipped") cli.out.line(`${why}.`)
  else if (state === "done") cli.out.line(`Pincer ${from} has become ${target}, and the gateway runs again.`)
  else cli.out.line(`Pincer ${target} is installed. A gateway that still runs ${from}: pincer gateway restart`)
}

export async function updateHistory(cli: Cli, flags: { json?: boolean }): Promise<void> {
  const answer: unknown = await withGateway(cli, (client) => client.request("update.runs.list", {}))
  const given = isObject(answer) && Array.isArray(answer["runs"]) ? answer["runs"] : []
  if (flags.json) {
    cli.out.json(given)
    return
  }
  const runs = given.map(viewOf).filter((run) => run !== undefined)
  if (runs.length === 0) cli.out.line("No update was made yet.")
  for (const { from, reason, startedAt, state, target } of runs) {
    const at = new Date(startedAt).toISOString().slice(0, 16).replace("T", " ")
    cli.out.line(`${at}  ${from} -> ${target}  ${state}${reason === undefined ? "" : `: ${inertLine(reason)}`}`)
  }
}

function sentinelIn(answer: unknown): UpdateView | undefined {
  const sentinel = isObject(answer) ? answer["sentinel"] : undefined
  return isObject(sentinel) ? viewOf(sentinel["payload"]) : undefined
}

function viewOf(value: unknown): UpdateView | undefined {
  if (!isObject(value)) return undefined
  const { from, id, reason, startedAt, state, target, version } = value
  if (typeof id !== "string" || typeof state !== "string" || typeof startedAt !== "number") return undefined
  if (typeof from !== "string" || typeof target !== "string" || typeof version !== "string") return undefined
  return { ...value, id, state, startedAt, from, target, version, ...(typeof reason === "string" ? { reason } : {}) }
}

// The gateway as a process of its own: started detached, found by what it says about itself, stopped by SIGTERM. Started means
// that an authenticated call was answered, not that a process exists.
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, mkdirSync, openSync } from "node:fs"
import { dirname, join } from "node:path"
import { systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { type GatewayInfo, runningGateway } from "../config/gateway-file.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { givenToken, homeToken, openClient } from "./connect.ts"
import { DAEMON_MEMORY } from "./daemon-memory.ts"
import { lastLines } from "./last-lines.ts"
import { PROGRAM } from "./program-file.ts"

const POLL_MS = 20
const START_MS = 30_000
/** Between the second SIGTERM and SIGKILL, and for the kernel after that. */
const SECOND_MS = 1_000
const KILL_MS = 5_000

export interface StartFlags {
  host?: string
  port?: string
}

/** Starts a gateway on this home and waits until it answers; one that runs already is fine. Throws with the last words of its log. */
export async function startInBackground(cli: Cli, flags: StartFlags = {}): Promise<GatewayInfo> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const running = runningGateway(home)
  if (running) return running
  const output = join(home, "logs", "start.log")
  const child = launch(cli, home, output, flags)
  const progress = showProgress(cli)
  try {
    return await untilAnswered(cli, home, child, output)
  } finally {
    progress()
  }
}

function launch(cli: Cli, home: string, output: string, flags: StartFlags): ChildProcess {
  const { config } = cli.flags
  const token = givenToken(cli)
  const args = [PROGRAM, "gateway", "run", "--quiet", "--home", home]
  if (config !== undefined) args.push("--config", config)
  if (flags.host !== undefined) args.push("--host", flags.host)
  if (flags.port !== undefined) args.push("--port", flags.port)
  const fd = openOutput(home, output)
  try {
    // Not on its command line, where every user of the machine could read it.
    const env = { ...DAEMON_MEMORY, ...cli.env, ...(token === undefined ? {} : { PINCER_GATEWAY_TOKEN: token }) }
    const child = spawn(process.execPath, args, { cwd: home, detached: true, stdio: ["ignore", fd, fd], env })
    child.unref()
    return child
  } finally {
    closeSync(fd)
  }
}

function openOutput(home: string, output: string): number {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    mkdirSync(dirname(output), { recursive: true, mode: 0o700 })
    return openSync(output, "w", 0o600)
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error)
    throw new PincerError("UNAVAILABLE", `Cannot use ${home} as home: ${code}: make it writable or set PINCER_HOME`, {
      cause: error,
      retryable: false,
    })
  }
}

function showProgress(cli: Cli): () => void {
  if (!cli.err.isTerminal) return () => undefined
  cli.err.write(cli.err.paint("Starting the gateway …", "dim"))
  return () => cli.err.write("\r\x1b[K")
}

async function untilAnswered(cli: Cli, home: string, child: ChildProcess, output: string): Promise<GatewayInfo> {
  let ended: number | string | undefined
  let failure: unknown
  child.once("exit", (code, signal) => {
    ended = code ?? signal ?? 1
  })
  child.once("error", (error) => {
    failure = error
    ended = 1
  })
  const deadline = Date.now() + START_MS
  return untilReady(cli, {
    lastWords: async () => `see ${output}\n${lastLines(output)}`,
    // Of two that start at once one loses; then the other one is the gateway.
    failure: async () =>
      ended === undefined || runningGateway(home) || (await otherAppears(home, deadline, output))
        ? undefined
        : startFailure(output, ended, failure),
  })
}

export interface Starting {
  /** A process that this is to be another one than. */
  notPid?: number
  /** Why it will never be ready, as soon as that is known. */
  failure(): Promise<PincerError | undefined>
  lastWords(): Promise<string>
}

/** Waits until the gateway of this home answers an authenticated call. Throws what `failure` says, or TIMEOUT with its last words. */
export async function untilReady(cli: Cli, { notPid, failure, lastWords }: Starting): Promise<GatewayInfo> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const deadline = Date.now() + START_MS
  while (Date.now() < deadline) {
    const info = runningGateway(home)
    if (info && info.pid !== notPid && (await answers(cli, home, info))) return info
    const why = await failure()
    if (why) throw why
    await systemClock.sleep(POLL_MS)
  }
  throw new PincerError("TIMEOUT", `The gateway did not answer within ${START_MS / 1000} s: ${await lastWords()}`)
}

async function otherAppears(home: string, deadline: number, output: string): Promise<boolean> {
  if (!/already running/.test(lastLines(output))) return false
  while (Date.now() < deadline) {
    if (runningGateway(home)) return true
    await systemClock.sleep(POLL_MS)
  }
  return false
}

async function answers(cli: Cli, home: string, info: GatewayInfo): Promise<boolean> {
  const token = await homeToken(cli, home)
  try {
    const client = await openClient(cli, { url: info.url, token }, { connectTimeoutMs: 5_000 })
    await client.request("health")
    client.close()
    return true
  } catch (error) {
    if (error instanceof PincerError && error.code === "UNAVAILABLE") return false
    throw error
  }
}

function startFailure(output: string, ended: number | string, cause: unknown): PincerError {
  const words = lastLines(output)
  const own = /^pincer: (.*)$/m.exec(words)?.[1]
  if (own !== undefined) return new PincerError("UNAVAILABLE", own, { cause, retryable: false })
  const said = words === "" ? "" : `. Its last words:\n${words}`
  return new PincerError("UNAVAILABLE", `The gateway ended with ${ended} while it started${said}`, {
    cause,
    retryable: false,
  })
}

export interface Stopped {
  info: GatewayInfo
  /** Whether it had to be killed. */
  killed: boolean
}

/**
 * Stops the gateway of a home and waits until it is gone: SIGTERM, so that running turns may end; with `force` a second one
 * after `timeoutMs`, and then SIGKILL. Undefined when none runs. Throws TIMEOUT when it is still there.
 */
export async function stopBackground(
  cli: Cli,
  { timeoutMs, force }: { timeoutMs: number; force: boolean },
): Promise<Stopped | undefined> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const info = runningGateway(home)
  if (!info) return undefined
  signal(info.pid, "SIGTERM")
  if (await goneWithin(home, info.pid, timeoutMs)) return { info, killed: false }
  if (force) {
    // Asked twice, it ends at once, still in order.
    signal(info.pid, "SIGTERM")
    if (await goneWithin(home, info.pid, SECOND_MS)) return { info, killed: false }
    signal(info.pid, "SIGKILL")
    if (await goneWithin(home, info.pid, KILL_MS)) return { info, killed: true }
  }
  const next = force ? `look at process ${info.pid} with ps` : 'wait, or run "pincer gateway stop --force"'
  const waited = force ? timeoutMs + SECOND_MS + KILL_MS : timeoutMs
  throw new PincerError("TIMEOUT", `The gateway (pid ${info.pid}) has not stopped within ${waited / 1000} s: ${next}`)
}

/** Waits until another process, or none, is the gateway of this home. */
export async function goneWithin(home: string, pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline) {
    if (runningGateway(home)?.pid !== pid) return true
    await systemClock.sleep(POLL_MS)
  }
  return false
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined
    if (code === "ESRCH") return
    throw new PincerError(
      "PERMISSION_DENIED",
      `The gateway (pid ${pid}) belongs to another user: stop it as that user`,
      {
        cause: error,
      },
    )
  }
}

// `pincer gateway start|stop|restart`: the daemon in the background, told by its home.
import { PincerError } from "../base/errors.ts"
import { type GatewayInfo, runningGateway } from "../config/gateway-file.ts"
import { resolvePaths } from "../config/paths.ts"
import { type StartFlags, startInBackground, stopBackground } from "./background.ts"
import type { Cli } from "./cli.ts"

export interface StopFlags {
  timeout: string
  force?: boolean
  json?: boolean
}

export async function startGateway(cli: Cli, flags: StartFlags & { json?: boolean }): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const before = runningGateway(home)
  const info = before ?? (await startInBackground(cli, flags))
  tell(cli, info, before ? "Already running" : "Started", flags.json)
}

export async function stopGateway(cli: Cli, flags: StopFlags): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const info = await stopBackground(cli, { timeoutMs: secondsOf(flags.timeout), force: flags.force === true })
  if (flags.json) cli.out.json({ stopped: info !== undefined, ...(info ? { pid: info.pid, url: info.url } : {}) })
  else cli.out.line(info ? `Stopped the gateway (pid ${info.pid}) of ${home}.` : `No gateway runs on ${home}.`)
}

export async function restartGateway(cli: Cli, flags: StartFlags & StopFlags): Promise<void> {
  await stopBackground(cli, { timeoutMs: secondsOf(flags.timeout), force: false })
  tell(cli, await startInBackground(cli, flags), "Restarted", flags.json)
}

function tell(cli: Cli, info: GatewayInfo, what: string, json: boolean | undefined): void {
  if (json) cli.out.json({ ...info, status: what.toLowerCase().replace(" ", "-") })
  else cli.out.line(`${what}: ${info.url} (pid ${info.pid}).`)
}

/** A number of seconds as milliseconds. Throws INVALID_PARAMS. */
export function secondsOf(text: string): number {
  const seconds = Number(text)
  if (text.trim() === "" || !Number.isFinite(seconds) || seconds <= 0)
    throw new PincerError("INVALID_PARAMS", `--timeout: "${text}" is not a number of seconds above 0`)
  return Math.round(seconds * 1000)
}

// `pincer gateway start|stop|restart`: the daemon in the background, told by its home. Where a service of the system keeps it, the system is
// asked: otherwise it would be started twice, or started again behind the user's back.
import { asPincerError, PincerError } from "../base/errors.ts"
import { type GatewayInfo, runningGateway } from "../config/gateway-file.ts"
import { parsePort } from "../config/load.ts"
import { envValue, resolvePaths } from "../config/paths.ts"
import { goneWithin, type StartFlags, startInBackground, stopBackground } from "./background.ts"
import type { Cli } from "./cli.ts"
import { givenToken } from "./connect.ts"
import { STARTED_ANEW } from "./program-file.ts"
import { type InstalledService, installedService } from "./service/find.ts"

export interface StopFlags {
  timeout?: string
  force?: boolean
  json?: boolean
}

const STOP_S = "30"
/** Forced, patience ends sooner. */
const FORCED_STOP_S = "5"

export async function startGateway(cli: Cli, flags: StartFlags & { json?: boolean }): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const before = runningGateway(home)
  const info = before ?? (await startService(cli, flags)) ?? (await startInBackground(cli, flags))
  tell(cli, info, before ? "Already running" : "Started", flags.json)
}

export async function stopGateway(cli: Cli, flags: StopFlags): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const force = flags.force === true
  const timeoutMs = secondsOf(flags.timeout ?? (force ? FORCED_STOP_S : STOP_S))
  const before = runningGateway(home)
  const service = await activeService(cli, before)
  let killed = false
  if (service) {
    await service.manager.stop()
    if (before && !(await goneWithin(home, before.pid, timeoutMs)))
      throw new PincerError("TIMEOUT", `${service.manager.name} has not stopped: look at pincer gateway status`)
  } else killed = (await stopBackground(cli, { timeoutMs, force }))?.killed === true
  const stopped = before ?? (service ? {} : undefined)
  if (flags.json) {
    const who = before ? { pid: before.pid, url: before.url } : {}
    cli.out.json({ stopped: stopped !== undefined, ...who, ...(killed ? { killed } : {}) })
    return
  }
  const how = killed ? "Killed" : "Stopped"
  if (before) cli.out.line(`${how} the gateway (pid ${before.pid}) of ${home}.`)
  else cli.out.line(service ? `Stopped ${service.manager.name}.` : `No gateway runs on ${home}.`)
}

export async function restartGateway(cli: Cli, flags: StartFlags & StopFlags): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const before = runningGateway(home)
  const service = await activeService(cli, before)
  if (service) {
    refuseFlags(flags, service)
    await service.manager.restart()
    const { serviceReady } = await import("./gateway-install.ts")
    tell(cli, await serviceReady(cli, service.manager, before?.pid), "Restarted", flags.json)
    return
  }
  const again = before ? sameAgain(cli, before, flags) : { cli, flags }
  if (before) await refuseTakenPort(before, flags)
  const force = flags.force === true
  await stopBackground(cli, { timeoutMs: secondsOf(flags.timeout ?? (force ? FORCED_STOP_S : STOP_S)), force })
  // Somebody had a gateway: should this one not come up as it is meant to, it does in safe mode.
  const env = before ? { ...again.cli.env, [STARTED_ANEW]: "1" } : again.cli.env
  const started = await startInBackground({ ...again.cli, env }, again.flags)
  tell(cli, started, "Restarted", flags.json)
}

/** Before anything is stopped. Throws INVALID_PARAMS, CONFLICT. */
async function refuseTakenPort(before: GatewayInfo, { host, port }: StartFlags): Promise<void> {
  if (port === undefined) return
  const number = parsePort(port, "--port")
  if (number === before.port) return
  const { holderName, portHolder } = await import("./port-holder.ts")
  const at = host ?? before.startedWith?.host ?? new URL(before.url).hostname.replace(/^\[|\]$/g, "")
  const holder = await portHolder(at, number)
  if (holder)
    throw new PincerError(
      "CONFLICT",
      `Port ${number} on ${at} is taken by ${holderName(holder)}: the gateway was left as it is at ${before.url}`,
    )
}

/** What the running gateway was told when it started, unless something else is said now. Throws CONFLICT when that cannot be repeated. */
function sameAgain(cli: Cli, { startedWith = {} }: GatewayInfo, flags: StartFlags): { cli: Cli; flags: StartFlags } {
  const { tokenFrom } = startedWith
  const known = givenToken(cli) !== undefined || tokenFrom === undefined || envValue(cli.env, tokenFrom) !== undefined
  if (!known && (tokenFrom === "--token" || /^[A-Z][A-Z0-9_]+$/.test(tokenFrom)))
    throw new PincerError(
      "CONFLICT",
      `The gateway was started with a token that this command does not know (${tokenFrom}): pass it with --token-file, or stop and start for another`,
    )
  const config = cli.flags.config ?? startedWith.config
  const host = flags.host ?? startedWith.host
  const port = flags.port ?? startedWith.port
  return {
    cli: { ...cli, flags: { ...cli.flags, ...(config === undefined ? {} : { config }) } },
    flags: { host, port },
  }
}

/** Starts the service of this home; undefined when none is installed, or its manager does not answer. */
async function startService(cli: Cli, flags: StartFlags): Promise<GatewayInfo | undefined> {
  const service = installedService(cli)
  if (!service) return undefined
  refuseFlags(flags, service)
  try {
    await service.manager.start()
  } catch (error) {
    const { code, message } = asPincerError(error)
    if (code !== "UNAVAILABLE" && code !== "NOT_FOUND") throw error
    cli.err.line(`! ${message}. The gateway is started without ${service.manager.name}.`)
    return undefined
  }
  const { serviceReady } = await import("./gateway-install.ts")
  return serviceReady(cli, service.manager)
}

/** The service that keeps the gateway of this home now; undefined when the gateway runs by itself, or none does. */
async function activeService(cli: Cli, running: GatewayInfo | undefined): Promise<InstalledService | undefined> {
  const service = installedService(cli)
  if (!service) return undefined
  const state = await service.manager.state().catch(() => undefined)
  if (!state) return undefined
  // One that fails again and again is to be stopped, too.
  if (running === undefined) return state.running || state.failed ? service : undefined
  return state.pid === running.pid ? service : undefined
}

function refuseFlags(flags: StartFlags, { manager }: InstalledService): void {
  if (flags.host === undefined && flags.port === undefined) return
  throw new PincerError(
    "CONFLICT",
    `${manager.name} has flags of its own: change them with "pincer gateway install --port <number>"`,
  )
}

function tell(cli: Cli, info: GatewayInfo, what: string, json: boolean | undefined): void {
  if (info.mode === "safe")
    cli.err.line("! SAFE MODE: hardly anything that was configured counts. Why, and how to leave it: pincer status")
  if (info.mode === "last-known-good")
    cli.err.line("! The configuration was refused, the one that worked last counts. Why: pincer status")
  if (json) {
    const { startedWith: _, ...rest } = info
    cli.out.json({ ...rest, status: what.toLowerCase().replace(" ", "-") })
  } else cli.out.line(`${what}: ${info.url} (pid ${info.pid}).`)
}

/** A number of seconds as milliseconds; "500ms" and "2m" mean what they say. Throws INVALID_PARAMS. */
export function secondsOf(text: string): number {
  const [, count = "", unit = "s"] = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)?\s*$/.exec(text) ?? []
  const ms = Math.round(Number(count) * (unit === "ms" ? 1 : unit === "m" ? 60_000 : 1000))
  if (count === "" || ms <= 0)
    throw new PincerError("INVALID_PARAMS", `--timeout: "${text}" is not a number of seconds above 0`)
  return ms
}

// Finding the gateway: the one that was named by a flag, a variable or the configuration, the one that runs on this home, or one that is
// started for it. A gateway that was named by a flag gets only the token that was named with it: nothing of this machine is shown
// to a stranger.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { readGatewayInfo, runningGateway } from "../config/gateway-file.ts"
import { type Env, envValue, expandPath, resolvePaths } from "../config/paths.ts"
import { connectGateway, type GatewayClient, type Reconnect } from "../protocol/client.ts"
import type { Cli } from "./cli.ts"

export interface Target {
  /** "ws://127.0.0.1:18789" */
  url: string
  token: string | undefined
  /** Whether it shares this machine's files. */
  local: boolean
  /** What named its address: "--server", a variable, "gateway.remote.url"; absent for the gateway of this home. */
  namedBy?: string
  /** Ends a gateway that only lives for this command. */
  close(): Promise<void>
}

export interface Reach {
  client: GatewayClient
  target: Target
  /** Closes the connection, and the gateway if it was started for this command alone. */
  close(): Promise<void>
}

export interface ReachOptions {
  /** What to do when no gateway runs on this home. */
  otherwise: "start" | "refuse"
  caps?: readonly string[]
  reconnect?: Reconnect
  connectTimeoutMs?: number
}

/** Losses are survived for about a minute: a restart takes a few seconds. */
export const PATIENT: Reconnect = { minDelayMs: 100, maxDelayMs: 3_000, maxAttempts: 25 }

const ENV_TOKENS = [
  "PINCER_GATEWAY_TOKEN",
  "OPENCLAW_GATEWAY_TOKEN",
  "OPENCLAW_GATEWAY_PASSWORD",
  "CLAWDBOT_GATEWAY_TOKEN",
  "IMCLAW_TOKEN",
  "PYCLAW_AUTH_TOKEN",
]

const ENV_URLS = ["PINCER_GATEWAY_URL", "IMCLAW_SERVER"]

const stay = async () => undefined

/** Connects to the gateway that is meant. Throws UNAVAILABLE when there is none, AUTH_REQUIRED when it refuses. */
export async function reachGateway(cli: Cli, options: ReachOptions): Promise<Reach> {
  const target = await findGateway(cli, options.otherwise)
  try {
    const client = await openClient(cli, target, options)
    return {
      client,
      target,
      async close() {
        client.close()
        await target.close()
      },
    }
  } catch (error) {
    await target.close()
    throw error
  }
}

/** A connection to one gateway as this command line. */
export async function openClient(
  cli: Cli,
  target: Pick<Target, "url" | "token">,
  options: Omit<ReachOptions, "otherwise"> = {},
): Promise<GatewayClient> {
  const tls = target.url.startsWith("wss:") ? await import("./certificate.ts") : undefined
  tls?.trustCaFile(cli)
  try {
    return await open(cli, target, options)
  } catch (error) {
    if (tls && error instanceof PincerError && error.code === "UNAVAILABLE")
      throw (await tls.tlsRefusal(target.url)) ?? error
    throw asStranger(error, target.url)
  }
}

/** From another machine the owner's token is not enough: the machine is asked for, too. */
function asStranger(error: unknown, url: string): unknown {
  if (!(error instanceof PincerError) || error.details?.["code"] !== "DEVICE_IDENTITY_REQUIRED") return error
  return new PincerError(
    error.code,
    `The gateway at ${url} does not know this machine: run "pincer device join ${url} --token-file <path>", or join by a code from "pincer device pair"`,
    { cause: error, ...(error.details ? { details: error.details } : {}) },
  )
}

async function open(
  cli: Cli,
  target: Pick<Target, "url" | "token">,
  options: Omit<ReachOptions, "otherwise">,
): Promise<GatewayClient> {
  const joined = target.token === undefined ? await joinedClient(cli, target.url, options) : undefined
  if (joined) return joined
  // Half as long to load as the global one, and lighter.
  const { WebSocket } = await import("ws")
  return connectGateway({
    url: target.url,
    ...(target.token === undefined ? {} : { token: target.token }),
    client: { id: "cli", version: cli.version, platform: process.platform, mode: "cli" },
    caps: options.caps ?? [],
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    ...(options.reconnect ? { reconnect: options.reconnect } : {}),
    WebSocket,
  })
}

/** As the device that this home is at that gateway; undefined when it has not joined it (pincer device join). */
async function joinedClient(
  cli: Cli,
  url: string,
  options: Omit<ReachOptions, "otherwise">,
): Promise<GatewayClient | undefined> {
  const { home } = resolvePaths(cli.env, cli.flags)
  if (!existsSync(join(home, "identity", "gateways.json"))) return undefined
  const { deviceIdentity, joinedGateway } = await import("./device-identity.ts")
  const known = joinedGateway(home, url)
  if (!known) return undefined
  const { connectDevice, deviceRefusal } = await import("./device-connect.ts")
  const { token: deviceToken, role } = known
  try {
    return await connectDevice(cli, url, deviceIdentity(home), { deviceToken }, { ...options, role })
  } catch (error) {
    throw deviceRefusal(error, url)
  }
}

export async function findGateway(cli: Cli, otherwise: ReachOptions["otherwise"]): Promise<Target> {
  const named = namedGateway(cli)
  if (named) return named
  if (cli.flags.standalone) return startOwn(cli)
  const remote = await remoteGateway(cli)
  if (remote) return remote
  const { home } = resolvePaths(cli.env, cli.flags)
  const running = runningGateway(home)
  if (running) return { url: running.url, token: await homeToken(cli, home), local: true, close: stay }
  if (otherwise === "refuse")
    throw new PincerError("UNAVAILABLE", `No gateway runs on ${home}: start one with "pincer gateway start"`, {
      retryable: false,
    })
  const { startInBackground } = await import("./background.ts")
  const started = await startInBackground(cli)
  return { url: started.url, token: await homeToken(cli, home), local: true, close: stay }
}

/** The gateway that --server, or else one of ENV_URLS, names. */
export function namedGateway(cli: Cli): Target | undefined {
  const { env, flags } = cli
  const byFlag = flags.server
  const variable = ENV_URLS.find((name) => envValue(env, name) !== undefined)
  const given = byFlag ?? (variable && envValue(env, variable))
  if (given === undefined) return undefined
  const url = gatewayUrl(given, byFlag === undefined ? variable! : "--server")
  // IMClaw's address: its clients find their own protocol there. Ours is at the root of the same gateway.
  if (url.pathname === "/ws") url.pathname = "/"
  const token = flagToken(cli) ?? (byFlag === undefined ? envToken(cli) : undefined)
  return { ...targetAt(url, byFlag === undefined ? variable! : "--server"), token }
}

function targetAt(url: URL, namedBy: string): Omit<Target, "token"> {
  return { url: url.href.replace(/\/$/, ""), local: isLoopbackName(url.hostname), namedBy, close: stay }
}

/** The gateway that is meant when it is not the one of this home: see namedGateway() and gateway.remote in the configuration. */
export async function otherGateway(cli: Cli): Promise<Target | undefined> {
  return namedGateway(cli) ?? (cli.flags.standalone ? undefined : remoteGateway(cli))
}

/** The gateway's address for people, with what named it. */
export function called({ namedBy, url }: Pick<Target, "url" | "namedBy">): string {
  return namedBy === undefined ? url : `${url} (${namedBy})`
}

/** The gateway that gateway.remote.url names. The configuration is read only when it may name one: that takes time. */
async function remoteGateway(cli: Cli): Promise<Target | undefined> {
  const { config: path, home } = resolvePaths(cli.env, cli.flags)
  if (!mayHold(path, /"?remote"?\s*:/)) return undefined
  const { clientConfig } = await import("./client-config.ts")
  const config = clientConfig(cli)
  const name = "gateway.remote.url"
  const given = config.gateway.remote.url
  if (given === undefined) return undefined
  const { authSecret, remoteSecret } = await import("../config/secrets.ts")
  const input = { env: cli.env, config, home }
  // What was written beside the address goes before what the environment holds for any gateway (OC-AUTH-03).
  const token = flagToken(cli) ?? remoteSecret(input)?.token ?? envToken(cli) ?? authSecret(input)?.token
  return { ...targetAt(gatewayUrl(given, name), name), token }
}

/** ws, wss, http and https addresses, and host:port, as a WebSocket address. Throws INVALID_PARAMS. */
export function gatewayUrl(given: string, what: string): URL {
  const text = given.trim()
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `ws://${text}`
  const problem = new PincerError(
    "INVALID_PARAMS",
    `${what}: "${given}" is not the address of a gateway: write it like ws://127.0.0.1:18789`,
  )
  if (!URL.canParse(full)) throw problem
  const url = new URL(full)
  if (url.protocol === "http:") url.protocol = "ws:"
  if (url.protocol === "https:") url.protocol = "wss:"
  if (url.protocol !== "ws:" && url.protocol !== "wss:") throw problem
  if (url.username !== "" || url.password !== "" || url.hash !== "")
    throw new PincerError(
      "INVALID_PARAMS",
      `${what}: leave user, password and fragment out and pass the token with --token-file`,
    )
  return url
}

function isLoopbackName(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\./.test(host)
}

function flagToken({ env, flags, cwd }: Cli): string | undefined {
  if (flags.token !== undefined && flags.tokenFile !== undefined)
    throw new PincerError("INVALID_PARAMS", "Pass either --token or --token-file, not both")
  if (flags.token !== undefined) return checked(flags.token, "--token")
  return flags.tokenFile === undefined ? undefined : fileToken(flags.tokenFile, "--token-file", env, cwd)
}

function fileToken(given: string, what: string, env: Env, cwd: string): string {
  const path = expandPath(given, env, cwd)
  try {
    return checked(readFileSync(path, "utf8"), `${what} ${path}`)
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw new PincerError("NOT_FOUND", `${what}: ${path} cannot be read`, { cause: error })
  }
}

function checked(text: string, what: string): string {
  const token = text.trim()
  if (token === "" || /[\u0000-\u001f\u007f]/.test(token))
    throw new PincerError("INVALID_PARAMS", `${what} is empty or holds a line break: it must be one line`)
  return token
}

function envToken({ env, cwd }: Cli): string | undefined {
  const [own, ...foreign] = ENV_TOKENS.map((name) => envValue(env, name))
  if (own !== undefined) return own
  const file = envValue(env, "PINCER_GATEWAY_TOKEN_FILE")
  if (file !== undefined) return fileToken(file, "PINCER_GATEWAY_TOKEN_FILE", env, cwd)
  const values = new Set(foreign.filter((value) => value !== undefined))
  if (values.size > 1)
    throw new PincerError(
      "CONFLICT",
      "Several token variables of other gateways are set and differ: set PINCER_GATEWAY_TOKEN to the one that is meant",
    )
  return values.values().next().value
}

/** --token or --token-file as one value. */
export function givenToken(cli: Cli): string | undefined {
  return flagToken(cli)
}

/** The token that the gateway of this home asks for. The configuration is read only when it may name one: that takes time. */
export async function homeToken(cli: Cli, home: string): Promise<string | undefined> {
  const given = flagToken(cli) ?? envToken(cli)
  if (given !== undefined) return given
  const { config } = resolvePaths(cli.env, cli.flags)
  const { clientToken, readToken } = await import("../config/secrets.ts")
  const known = readGatewayInfo(home)?.mode === undefined
  if (known && !mayHold(config, /"?(token|auth|password)"?\s*:/)) return readToken(home)?.token
  const { clientConfig } = await import("./client-config.ts")
  return clientToken({ env: cli.env, config: clientConfig(cli), home }).token
}

/** A cheap look at the configuration: false when it certainly says nothing of the kind. */
function mayHold(path: string, words: RegExp): boolean {
  try {
    return words.test(readFileSync(path, "utf8"))
  } catch {
    // Not there, or not readable: the gateway that runs has none of its settings from it either.
    return false
  }
}

async function startOwn(cli: Cli): Promise<Target> {
  const { openOwnGateway } = await import("./standalone.ts")
  const { home, profile, config } = cli.flags
  const token = flagToken(cli)
  const flags = { home, profile, config, host: "127.0.0.1", port: 0, ...(token === undefined ? {} : { token }) }
  const gateway = await openOwnGateway({ env: cli.env, flags })
  for (const warning of gateway.warnings) cli.err.line(cli.err.paint(warning, "yellow"))
  return {
    url: gateway.url.replace(/^http/, "ws"),
    token: gateway.token,
    local: true,
    close: () => gateway.close(0),
  }
}

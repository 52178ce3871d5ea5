// `pincer gateway probe`: which gateways can be reached, and whether each lets this command in. Each is shown only the token that belongs to
// it; those that were found on the network are shown none, and are asked only at private addresses.
import { isSpecialAddress } from "../base/address.ts"
import { asPincerError } from "../base/errors.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { loadConfig } from "../config/load.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { homeToken, openClient, otherGateway, type Target } from "./connect.ts"
import { millisecondsOf, pointedAt, type TargetFlags } from "./gateway-target.ts"
import { Exit } from "./report.ts"

export interface ProbeFlags extends TargetFlags {
  discover?: boolean
  json?: boolean
}

interface Probe {
  target: "named" | "home" | "loopback" | "discovered"
  url: string
  /** What named it. */
  namedBy?: string
  reachable: boolean
  latencyMs: number
  /** "ok", or: it wants a token and got none, or refused the one it got. Absent when nobody answered. */
  auth?: "ok" | "needed" | "refused"
  version?: string
  scopes?: string[]
  error?: string
}

type Asked = Pick<Probe, "target" | "url" | "namedBy"> & Pick<Target, "token">

const DEFAULT_TIMEOUT = "5000"

/** Throws Exit(1) when none lets this command in. */
export async function probeGateways(given: Cli, flags: ProbeFlags): Promise<void> {
  const cli = pointedAt(given, flags)
  const timeoutMs = millisecondsOf(flags.timeout ?? DEFAULT_TIMEOUT)
  const asked = await targets(cli, flags, timeoutMs)
  const probes = await Promise.all(asked.map((one) => probe(cli, one, timeoutMs)))
  const ok = probes.some((one) => one.auth === "ok")
  if (flags.json) cli.out.json({ ok, probes })
  else {
    const rows = probes.map((one) => [
      one.namedBy ?? one.target,
      one.url,
      verdict(one),
      `${one.latencyMs} ms`,
      detail(one),
    ])
    cli.out.table(["TARGET", "ADDRESS", "VERDICT", "TOOK", ""], rows)
    if (!ok) cli.err.line(`fix: ${nextStep(probes)}`)
  }
  if (!ok) throw new Exit(1)
}

async function targets(cli: Cli, flags: ProbeFlags, timeoutMs: number): Promise<Asked[]> {
  const named = await otherGateway(cli)
  const { home } = resolvePaths(cli.env, cli.flags)
  const running = runningGateway(home)
  const found: Asked[] = []
  if (named) found.push({ target: "named", ...named })
  // A token that was given for a named gateway is not for others.
  const own = named ? { ...cli, flags: { ...cli.flags, token: undefined, tokenFile: undefined } } : cli
  const token = await homeToken(own, home)
  if (running) found.push({ target: "home", url: running.url, token })
  else if (!named) found.push({ target: "loopback", url: loopback(cli), token })
  if (flags.discover) {
    const { listenForBeacons } = await import("./beacons.ts")
    const beacons = await listenForBeacons(Math.min(timeoutMs, 2_000))
    for (const { wsUrl, addresses, name } of beacons)
      if (addresses[0] !== undefined && isSpecialAddress(addresses[0]))
        found.push({ target: "discovered", url: wsUrl, namedBy: name, token: undefined })
  }
  return found.filter((one, i) => found.findIndex((other) => other.url === one.url) === i)
}

/** Where a gateway of this home would listen. */
function loopback(cli: Cli): string {
  const { config } = loadConfig({ env: cli.env, flags: cli.flags })
  return `ws://127.0.0.1:${config.gateway.port}`
}

async function probe(cli: Cli, { target, url, namedBy, token }: Asked, timeoutMs: number): Promise<Probe> {
  const began = performance.now()
  const base = { target, url, ...(namedBy === undefined ? {} : { namedBy }) }
  const latencyMs = () => Math.round((performance.now() - began) * 10) / 10
  try {
    const client = await openClient(cli, { url, token }, { connectTimeoutMs: timeoutMs })
    const { server, auth } = client.hello
    client.close()
    const version = typeof server.version === "string" ? { version: server.version } : {}
    return { ...base, reachable: true, latencyMs: latencyMs(), auth: "ok", ...version, scopes: auth?.scopes ?? [] }
  } catch (error) {
    const { code, message } = asPincerError(error)
    const turnedAway = code === "AUTH_REQUIRED" || code === "NOT_PAIRED" || code === "PERMISSION_DENIED"
    const auth = token === undefined ? "needed" : "refused"
    return { ...base, reachable: turnedAway, latencyMs: latencyMs(), ...(turnedAway ? { auth } : {}), error: message }
  }
}

function verdict({ reachable, auth }: Probe): string {
  if (!reachable) return "not reachable"
  if (auth === "ok") return "ok"
  return auth === "needed" ? "wants a token" : "refuses the token"
}

function detail({ version, error }: Probe): string {
  return error ?? (version === undefined ? "" : `version ${version}`)
}

function nextStep(probes: readonly Probe[]): string {
  const shut = probes.find((one) => one.reachable)
  if (!shut) return probes.some((one) => one.target === "named") ? "check the address" : "pincer gateway start"
  const where = shut.target === "named" || shut.target === "discovered" ? ` --url ${shut.url}` : ""
  return `pincer gateway probe${where} --token-file <file with its token>`
}

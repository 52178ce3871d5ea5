// Gateways that announce themselves on the local network. Everything that they say of themselves is a claim: it is bounded, made harmless
// and shown as such; nobody is connected to, and nothing of this machine is shown to them.
import { isIP } from "node:net"
import { systemClock } from "../base/clock.ts"

/** One gateway that was heard of. */
export interface Beacon {
  name: string
  host: string
  port: number
  /** How it was found. */
  method: "mdns" | "home"
  wsUrl: string
  addresses: string[]
  /** "_pincer._tcp" */
  service?: string
  /** Its own words. */
  claims?: { tls: boolean; sha256?: string; id?: string }
}

/** What a library for mDNS hands over for each service. */
export interface Heard {
  name?: unknown
  host?: unknown
  port?: unknown
  type?: unknown
  addresses?: unknown
  txt?: unknown
  referer?: unknown
}

export type Listen = (types: readonly string[], heard: (one: Heard) => void) => () => void

/** Ours, and those of gateways that speak the same protocol. */
const TYPES = ["pincer", "openclaw-gw", "clawdbot-gw", "pyclaw"] as const
const MAX_BEACONS = 100
const MAX_NAME = 100

/** Listens for `timeoutMs`. */
export async function listenForBeacons(timeoutMs: number, listen?: Listen): Promise<Beacon[]> {
  const found = new Map<string, Beacon>()
  const stop = (listen ?? (await openListener()))(TYPES, (one) => {
    const beacon = beaconOf(one)
    if (beacon && (found.size < MAX_BEACONS || found.has(beacon.wsUrl))) found.set(beacon.wsUrl, beacon)
  })
  await systemClock.sleep(timeoutMs)
  stop()
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name) || a.wsUrl.localeCompare(b.wsUrl))
}

/** Undefined for what names no address that could be connected to. */
export function beaconOf({ name, host, port, type, addresses, txt, referer }: Heard): Beacon | undefined {
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  const from = property(referer, "address")
  const listed = Array.isArray(addresses) ? addresses : []
  const good = [...listed, from].filter((one): one is string => typeof one === "string" && usable(one))
  const unique = [...new Set(good)].sort((a, b) => isIP(a) - isIP(b)).slice(0, 8)
  const [first] = unique
  if (first === undefined) return undefined
  const tls = property(txt, "tls") === "1" || property(txt, "gatewayTls") === "1"
  const sha256 = hex(property(txt, "sha256") ?? property(txt, "gatewayTlsSha256"))
  const id = property(txt, "id")
  return {
    name: short(property(txt, "name") ?? property(txt, "displayName") ?? name) || first,
    host: short(host) || first,
    port,
    method: "mdns",
    wsUrl: `${tls ? "wss" : "ws"}://${isIP(first) === 6 ? `[${first}]` : first}:${port}`,
    addresses: unique,
    ...(typeof type === "string" ? { service: `_${short(type)}._tcp` } : {}),
    claims: {
      tls,
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(typeof id === "string" && /^[\w-]{1,40}$/.test(id) ? { id } : {}),
    },
  }
}

/** No zone can be named in a URL, so link-local ones lead nowhere; neither do those that mean everybody. */
function usable(address: string): boolean {
  if (isIP(address) === 0) return false
  return !/^(fe[89ab]|ff|::$|0\.0\.0\.0$|255\.|22[4-9]\.|23\d\.)/i.test(address)
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined
}

function short(value: unknown): string {
  return typeof value === "string" ? [...value].slice(0, MAX_NAME).join("").trim() : ""
}

function hex(value: unknown): string | undefined {
  return typeof value === "string" && /^[0-9a-f]{64}$/i.test(value) ? value.toLowerCase() : undefined
}

async function openListener(): Promise<Listen> {
  const { Bonjour } = await import("bonjour-service")
  return (types, heard) => {
    // Strangers' packets that cannot be read, or an interface without multicast: what is heard of the others still counts.
    const bonjour = new Bonjour({}, () => undefined)
    for (const type of types) {
      const browser = bonjour.find({ type }, heard)
      browser.on("srv-update", heard)
      browser.on("txt-update", heard)
    }
    return () => bonjour.destroy()
  }
}

// One spelling for each host, so that a rule and a connection are compared as what they mean: case, trailing dot, Unicode twins and
// punycode, percent encoding, decimal, octal and hex IPv4, IPv4 inside IPv6. What has no single meaning is no host.
import { isIP, isIPv6 } from "node:net"

export interface HostPort {
  host: string
  port: number
}

const MAX_NAME = 253

/** The host in its one spelling (IPv6 without brackets), or undefined when it is none. No port, no user name. */
export function normalHost(raw: string): string | undefined {
  if (raw === "" || raw.length > 1_024 || /[\s\u0000-\u0020\u007f/?#@\\<>^|]/.test(raw)) return undefined
  const bare = /^\[(.*)\]$/.exec(raw)?.[1] ?? raw
  // A zone ("fe80::1%eth0") names a network card of this machine; a second colon outside an address means nothing.
  if (bare.includes(":") && (bare.includes("%") || !isIPv6(bare))) return undefined
  const text = `http://${bare.includes(":") ? `[${bare}]` : raw}/`
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.port !== "" || url.pathname !== "/" || url.username !== "") return undefined
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "")
  if (isIP(host) === 6) return unmapped(host)
  if (host === "" || host.length > MAX_NAME || /^\.|\.\.|\.$/.test(host)) return undefined
  return host
}

/** "host:port" or "[v6]:port" as both parts; undefined when either is missing or means nothing. */
export function hostPort(raw: string, defaultPort?: number): HostPort | undefined {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(raw)
  if (!match) return undefined
  const host = normalHost(match[1]!)
  const port = match[2] === undefined ? defaultPort : Number(match[2])
  if (host === undefined || port === undefined || !isPort(port)) return undefined
  return { host, port }
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535
}

/** For a sentence or a Host header. */
export function hostPortText(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`
}

/** "::ffff:7f00:1" is 127.0.0.1: judged, compared and connected to as that. */
function unmapped(host: string): string {
  const match = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host)
  if (!match) return host
  const [high, low] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join(".")
}

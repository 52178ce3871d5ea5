// Who is this, and may they. One constant-time check for every door; Host and Origin are judged here too, before anything is read.
import type { IncomingMessage } from "node:http"
import { PincerError } from "../base/errors.ts"
import { ALL_SCOPES, type Scope } from "../protocol/frame.ts"
import { sameSecret, tokenHash } from "./access/digest.ts"
import { isForwarded, Proxies } from "./access/forwarded.ts"
import { Limiter } from "./access/limiter.ts"
import { proxiedUser } from "./access/trusted-proxy.ts"
import type { Parts } from "./parts.ts"

export { sameSecret, tokenHash } from "./access/digest.ts"

/** The outcome of a credential check on HTTP. */
export type HttpIdentity = Identity | { ok: false; error: PincerError }

export interface Identity {
  ok: true
  /** "owner", or the id of a device. */
  subject: string
  scopes: readonly Scope[]
  /** Known by a device's token: which epoch of its rights was looked at (device-members.ts). */
  epoch?: number
  /** Whom the trusted proxy named. */
  user?: string
  /** The client's address, when it is not this machine. */
  address?: string
}

export interface Auth {
  /** `Authorization: Bearer <shared token or device token>`, or `instead` where a browser cannot send it; limited per address. */
  bearer(request: IncomingMessage, instead?: string): Promise<HttpIdentity>
  /** The same for a secret that came in another way than the header, which is not looked at. */
  secret(request: IncomingMessage, secret: string | undefined): Promise<HttpIdentity>
  /** Whether a secret is the shared token. Takes the same time for every wrong one. */
  isToken(secret: string | undefined): boolean
  /** Undefined when the Host header names this gateway, else the refusal (DNS rebinding, A3). */
  hostRefusal(request: IncomingMessage): PincerError | undefined
  /** Undefined when there is no Origin header or it is allowed, else the refusal (A1). `Origin: null` is refused. */
  originRefusal(request: IncomingMessage): PincerError | undefined
  /** Loopback peer, loopback Host, nothing forwarded: somebody on this machine. */
  isLocal(request: IncomingMessage): boolean
  /** Whether failed attempts of this peer are counted and lock it out: everybody but programs on this machine. */
  isCounted(request: IncomingMessage): boolean
  /** The client's address: the peer's, or the one that a trusted proxy tells. */
  addressOf(request: IncomingMessage): string
  /** The same when it is not this machine: what limits and bans count by. */
  foreign(request: IncomingMessage): { address?: string }
  /** RATE_LIMITED when this peer has failed too often, else undefined. */
  limited(request: IncomingMessage): PincerError | undefined
  /** A failed attempt of this peer. */
  failed(request: IncomingMessage): void
  /** In mode "trusted-proxy": whom the proxy names, or why this request is refused. Undefined where the proxy is not asked. */
  proxied(request: IncomingMessage): { user: string; scopes: readonly Scope[] } | PincerError | undefined
  /** False when this signature was seen before: those without a nonce count once. */
  isFirstUse(signature: string): boolean
}

type Slice = Pick<Parts, "token" | "config" | "store" | "clock"> & {
  devices: Pick<Parts["devices"], "members" | "used">
}

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"]

/** Signatures remembered at once: far more than devices sign within the accepted clock difference. */
const MAX_SIGNATURES = 10_000

export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false
  return address === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address)
}

export function openAuth(parts: Slice): Auth {
  const { clock, devices, store, token } = parts
  const limiter = new Limiter(() => parts.config.gateway.auth.rateLimit, clock)
  let known: { of: Slice["config"]; hosts: Set<string>; proxies: Proxies } | undefined
  const now = () => {
    const { config } = parts
    if (known?.of !== config)
      known = { of: config, hosts: hostNames(config), proxies: new Proxies(config.gateway.trustedProxies) }
    return known
  }
  const isToken = (secret: string | undefined) =>
    token === undefined ? parts.config.gateway.auth.mode === "none" : secret !== undefined && sameSecret(secret, token)
  const isLocal = (request: IncomingMessage) =>
    isLoopbackAddress(request.socket.remoteAddress) &&
    LOOPBACK_NAMES.includes(hostOf(request.headers.host) ?? "") &&
    !isForwarded(request.headers, parts.config.gateway.auth.trustedProxy?.userHeader)
  const isCounted = (request: IncomingMessage) => !isLocal(request) || request.headers.origin !== undefined
  const isOwn = (request: IncomingMessage, host: string | undefined) =>
    host !== undefined && (now().hosts.has(host) || host === literal(request.socket.localAddress))
  const addressOf = (request: IncomingMessage) => now().proxies.client(request)
  const foreign = (request: IncomingMessage) => {
    const address = addressOf(request)
    return address === "" || isLoopbackAddress(address) ? {} : { address }
  }
  const limited = (request: IncomingMessage) => (isCounted(request) ? limiter.refusal(addressOf(request)) : undefined)
  const failed = (request: IncomingMessage) => {
    if (isCounted(request)) limiter.fail(addressOf(request))
  }
  const proxied = (request: IncomingMessage) =>
    parts.config.gateway.auth.mode !== "trusted-proxy" || isLocal(request)
      ? undefined
      : proxiedUser(request, parts.config.gateway.auth.trustedProxy, now().proxies)
  const used = new Set<string>()
  const identify = async (request: IncomingMessage, secret: string | undefined): Promise<HttpIdentity> => {
    const locked = limited(request)
    if (locked) return { ok: false, error: locked }
    const byProxy = proxied(request)
    if (byProxy instanceof PincerError) {
      failed(request)
      return { ok: false, error: byProxy }
    }
    const where = foreign(request)
    const epoch = devices.members.epoch()
    if (byProxy) return { ok: true, subject: "owner", ...byProxy, epoch, ...where }
    if (isToken(secret)) return { ok: true, subject: "owner", scopes: ALL_SCOPES, ...where }
    const device = secret === undefined ? undefined : await store.devices.byTokenHash(tokenHash(secret))
    if (device?.role === "operator") {
      const { deviceId } = device.device
      devices.used(deviceId, device.role)
      return { ok: true, subject: deviceId, scopes: device.scopes as Scope[], epoch, ...where }
    }
    failed(request)
    return { ok: false, error: new PincerError("AUTH_REQUIRED", "Unauthorized") }
  }
  return {
    addressOf,
    foreign,
    limited,
    failed,
    proxied,
    isToken,
    isLocal,
    isCounted,
    isFirstUse(signature) {
      if (used.has(signature)) return false
      used.add(signature)
      if (used.size > MAX_SIGNATURES) used.delete(used.values().next().value!)
      return true
    },
    hostRefusal(request) {
      if (isOwn(request, hostOf(request.headers.host))) return undefined
      return new PincerError(
        "PERMISSION_DENIED",
        `Host "${printable(request.headers.host)}" is not this gateway: add it to gateway.allowedHosts`,
      )
    },
    originRefusal(request) {
      const { origin } = request.headers
      if (origin === undefined || parts.config.gateway.allowedOrigins.includes(origin)) return undefined
      const authority = authorityOf(origin)
      if (authority === request.headers.host?.toLowerCase() && isOwn(request, hostOf(authority))) return undefined
      return new PincerError(
        "PERMISSION_DENIED",
        `Origin "${printable(origin)}" may not use this gateway: add it to gateway.allowedOrigins`,
      )
    },
    bearer: (request, instead) =>
      identify(request, /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? instead),
    secret: identify,
  }
}

/** Names under which this gateway may be addressed, without ports. A wildcard address is no name. */
function hostNames(config: Slice["config"]): Set<string> {
  const { gateway } = config
  const bound = [gateway.host, ...gateway.listeners.map((one) => one.host)].filter(
    (host) => host !== "0.0.0.0" && host !== "::",
  )
  const names = [
    ...LOOPBACK_NAMES,
    ...bound.map((host) => (host.includes(":") ? `[${host}]` : host)),
    ...gateway.allowedHosts,
  ]
  return new Set(names.map((name) => hostOf(name) ?? name.toLowerCase()))
}

/** The name in a Host header, lower case, without port and trailing dot; undefined when it is not one plain host. */
export function hostOf(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::\d{1,5})?$/i.exec(header ?? "")
  return match?.[1]?.toLowerCase()
}

/** Host and port of a web origin, lower case; undefined for "null" and anything that is no plain http(s) origin. */
export function authorityOf(origin: string): string | undefined {
  return /^https?:\/\/([^/?#@\s]+)$/i.exec(origin)?.[1]?.toLowerCase()
}

/** An address as a Host header has it: who names the very address that he reached was not led here by a foreign name. */
function literal(address: string | undefined): string | undefined {
  if (address === undefined) return undefined
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "")
  return plain.includes(":") ? `[${plain.toLowerCase()}]` : plain
}

function printable(text: string | undefined): string {
  return (text ?? "").slice(0, 100).replace(/[^\x20-\x7e]/g, "?")
}

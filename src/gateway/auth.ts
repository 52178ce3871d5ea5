// Who is this, and may they. One constant-time check for every door; Host and Origin are judged here too, before anything is read.
import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { PincerError } from "../base/errors.ts"
import { ALL_SCOPES, type Scope } from "../protocol/frame.ts"
import { Limiter } from "./limiter.ts"
import type { Parts } from "./parts.ts"

/** The outcome of a credential check on HTTP. */
export type HttpIdentity = { ok: true; subject: string; scopes: readonly Scope[] } | { ok: false; error: PincerError }

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
  /** Failed attempts per address; to be asked only where isCounted(). */
  readonly limiter: Limiter
  /** False when this signature was seen before: those without a nonce count once. */
  isFirstUse(signature: string): boolean
}

type Slice = Pick<Parts, "token" | "config" | "store" | "clock">

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"]
const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"]

/** Signatures remembered at once: far more than devices sign within the accepted clock difference. */
const MAX_SIGNATURES = 10_000

export function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest()
}

/** The hash under which a device token is stored. */
export function tokenHash(token: string): string {
  return sha256(token).toString("hex")
}

/** Hashing first makes lengths equal, so that neither length nor content shows in the time it takes. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(sha256(a), sha256(b))
}

export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false
  return address === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address)
}

export function openAuth(parts: Slice): Auth {
  const { clock, store, token } = parts
  const limiter = new Limiter(() => parts.config.gateway.auth.rateLimit, clock)
  let named: { of: Slice["config"]; hosts: Set<string> } | undefined
  const hostsNow = () => {
    if (named?.of !== parts.config) named = { of: parts.config, hosts: hostNames(parts.config) }
    return named.hosts
  }
  const isToken = (secret: string | undefined) =>
    token === undefined ? parts.config.gateway.auth.mode === "none" : secret !== undefined && sameSecret(secret, token)
  const isLocal = (request: IncomingMessage) =>
    isLoopbackAddress(request.socket.remoteAddress) &&
    LOOPBACK_NAMES.includes(hostOf(request.headers.host) ?? "") &&
    !FORWARDED.some((name) => request.headers[name] !== undefined)
  const isCounted = (request: IncomingMessage) => !isLocal(request) || request.headers.origin !== undefined
  const isOwn = (request: IncomingMessage, host: string | undefined) =>
    host !== undefined && (hostsNow().has(host) || host === literal(request.socket.localAddress))
  const used = new Set<string>()
  const identify = async (request: IncomingMessage, secret: string | undefined): Promise<HttpIdentity> => {
    const address = request.socket.remoteAddress ?? ""
    const limited = isCounted(request) ? limiter.refusal(address) : undefined
    if (limited) return { ok: false, error: limited }
    if (isToken(secret)) return { ok: true, subject: "owner", scopes: ALL_SCOPES }
    const device = secret === undefined ? undefined : await store.devices.byTokenHash(tokenHash(secret))
    if (device?.role === "operator")
      return { ok: true, subject: device.device.deviceId, scopes: device.scopes as Scope[] }
    if (isCounted(request)) limiter.fail(address)
    return { ok: false, error: new PincerError("AUTH_REQUIRED", "Unauthorized") }
  }
  return {
    limiter,
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

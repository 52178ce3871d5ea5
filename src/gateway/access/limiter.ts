// Failed attempts per network address: after so many within a window, everything from there is refused for a while. Bounded memory.
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"

export interface LimiterSettings {
  maxAttempts: number
  windowMs: number
  lockoutMs: number
}

/** Networks remembered at once; the oldest are forgotten first. */
const MAX_NETWORKS = 10_000

interface Entry {
  failures: number
  since: number
  lockedUntil: number
}

/** What one attacker holds at least: an IPv4 address, or the 64 leading bits of an IPv6 one. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(":")) return address
  const [left = "", right] = address.toLowerCase().replace(/%.*$/, "").split("::")
  const head = left === "" ? [] : left.split(":")
  const tail = right === undefined || right === "" ? [] : right.split(":")
  const zeros = right === undefined ? [] : new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0")
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(":")}::/64`
}

export class Limiter {
  readonly #entries = new Map<string, Entry>()
  readonly #settings: () => LimiterSettings
  readonly #clock: Clock

  constructor(settings: () => LimiterSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
  }

  /** RATE_LIMITED with the time that is left, or undefined when this address may try. */
  refusal(address: string): PincerError | undefined {
    const entry = this.#entries.get(networkOf(address))
    const now = this.#clock.now()
    if (!entry || entry.lockedUntil <= now) return undefined
    return new PincerError("RATE_LIMITED", "unauthorized: too many failed attempts, wait and try again", {
      retryAfterMs: entry.lockedUntil - now,
      details: { code: "AUTH_RATE_LIMITED", recommendedNextStep: "wait_then_retry" },
    })
  }

  fail(address: string): void {
    const now = this.#clock.now()
    const network = networkOf(address)
    const { lockoutMs, maxAttempts, windowMs } = this.#settings()
    const old = this.#entries.get(network)
    const counts = old && (old.lockedUntil > now || now - old.since < windowMs)
    const entry = counts ? old : { failures: 0, since: now, lockedUntil: 0 }
    entry.failures += 1
    if (entry.failures >= maxAttempts) entry.lockedUntil = now + lockoutMs
    this.#entries.delete(network)
    this.#entries.set(network, entry)
    if (this.#entries.size > MAX_NETWORKS) this.#entries.delete(this.#entries.keys().next().value!)
  }
}

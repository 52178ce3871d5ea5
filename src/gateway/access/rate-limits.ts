// The named limits of R-40, each a sliding window per caller. Refusals say when to come back. Bounded: the oldest callers are forgotten.
import type { z } from "zod"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import type { rateLimits } from "../../config/rate-limits.ts"
import { networkOf } from "./limiter.ts"

export type RateLimitSettings = z.infer<typeof rateLimits>
export type RateLimitName = "controlWrites" | "sessionCreations"

/** Who is counted. */
export interface RateCaller {
  connId: string
  clientId: string
  deviceId?: string
  /** Absent for programs on this machine. */
  address?: string
}

/** Callers remembered at once, for each limit. */
const MAX_CALLERS = 10_000

/** The times of what happened within the window, oldest first. */
class Window {
  readonly #times = new Map<string, number[]>()

  /** 0 when it may happen now, and it is noted; else how long to wait. */
  take(key: string, max: number, windowMs: number, now: number): number {
    const times = (this.#times.get(key) ?? []).filter((at) => now - at < windowMs)
    this.#times.delete(key)
    this.#times.set(key, times)
    if (this.#times.size > MAX_CALLERS) this.#times.delete(this.#times.keys().next().value!)
    if (times.length >= max) return windowMs - (now - times[0]!)
    times.push(now)
    return 0
  }
}

export class RateLimits {
  readonly #settings: () => RateLimitSettings
  readonly #clock: Clock
  readonly #windows = { controlWrites: new Window(), sessionCreations: new Window(), connects: new Window() }
  readonly #bans = new Map<string, number>()

  /** `settings` is asked each time: they may change while running. */
  constructor(settings: () => RateLimitSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
  }

  /** Counts one call. Throws RATE_LIMITED with retryAfterMs. */
  take(name: RateLimitName, caller: RateCaller): void {
    const { max, windowMs } = this.#settings()[name]
    if (max === 0 || (name === "controlWrites" && caller.address === undefined)) return
    const wait = this.#windows[name].take(keyOf(caller), max, windowMs, this.#clock.now())
    if (wait === 0) return
    const seconds = Math.ceil(wait / 1000)
    throw new PincerError(
      "RATE_LIMITED",
      `Too many of these calls: at most ${max} in ${Math.round(windowMs / 1000)} seconds. Try again in ${seconds} s`,
      { retryAfterMs: wait, details: { limit: name, max, windowMs } },
    )
  }

  /** Counts one connection from a network address that is not this machine. RATE_LIMITED when it is one too many, or still banned. */
  connect(address: string): PincerError | undefined {
    const { banMs, max, windowMs } = this.#settings().connects
    if (max === 0) return undefined
    const network = networkOf(address)
    const now = this.#clock.now()
    const until = this.#bans.get(network) ?? 0
    if (until > now) return tooManyConnects(until - now)
    this.#bans.delete(network)
    const wait = this.#windows.connects.take(network, max, windowMs, now)
    if (wait === 0) return undefined
    const ban = Math.max(wait, banMs)
    this.#bans.set(network, now + ban)
    if (this.#bans.size > MAX_CALLERS) this.#bans.delete(this.#bans.keys().next().value!)
    return tooManyConnects(ban)
  }
}

function tooManyConnects(retryAfterMs: number): PincerError {
  return new PincerError(
    "RATE_LIMITED",
    `Too many connections from your address: wait ${Math.ceil(retryAfterMs / 1000)} s`,
    {
      retryAfterMs,
      details: { code: "CONNECT_RATE_LIMITED", limit: "connects" },
    },
  )
}

/** A device counts for itself wherever it is; others by address and kind of client. */
function keyOf({ address, clientId, deviceId }: RateCaller): string {
  const where = address === undefined ? "this machine" : networkOf(address)
  return deviceId === undefined ? `${where} ${clientId}` : `${where} ${deviceId}`
}

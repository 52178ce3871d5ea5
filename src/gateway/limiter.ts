// Failed attempts per address: after so many within a window, everything from there is refused for a while. Bounded memory.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"

export interface LimiterSettings {
  maxAttempts: number
  windowMs: number
  lockoutMs: number
}

/** Addresses remembered at once; the oldest are forgotten first. */
const MAX_ADDRESSES = 10_000

interface Entry {
  failures: number
  since: number
  lockedUntil: number
}

export class Limiter {
  readonly #entries = new Map<string, Entry>()
  readonly #settings: LimiterSettings
  readonly #clock: Clock

  constructor(settings: LimiterSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
  }

  /** RATE_LIMITED with the time that is left, or undefined when this address may try. */
  refusal(address: string): PincerError | undefined {
    const entry = this.#entries.get(address)
    const now = this.#clock.now()
    if (!entry || entry.lockedUntil <= now) return undefined
    return new PincerError("RATE_LIMITED", "unauthorized: too many failed attempts, wait and try again", {
      retryAfterMs: entry.lockedUntil - now,
      details: { code: "AUTH_RATE_LIMITED", recommendedNextStep: "wait_then_retry" },
    })
  }

  fail(address: string): void {
    const now = this.#clock.now()
    const old = this.#entries.get(address)
    const entry = old && now - old.since < this.#settings.windowMs ? old : { failures: 0, since: now, lockedUntil: 0 }
    entry.failures += 1
    if (entry.failures >= this.#settings.maxAttempts) entry.lockedUntil = now + this.#settings.lockoutMs
    this.#entries.delete(address)
    this.#entries.set(address, entry)
    if (this.#entries.size > MAX_ADDRESSES) this.#entries.delete(this.#entries.keys().next().value!)
  }
}

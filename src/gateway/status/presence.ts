// Who is connected, as far as they said and we saw. Bounded; entries of gone connections stay for five minutes (protocol §6.1).
import type { Clock } from "../../base/clock.ts"

export interface PresenceEntry {
  host?: string
  ip?: string
  version?: string
  platform?: string
  deviceFamily?: string
  modelIdentifier?: string
  mode?: string
  reason?: string
  text?: string
  ts: number
  deviceId?: string
  roles?: string[]
  scopes?: string[]
  instanceId?: string
  lastInputSeconds?: number
  tags?: string[]
}

const MAX_ENTRIES = 200
const TTL_MS = 5 * 60_000

export class Presence {
  readonly #entries = new Map<string, PresenceEntry>()
  readonly #clock: Clock
  readonly #self: PresenceEntry
  /** Counts changes, so that a client can discard an older snapshot. */
  version = 1
  /** Authenticated connections that are open now. Kept by the sockets. */
  connections = 0

  constructor(clock: Clock, self: PresenceEntry) {
    this.#clock = clock
    this.#self = self
  }

  set(key: string, entry: PresenceEntry): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size > MAX_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!)
    this.version += 1
  }

  /** Still connected: the entry lives on, and nobody needs to be told. */
  refresh(key: string, now: number): void {
    const entry = this.#entries.get(key)
    if (entry) this.#entries.set(key, { ...entry, ts: now })
  }

  /** The gateway itself first, then the newest. */
  list(): PresenceEntry[] {
    const now = this.#clock.now()
    for (const [key, entry] of this.#entries) if (entry.ts + TTL_MS < now) this.#entries.delete(key)
    return [{ ...this.#self, ts: now }, ...[...this.#entries.values()].reverse()]
  }
}

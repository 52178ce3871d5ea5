// The events that a connection was sent, for a while, so that a client that comes back gets what it missed (protocol §9.7).
// Bounded by number, bytes and age. What many are told is kept once for all of them, and numbers follow from the place; text that repeats
// with every frame of a growing answer is not kept but made again.

export const REPLAY = { maxEvents: 2_000, maxAgeMs: 120_000, maxBytes: 4 * 1024 * 1024 } as const

/** What a frame with a payload that can be made again counts for. */
const SMALL = 256

/** One event, the same for everybody who is told of it. */
export interface ToldEvent {
  /** ms since 1970. */
  readonly at: number
  /** Place among all events of the door. */
  readonly order: number
  readonly event: string
  /** JSON, or how to make it. */
  readonly payload: string | (() => string)
  readonly stateVersion?: { presence: number; health: number } | undefined
}

export interface Sent extends ToldEvent {
  readonly seq: number
}

/** The frame on the wire. */
export function frameText(sent: Pick<Sent, "seq" | "event" | "stateVersion">, payload: string): string {
  const version = sent.stateVersion ? `,"stateVersion":${JSON.stringify(sent.stateVersion)}` : ""
  return `{"type":"event","event":"${sent.event}","payload":${payload},"seq":${sent.seq}${version}}`
}

export class Ring {
  #kept: ToldEvent[] = []
  #head = 0
  #bytes = 0
  /** Number of what stands first in `#kept`; the others follow without a hole. */
  #first = 0

  /** `seq` follows on the one before. */
  add(told: ToldEvent, seq: number): void {
    if (this.#kept.length === 0) this.#first = seq
    this.#kept.push(told)
    this.#bytes += weight(told)
    while (this.#head < this.#kept.length - 1) {
      const oldest = this.#kept[this.#head]!
      const tooMany = this.#kept.length - this.#head > REPLAY.maxEvents || this.#bytes > REPLAY.maxBytes
      if (!tooMany && oldest.at >= told.at - REPLAY.maxAgeMs) break
      this.#bytes -= weight(oldest)
      this.#head += 1
    }
    if (this.#head > 256 && this.#head * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head)
      this.#first += this.#head
      this.#head = 0
    }
  }

  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#kept.length - this.#head
  }

  /** Number that the last event had when the door's order was `order`; undefined when nothing is kept. */
  lastUntil(order: number): number | undefined {
    for (let i = this.#kept.length - 1; i >= this.#head; i--) if (this.#kept[i]!.order <= order) return this.#first + i
    return this.size === 0 ? undefined : this.#first + this.#head - 1
  }

  /** Events numbered from `seq` + 1 to `last`, oldest first; undefined when some of them are gone. */
  between(seq: number, last: number): Sent[] | undefined {
    if (seq === last) return []
    const from = seq + 1 - this.#first
    const to = last - this.#first
    if (last < seq || from < this.#head || to >= this.#kept.length) return undefined
    return this.#kept.slice(from, to + 1).map((told, i) => ({ ...told, seq: seq + 1 + i }))
  }

  clear(): void {
    this.#kept = []
    this.#head = 0
    this.#bytes = 0
  }
}

function weight({ payload }: ToldEvent): number {
  return typeof payload === "string" ? payload.length + SMALL : SMALL
}

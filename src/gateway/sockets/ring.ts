// The events that a connection was sent, for a while, so that a client that comes back gets what it missed (protocol §9.7).
// Bounded by number, bytes and age. Text that repeats with every frame of a growing answer is not kept but made again.

export const REPLAY = { maxEvents: 2_000, maxAgeMs: 120_000, maxBytes: 4 * 1024 * 1024 } as const

/** What a frame with a payload that can be made again counts for. */
const SMALL = 256

export interface Sent {
  seq: number
  /** ms since 1970. */
  at: number
  /** Place among all events of the door. */
  order: number
  event: string
  /** JSON, or how to make it. */
  payload: string | (() => string)
  stateVersion?: { presence: number; health: number }
}

/** The frame on the wire. */
export function frameText(sent: Pick<Sent, "seq" | "event" | "stateVersion">, payload: string): string {
  const version = sent.stateVersion ? `,"stateVersion":${JSON.stringify(sent.stateVersion)}` : ""
  return `{"type":"event","event":"${sent.event}","payload":${payload},"seq":${sent.seq}${version}}`
}

export class Ring {
  #kept: Sent[] = []
  #head = 0
  #bytes = 0

  add(sent: Sent): void {
    this.#kept.push(sent)
    this.#bytes += weight(sent)
    while (this.#head < this.#kept.length - 1) {
      const oldest = this.#kept[this.#head]!
      const tooMany = this.#kept.length - this.#head > REPLAY.maxEvents || this.#bytes > REPLAY.maxBytes
      if (!tooMany && oldest.at >= sent.at - REPLAY.maxAgeMs) break
      this.#bytes -= weight(oldest)
      this.#head += 1
    }
    if (this.#head > 256 && this.#head * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head)
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
    for (let i = this.#kept.length - 1; i >= this.#head; i--)
      if (this.#kept[i]!.order <= order) return this.#kept[i]!.seq
    const first = this.#kept[this.#head]
    return first && first.seq - 1
  }

  /** Events numbered from `seq` + 1 to `last`, oldest first; undefined when some of them are gone. */
  between(seq: number, last: number): Sent[] | undefined {
    if (seq === last) return []
    const kept = this.#kept.slice(this.#head).filter((one) => one.seq > seq && one.seq <= last)
    return kept.length === last - seq ? kept : undefined
  }

  clear(): void {
    this.#kept = []
    this.#head = 0
    this.#bytes = 0
  }
}

function weight({ payload }: Sent): number {
  return typeof payload === "string" ? payload.length + SMALL : SMALL
}

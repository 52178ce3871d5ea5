// The events that a connection was sent, for a while, so that a client that comes back gets what it missed (protocol §9.7).
// Bounded by number, bytes and age.

export const REPLAY = { maxEvents: 2_000, maxAgeMs: 120_000, maxBytes: 4 * 1024 * 1024 } as const

interface Kept {
  seq: number
  at: number
  text: string
}

export class Ring {
  #kept: Kept[] = []
  #head = 0
  #bytes = 0

  add(seq: number, at: number, text: string): void {
    this.#kept.push({ seq, at, text })
    this.#bytes += text.length
    while (this.#head < this.#kept.length - 1) {
      const oldest = this.#kept[this.#head]!
      const tooMany = this.#kept.length - this.#head > REPLAY.maxEvents || this.#bytes > REPLAY.maxBytes
      if (!tooMany && oldest.at >= at - REPLAY.maxAgeMs) break
      this.#bytes -= oldest.text.length
      this.#head += 1
    }
    if (this.#head > 256 && this.#head * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head)
      this.#head = 0
    }
  }

  /** Frames numbered from `seq` + 1 to `last`, oldest first; undefined when some of them are gone. */
  between(seq: number, last: number): string[] | undefined {
    if (seq === last) return []
    const kept = this.#kept.slice(this.#head).filter((one) => one.seq > seq && one.seq <= last)
    return kept.length === last - seq ? kept.map((one) => one.text) : undefined
  }
}

// The newest output of a program, bounded in bytes, never beginning within a character.

export class OutputRing {
  readonly #limit: number
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #truncated = false

  constructor(limitBytes: number) {
    this.#limit = limitBytes
  }

  get truncated(): boolean {
    return this.#truncated || this.#bytes > this.#limit
  }

  add(text: string): void {
    if (text === "") return
    const chunk = Buffer.from(text, "utf8")
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    while (this.#chunks.length > 1 && this.#bytes - this.#chunks[0]!.length >= this.#limit) {
      this.#bytes -= this.#chunks.shift()!.length
      this.#truncated = true
    }
  }

  toString(): string {
    const all = Buffer.concat(this.#chunks)
    let from = Math.max(0, all.length - this.#limit)
    // Bytes 10xxxxxx go on with a character that began before.
    while (from > 0 && from < all.length && (all[from]! & 0xc0) === 0x80) from += 1
    return all.toString("utf8", from)
  }
}

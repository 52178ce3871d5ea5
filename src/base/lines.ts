// Bytes from a pipe as lines of text, split at "\n" before they are decoded, so that characters may be cut anywhere. A line beyond the
// limit is dropped as it comes and told once: memory holds at most one line.

const NEWLINE = 10
const RETURN = 13

export interface LineListener {
  /** A line without its end; never blank. */
  line(text: string): void
  /** A line was longer than `maxBytes`; what follows it is read again. */
  tooLong(bytes: number): void
}

export class LineReader {
  readonly #maxBytes: number
  readonly #listener: LineListener
  #parts: Buffer[] = []
  #size = 0
  #dropping = false

  constructor(maxBytes: number, listener: LineListener) {
    this.#maxBytes = maxBytes
    this.#listener = listener
  }

  push(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end))
      this.#finish()
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
  }

  /** The stream has ended: a last line without an end counts. */
  end(): void {
    this.#finish()
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return
    this.#size += part.length
    if (this.#size > this.#maxBytes) {
      this.#dropping = true
      this.#parts = []
    } else if (!this.#dropping) this.#parts.push(part)
  }

  #finish(): void {
    const size = this.#size
    const dropped = this.#dropping
    let bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    this.#dropping = false
    if (dropped) {
      this.#listener.tooLong(size)
      return
    }
    if (bytes.at(-1) === RETURN) bytes = bytes.subarray(0, -1)
    const text = bytes.toString("utf8")
    if (text.trim() !== "") this.#listener.line(text)
  }
}

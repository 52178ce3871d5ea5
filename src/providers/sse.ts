// Server-sent events, incrementally: bytes in, complete events out (WHATWG HTML §9.2). One call per network chunk hands back all
// events that it completed, so that a delta costs no promise of its own. Every character is looked at once, however it is cut up.

/** One event; `event` is "" when the stream named none. */
export interface SseEvent {
  event: string
  data: string
}

/** A single event larger than this is a broken peer. Characters. */
const MAX_EVENT_CHARS = 8 * 1024 * 1024
const LF = 10
const SPACE = 32

export class SseParser {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: false })
  readonly #maxChars: number
  /** The line that has not ended yet. */
  #rest = ""
  #event = ""
  #data: string | undefined
  #afterCr = false

  constructor(maxChars: number = MAX_EVENT_CHARS) {
    this.#maxChars = maxChars
  }

  /** The events that this chunk completes. Throws RangeError when one grows beyond the limit. */
  push(chunk: Uint8Array): SseEvent[] {
    return this.#text(this.#decoder.decode(chunk, { stream: true }))
  }

  /** The body is over: the last event, where the peer left out the blank line that ends it. */
  end(): SseEvent[] {
    return this.#text(`${this.#decoder.decode()}\n\n`)
  }

  #text(text: string): SseEvent[] {
    if (text === "") return []
    // The second half of a CR LF that was cut in two.
    let start = this.#afterCr && text.charCodeAt(0) === LF ? 1 : 0
    this.#afterCr = false
    let lf = text.indexOf("\n", start)
    let cr = text.indexOf("\r", start)
    if (lf < 0 && cr < 0) {
      this.#rest += start === 0 ? text : text.slice(start)
      this.#limit()
      return []
    }
    if (this.#rest !== "") {
      const known = this.#rest.length - start
      text = this.#rest + (start === 0 ? text : text.slice(start))
      if (lf >= 0) lf += known
      if (cr >= 0) cr += known
      start = 0
    }
    const events: SseEvent[] = []
    while (lf >= 0 || cr >= 0) {
      const end = cr < 0 || (lf >= 0 && lf < cr) ? lf : cr
      this.#line(text, start, end, events)
      start = end + 1
      if (end === cr) {
        if (start === text.length) this.#afterCr = true
        else if (text.charCodeAt(start) === LF) start += 1
        cr = text.indexOf("\r", start)
      }
      if (lf >= 0 && lf < start) lf = text.indexOf("\n", start)
    }
    this.#rest = text.slice(start)
    this.#limit()
    return events
  }

  #limit(): void {
    if (this.#rest.length + (this.#data?.length ?? 0) > this.#maxChars)
      throw new RangeError(`a server-sent event is larger than ${this.#maxChars} characters`)
  }

  #line(text: string, start: number, end: number, events: SseEvent[]): void {
    if (start === end) {
      if (this.#data !== undefined) events.push({ event: this.#event, data: this.#data })
      this.#event = ""
      this.#data = undefined
    } else if (text.startsWith("data:", start)) {
      const value = text.slice(text.charCodeAt(start + 5) === SPACE ? start + 6 : start + 5, end)
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
    } else if (text.startsWith("event:", start)) {
      this.#event = text.slice(text.charCodeAt(start + 6) === SPACE ? start + 7 : start + 6, end)
    } else if (end - start === 4 && text.startsWith("data", start))
      this.#data = this.#data === undefined ? "" : `${this.#data}\n`
  }
}

// Server-sent events, incrementally: bytes in, complete events out (WHATWG HTML §9.2). One call per network chunk hands back all
// events that it completed, so that a delta costs no promise of its own.

/** One event; `event` is "" when the stream named none. */
export interface SseEvent {
  event: string
  data: string
}

/** A single event larger than this is a broken peer. Characters. */
const MAX_EVENT_CHARS = 8 * 1024 * 1024

export class SseParser {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: false })
  #buffer = ""
  #event = ""
  #data: string | undefined
  #afterCr = false

  /** The events that this chunk completes. Throws RangeError when one grows beyond the limit. */
  push(chunk: Uint8Array): SseEvent[] {
    const events: SseEvent[] = []
    let text = this.#decoder.decode(chunk, { stream: true })
    if (this.#afterCr && text.startsWith("\n")) text = text.slice(1)
    if (text !== "") this.#afterCr = false
    const buffer = this.#buffer === "" ? text : this.#buffer + text
    let start = 0
    for (;;) {
      let end = buffer.indexOf("\n", start)
      const cr = buffer.indexOf("\r", start)
      if (cr >= 0 && (end < 0 || cr < end)) end = cr
      if (end < 0) break
      this.#line(buffer, start, end, events)
      start = end + 1
      if (buffer.charCodeAt(end) === 13) {
        if (start === buffer.length) this.#afterCr = true
        else if (buffer.charCodeAt(start) === 10) start += 1
      }
    }
    this.#buffer = start === 0 ? buffer : buffer.slice(start)
    if (this.#buffer.length + (this.#data?.length ?? 0) > MAX_EVENT_CHARS)
      throw new RangeError(`A server-sent event is larger than ${MAX_EVENT_CHARS} characters`)
    return events
  }

  #line(buffer: string, start: number, end: number, events: SseEvent[]): void {
    if (start === end) {
      if (this.#data !== undefined) events.push({ event: this.#event, data: this.#data })
      this.#event = ""
      this.#data = undefined
    } else if (buffer.startsWith("data:", start)) {
      const value = buffer.slice(buffer.charCodeAt(start + 5) === 32 ? start + 6 : start + 5, end)
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
    } else if (buffer.startsWith("event:", start)) {
      this.#event = buffer.slice(buffer.charCodeAt(start + 6) === 32 ? start + 7 : start + 6, end)
    } else if (end - start === 4 && buffer.startsWith("data", start))
      this.#data = this.#data === undefined ? "" : `${this.#data}\n`
  }
}

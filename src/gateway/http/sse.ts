// A stream of server-sent events on a raw response. The head goes out with the first bytes, so that everything before can still
// become an HTTP status. Deltas of one tick are written together; while the peer does not read, they are joined in memory up to a
// cap, then the connection is closed. One timer for all streams sends comments, so that proxies keep quiet streams open.
import type { ServerResponse } from "node:http"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import { encodeRefusal, sendRefusal } from "./refusal.ts"

/** UTF-16 units that wait for a peer that does not read. */
const MAX_PENDING = 2_000_000
const KEEP_ALIVE_MS = 15_000
/** Ticks without a byte taken by the peer before it is given up: two minutes. */
const MAX_STUCK_TICKS = 8

/** A text delta as an event. Deltas given with the same encoder may be joined into one event. */
export type DeltaEncoder = (text: string) => string

export interface SseOptions {
  response: ServerResponse
  keepAlive: KeepAlive
  log: Logger
  /** Called once, when the peer has gone before the end was written. */
  onGone: () => void
}

export class SseWriter {
  readonly headers: Record<string, string> = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
  }
  readonly #response: ServerResponse
  readonly #log: Logger
  #ready = ""
  #encoder: DeltaEncoder | undefined
  #delta = ""
  #scheduled = false
  #blocked = false
  #ended = false
  #quiet = true
  #stuckTicks = 0

  constructor({ response, keepAlive, log, onGone }: SseOptions) {
    this.#response = response
    this.#log = log
    keepAlive.add(this)
    response.on("drain", () => {
      this.#blocked = false
      this.#stuckTicks = 0
      this.#flush()
    })
    response.on("error", (error) => log.debug({ err: error }, "A stream could not be written"))
    response.once("close", () => {
      keepAlive.delete(this)
      const finished = response.writableFinished
      this.#ended = true
      if (!finished) onGone()
    })
  }

  /** Text that its encoder turns into an event when it is written. */
  delta(encoder: DeltaEncoder, text: string): void {
    if (this.#encoder !== encoder) {
      this.#settle()
      this.#encoder = encoder
    }
    this.#delta += text
    this.#schedule()
  }

  /** A whole event, made after the deltas before it. */
  event(make: () => string): void {
    this.#settle()
    this.#ready += make()
    this.#schedule()
  }

  /** The last event; the response ends with it. */
  end(make: () => string): void {
    if (this.#ended) return
    this.#settle()
    this.#ready += make()
    this.#ended = true
    this.#head()
    this.#response.end(this.#ready)
    this.#ready = ""
  }

  /** An HTTP error while no byte is out, then an event with the error object; the response ends. */
  refuse(error: unknown, encode: (body: object) => string = (body) => `data: ${JSON.stringify(body)}\n\n`): void {
    if (this.#ended) return
    if (this.#response.headersSent) {
      const { body } = encodeRefusal(error, this.#log)
      this.end(() => encode(body))
      return
    }
    this.#ended = true
    sendRefusal(this.#response, error, this.#log)
  }

  /** Called by KeepAlive. */
  tick(): void {
    if (this.#blocked || this.#response.writableEnded) {
      this.#stuckTicks += 1
      if (this.#stuckTicks >= MAX_STUCK_TICKS) this.#giveUp("the peer took nothing for too long")
      return
    }
    if (this.#quiet && !this.#ended) this.event(() => ": keepalive\n\n")
    this.#quiet = true
  }

  #settle(): void {
    if (this.#delta === "" || this.#encoder === undefined) return
    this.#ready += this.#encoder(this.#delta)
    this.#delta = ""
  }

  #schedule(): void {
    if (this.#blocked) {
      if (this.#ready.length + this.#delta.length > MAX_PENDING) this.#giveUp("the peer reads too slowly")
      return
    }
    if (this.#scheduled) return
    this.#scheduled = true
    // After the microtasks of this tick: everything that one network read brought goes out in one write.
    process.nextTick(this.#onTick)
  }

  readonly #onTick = (): void => {
    this.#scheduled = false
    this.#flush()
  }

  #flush(): void {
    if (this.#ended || this.#blocked) return
    this.#settle()
    if (this.#ready === "") return
    const text = this.#ready
    this.#ready = ""
    this.#quiet = false
    this.#head()
    this.#blocked = !this.#response.write(text)
  }

  #head(): void {
    if (!this.#response.headersSent) this.#response.writeHead(200, this.headers)
  }

  #giveUp(why: string): void {
    this.#log.info({ why }, "A stream was closed")
    this.#ready = ""
    this.#delta = ""
    this.#response.destroy()
  }
}

/** The one timer; it runs only while there are streams. */
export class KeepAlive {
  readonly #clock: Clock
  readonly #writers = new Set<SseWriter>()
  #stopTimer: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(writer: SseWriter): void {
    this.#writers.add(writer)
    this.#stopTimer ??= this.#clock.after(KEEP_ALIVE_MS, () => this.#tick())
  }

  delete(writer: SseWriter): void {
    this.#writers.delete(writer)
    if (this.#writers.size > 0) return
    this.#stopTimer?.()
    this.#stopTimer = undefined
  }

  #tick(): void {
    this.#stopTimer = this.#clock.after(KEEP_ALIVE_MS, () => this.#tick())
    for (const writer of [...this.#writers]) writer.tick()
  }
}

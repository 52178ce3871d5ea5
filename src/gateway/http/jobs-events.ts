// GET /api/jobs/{id}/events: a job's events as server-sent events. `id:` is the place in the job's log; Last-Event-ID or ?after=
// goes on from one. Ends with the job. A reader who takes nothing for two minutes is cut off; nothing is buffered for him meanwhile.
import { once } from "node:events"
import type { ServerResponse } from "node:http"
import type { Clock } from "../../base/clock.ts"
import type { FeedEvent } from "../../jobs/feed.ts"
import { isJobEnd } from "../../protocol/job.ts"
import { streamJob } from "../jobs/job-stream.ts"
import type { Exchange } from "./exchange.ts"

const KEEP_ALIVE_MS = 15_000
const STUCK_MS = 120_000
/** Characters gathered into one write. */
const CHUNK = 64 * 1024

export async function streamEvents({ request, response, parts }: Exchange, id: string, url: URL): Promise<void> {
  const header = request.headers["last-event-id"]
  const after = (typeof header === "string" && header !== "" ? header : url.searchParams.get("after")) ?? undefined
  // Everything that can be refused is refused before the first byte.
  const record = await parts.jobs.get(id)
  const first = await parts.jobs.events(id, after, 1)
  if (isJobEnd(record.status) && first.ended && first.events.length === 0) {
    // A browser's EventSource comes back after the end; this tells it not to.
    response.writeHead(204, { "cache-control": "no-store" }).end()
    return
  }
  response.on("error", (error) => parts.log.debug({ err: error }, "A stream could not be written"))
  const writer = new EventWriter(response, parts.clock)
  const sink = {
    event: ({ cursor, type, json }: FeedEvent) => writer.write(`id: ${cursor}\nevent: ${type}\ndata: ${json}\n\n`),
    ...(url.searchParams.get("live") === "false"
      ? {}
      : { live: (type: string, json: string) => writer.write(`event: ${type}\ndata: ${json}\n\n`) }),
  }
  try {
    await streamJob(parts, id, after, sink, writer.gone)
  } finally {
    writer.end()
  }
}

class EventWriter {
  readonly #response: ServerResponse
  readonly #clock: Clock
  readonly #gone = new AbortController()
  #waiting = ""
  #scheduled = false
  #stopTimer: () => void

  constructor(response: ServerResponse, clock: Clock) {
    this.#response = response
    this.#clock = clock
    response.once("close", () => this.#gone.abort())
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    })
    response.flushHeaders()
    this.#stopTimer = clock.after(KEEP_ALIVE_MS, () => this.#beat())
  }

  /** Aborts when the peer has gone. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Gathers what comes in one go into one write. A promise when the peer is to be waited for. */
  write(text: string): Promise<void> | undefined {
    this.#waiting += text
    if (this.#waiting.length >= CHUNK) this.#flush()
    else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#flush()
      })
    }
    return this.#response.writableNeedDrain ? this.#drained() : undefined
  }

  #flush(): void {
    if (this.#waiting === "" || this.#response.writableNeedDrain || this.#response.destroyed) return
    const text = this.#waiting
    this.#waiting = ""
    this.#response.write(text)
  }

  async #drained(): Promise<void> {
    const stop = this.#clock.after(STUCK_MS, () => this.#response.destroy())
    try {
      await once(this.#response, "drain", { signal: this.#gone.signal })
      this.#flush()
    } catch (error) {
      if (!this.#gone.signal.aborted) throw error
    } finally {
      stop()
    }
  }

  #beat(): void {
    this.#stopTimer = this.#clock.after(KEEP_ALIVE_MS, () => this.#beat())
    if (!this.#response.writableNeedDrain) this.#response.write(": keepalive\n\n")
  }

  end(): void {
    this.#stopTimer()
    this.#response.end(this.#waiting)
    this.#waiting = ""
  }
}

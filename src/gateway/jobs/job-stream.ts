// A job's events as they happen, to somebody who reads at his own speed: what is recorded is read from the log page by page from
// wherever the reader stands, so a slow reader costs nothing but time; what only matters now is told to readers who are up to date.

import type { FeedEvent } from "../../jobs/feed.ts"
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { Parts } from "../parts.ts"

const PAGE = 500
/** Live events that wait while the log is read; more are left out, as their text comes again with the recorded message. */
const MAX_LIVE = 1_000

export interface JobSink {
  /** A promise when it wants no more for now. */
  event(event: FeedEvent): Promise<void> | undefined
  /** Something that only matters now, as JSON text. Absent: not wanted. */
  live?(type: string, json: string): Promise<void> | undefined
}

/** Resolves when the job has ended and all is told, when it is removed, or when the signal aborts. Throws NOT_FOUND, INVALID_PARAMS. */
export async function streamJob(
  parts: Pick<Parts, "jobs" | "hub" | "redactor">,
  id: string,
  after: string | undefined,
  sink: JobSink,
  signal: AbortSignal,
): Promise<void> {
  const { request } = await parts.jobs.get(id)
  const ear = new Ear(id, sink.live !== undefined)
  const stops = [
    parts.jobs.onJob(id, () => ear.ring()),
    parts.hub.onSession(request.sessionKey, (envelope) => ear.hear(envelope)),
  ]
  const onAbort = () => ear.ring()
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    let cursor = after
    while (!signal.aborted) {
      ear.listen()
      const page = await parts.jobs.events(id, cursor, PAGE)
      cursor = page.cursor
      for (const event of page.events) {
        // Only a reader who wants a pause is waited for: an await for each event costs a replay a third of its speed.
        const pause = sink.event({ ...event, json: parts.redactor.text(event.json) })
        if (pause) await pause
      }
      if (page.more) continue
      for (const { type, json } of ear.takeLive()) await sink.live?.(type, json)
      if (page.ended || page.gone) return
      await ear.rung
    }
  } finally {
    signal.removeEventListener("abort", onAbort)
    for (const stop of stops) stop()
  }
}

/** What is heard of one job while its reader is told something. */
class Ear {
  readonly #turns: string
  readonly #head: string
  readonly #wantsLive: boolean
  #live: { type: string; json: string }[] = []
  #bell = Promise.withResolvers<void>()

  constructor(id: string, wantsLive: boolean) {
    this.#turns = `${id}.`
    this.#head = `{"job_id":${JSON.stringify(id)},"turn_id":`
    this.#wantsLive = wantsLive
  }

  /** Resolves at the first ring since the last listen(). */
  get rung(): Promise<void> {
    return this.#bell.promise
  }

  listen(): void {
    this.#bell = Promise.withResolvers()
    if (this.#live.length > 0) this.ring()
  }

  ring(): void {
    this.#bell.resolve()
  }

  hear({ turnId, seq, at, event }: TurnEnvelope): void {
    if (!turnId.startsWith(this.#turns)) return
    if (seq === null) {
      if (!this.#wantsLive || this.#live.length >= MAX_LIVE || event.type === "turn.queued") return
      const json = `${this.#head}${JSON.stringify(turnId)},"at":${at},"event":${JSON.stringify(event)}}`
      this.#live.push({ type: event.type, json })
    } else if (event.type === "message.added") {
      // It holds what was told of it so far.
      this.#live = []
    }
    this.ring()
  }

  takeLive(): { type: string; json: string }[] {
    const live = this.#live
    this.#live = []
    return live
  }
}

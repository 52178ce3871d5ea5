// What happened to a job, in order: its own facts, and between the beginning of an attempt and what followed the recorded events of
// that attempt's turn. A pure projection of the log. A place in it is "<facts>.<seq>": the number of the last fact that was read
// and, within the attempt that it began, of the last event.
import { PincerError } from "../base/errors.ts"
import type { JobFact, JobLogLine, RecordedFact } from "../protocol/job.ts"
import type { JobTable } from "../store/jobs.ts"

export interface FeedEvent {
  /** Where to go on after this one. */
  cursor: string
  type: string
  /** The event as JSON text. */
  json: string
}

export interface FeedPage {
  events: FeedEvent[]
  cursor: string
  /** Nothing follows: the job has ended and all of it was read. */
  ended: boolean
  /** The job is not there (any more). */
  gone: boolean
  /** More can be read at once. */
  more: boolean
}

const CURSOR = /^(\d{1,15})(?:\.(\d{1,15}))?$/

/** Throws INVALID_PARAMS. "0" and nothing at all are the beginning. */
export function parseCursor(text: string | undefined): { fact: number; seq: number } {
  if (text === undefined || text === "") return { fact: 0, seq: 0 }
  const match = CURSOR.exec(text)
  if (!match)
    throw new PincerError("INVALID_PARAMS", `"${text.slice(0, 40)}" is no place in a job's events: use the id of one`)
  return { fact: Number(match[1]), seq: Number(match[2] ?? 0) }
}

/** Events after `after`, at most `limit`. Nothing when the job is not there. */
export async function readFeed(
  jobs: JobTable,
  id: string,
  after: string | undefined,
  limit: number,
): Promise<FeedPage> {
  let { fact, seq } = parseCursor(after)
  const facts = await jobs.facts(id)
  const events: FeedEvent[] = []
  const head = `{"job_id":${JSON.stringify(id)},`
  for (;;) {
    const current = facts.find((one) => one.n === fact)?.fact
    if (current?.type === "job.started") {
      const read = await jobs.attemptEvents(current, seq, limit - events.length)
      const turn = `${head}"turn_id":${JSON.stringify(current.turnId)},"seq":`
      for (const row of read.events) {
        seq = row.seq
        const json = `${turn}${row.seq},"at":${row.at},"event":${row.data}}`
        events.push({ cursor: `${fact}.${seq}`, type: row.type, json })
      }
      if (read.more) return { events, cursor: `${fact}.${seq}`, ended: false, gone: false, more: true }
    }
    if (events.length >= limit) return { events, cursor: `${fact}.${seq}`, ended: false, gone: false, more: true }
    const next = facts.find((one) => one.n > fact)
    if (!next) {
      const last = facts.at(-1)
      return {
        events,
        cursor: `${fact}.${seq}`,
        ended: last !== undefined && isEnd(last.fact),
        gone: !last,
        more: false,
      }
    }
    fact = next.n
    seq = 0
    events.push({ cursor: `${fact}.0`, type: next.fact.type, json: factJson(head, next) })
  }
}

function isEnd({ type }: JobFact): boolean {
  return type === "job.completed" || type === "job.failed" || type === "job.canceled"
}

function factJson(head: string, { n, at, fact }: RecordedFact): string {
  const shown = fact.type === "job.started" ? { ...fact, sessionId: undefined, seq: undefined } : fact
  return `${head}"fact":${n},"at":${at},"event":${JSON.stringify(shown)}}`
}

/** The log as people read it (IM-JOB-15). */
export function logLines(facts: readonly RecordedFact[]): JobLogLine[] {
  return facts.map(({ at, fact }) => ({ timestamp: new Date(at).toISOString(), ...logLine(fact) }))
}

function logLine(fact: JobFact): Omit<JobLogLine, "timestamp"> {
  switch (fact.type) {
    case "job.queued":
      if (fact.why === "attempt-failed")
        return { level: "warn", message: `Attempt ${fact.attempt} failed, another follows: ${fact.error.message}` }
      return { level: "info", message: fact.why === "submitted" ? "Job submitted" : "Job queued again" }
    case "job.started":
      return {
        level: "info",
        message: fact.attempt === 1 ? "Job started" : `Job started (attempt ${fact.attempt})`,
      }
    case "job.completed":
      return { level: "info", message: "Job completed successfully" }
    case "job.failed":
      return { level: "error", message: `Job failed: ${fact.error.message}` }
    case "job.canceled":
      return { level: "info", message: "Job canceled" }
  }
}

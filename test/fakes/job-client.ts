// A plain HTTP client of /api/jobs, for tests.
import assert from "node:assert/strict"
import type { JobStatus, WireJob } from "../../src/protocol/job.ts"
import type { House } from "../house.ts"

export type At = Pick<House, "url" | "token">

export interface Answer<T> {
  status: number
  body: T
  headers: Headers
}

export async function askJobs<T = WireJob>(
  { url, token }: At,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  const text = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body)
  const response = await fetch(`${url}/api/jobs${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(text === undefined ? {} : { body: text }),
  })
  const answer = await response.text()
  return { status: response.status, body: (answer === "" ? {} : JSON.parse(answer)) as T, headers: response.headers }
}

export interface Told {
  id: string | undefined
  event: string
  data: { job_id: string; seq?: number; turn_id?: string; event: Record<string, unknown> }
}

/** One event of a stream. */
export function parseTold(block: string): Told | undefined {
  const lines = new Map(
    block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
  )
  const data = lines.get("data")
  if (data === undefined) return undefined
  return { id: lines.get("id"), event: lines.get("event") ?? "", data: JSON.parse(data) as Told["data"] }
}

/** All events until the stream ends. */
export async function readEvents(at: At, id: string, after?: string): Promise<Told[]> {
  const told: Told[] = []
  for await (const one of followEvents(at, id, after)) told.push(one)
  return told
}

export async function* followEvents({ url, token }: At, id: string, after?: string): AsyncGenerator<Told> {
  const headers = { authorization: `Bearer ${token}`, ...(after === undefined ? {} : { "last-event-id": after }) }
  const response = await fetch(`${url}/api/jobs/${id}/events`, { headers })
  assert.equal(response.status, 200)
  const decoder = new TextDecoder()
  let rest = ""
  for await (const chunk of response.body!) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split("\n\n")
    rest = blocks.pop()!
    for (const block of blocks) {
      const one = parseTold(block)
      if (one) yield one
    }
  }
}

/** The job once it has this status; fails when it ends otherwise. */
export async function untilStatus(at: At, id: string, status: JobStatus): Promise<WireJob> {
  let job = (await askJobs(at, "GET", `/${id}`)).body
  if (job.status === status) return job
  for await (const one of followEvents(at, id)) {
    if (one.id === undefined) continue
    job = (await askJobs(at, "GET", `/${id}`)).body
    if (job.status === status) return job
  }
  job = (await askJobs(at, "GET", `/${id}`)).body
  assert.equal(job.status, status, JSON.stringify(job))
  return job
}

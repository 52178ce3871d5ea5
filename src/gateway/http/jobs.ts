// Jobs over plain HTTP at /api/jobs (IM-JOB): the same desk as the job.* methods. The caller has been authenticated; routes are
// matched here, since they are few and hot.
import { PincerError } from "../../base/errors.ts"
import { parseWith } from "../../base/schema.ts"
import { listedJob } from "../../jobs/project.ts"
import {
  jobFilter,
  listParams,
  normalizeList,
  normalizeSubmit,
  submission,
  submitParams,
  submittedJob,
} from "../jobs/job-calls.ts"
import { readJsonBody } from "./body.ts"
import type { Exchange } from "./exchange.ts"
import { streamEvents } from "./jobs-events.ts"
import { sendJson } from "./refusal.ts"

const submitSchema = submitParams()
const listSchema = listParams()
const MAX_PIECE = 1_000_000

export async function jobRoutes(exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  const url = new URL(request.url ?? "/", "http://gateway")
  const [id, verb] = url.pathname.replace(/\/$/, "").split("/").slice(3).map(decoded)
  const post = request.method === "POST"
  if (id === undefined) return post ? submit(exchange) : list(exchange, url)
  switch (verb) {
    case undefined:
      if (request.method === "DELETE") return remove(exchange, id, url)
      return post ? act(exchange, id) : show(exchange, id)
    case "cancel":
    case "retry":
      return sendJson(response, 200, exchange.parts.redactor.value(await change(exchange, id, verb)))
    case "events":
      return streamEvents(exchange, id, url)
    default:
      return result(exchange, id, url)
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `"${part}" is not well encoded`, { cause: error })
  }
}

async function submit({ request, response, parts, scopes, subject }: Exchange): Promise<void> {
  const body = normalizeSubmit(await readJsonBody(request, parts.clock))
  const key = request.headers["idempotency-key"]
  if (typeof key === "string" && body["idempotencyKey"] === undefined) body["idempotencyKey"] = key
  const params = parseWith(submitSchema, body, "invalid job")
  const { record, duplicate } = await parts.jobs.submit(await submission(params, { clientId: subject, scopes }, parts))
  sendJson(response, duplicate ? 200 : 201, submittedJob(record, duplicate, parts.redactor), {
    location: `/api/jobs/${record.id}`,
  })
}

async function list({ response, parts }: Exchange, url: URL): Promise<void> {
  const query: Record<string, unknown> = Object.fromEntries(url.searchParams)
  if (typeof query["limit"] === "string") query["limit"] = Number(query["limit"])
  const params = parseWith(listSchema, normalizeList(query), "invalid query")
  const { records, total, next } = await parts.jobs.list(await jobFilter(params, parts))
  const jobs = records.map(listedJob)
  sendJson(response, 200, {
    jobs: parts.redactor.value(jobs),
    count: jobs.length,
    total,
    next_cursor: next === null ? null : String(next),
  })
}

async function show({ response, parts }: Exchange, id: string): Promise<void> {
  sendJson(response, 200, parts.redactor.value(await parts.jobs.show(await parts.jobs.get(id))))
}

async function remove({ response, parts }: Exchange, id: string, url: URL): Promise<void> {
  const purge = /^(1|true|yes)$/.test(url.searchParams.get("purge") ?? "")
  const { record, removed } = await parts.jobs.delete(id, purge)
  sendJson(response, 200, { success: true, status: record.status, removed })
}

/** `{"action": "cancel" | "retry"}` (IM-JOB-12). */
async function act(exchange: Exchange, id: string): Promise<void> {
  const { action } = await readJsonBody(exchange.request, exchange.parts.clock)
  if (action !== "cancel" && action !== "retry")
    throw new PincerError("INVALID_PARAMS", `unknown action ${JSON.stringify(action) ?? '""'}: use "cancel" or "retry"`)
  const { status } = await change(exchange, id, action)
  sendJson(exchange.response, 200, { success: true, status })
}

async function change({ parts }: Exchange, id: string, action: "cancel" | "retry") {
  return parts.jobs.show(await (action === "cancel" ? parts.jobs.cancel(id) : parts.jobs.retry(id)))
}

async function result({ response, parts }: Exchange, id: string, url: URL): Promise<void> {
  const offset = whole(url, "offset", 0, Number.MAX_SAFE_INTEGER, 0)
  const limit = whole(url, "limit", 1, MAX_PIECE, 200_000)
  sendJson(response, 200, parts.redactor.value(await parts.jobs.result(await parts.jobs.get(id), offset, limit)))
}

function whole(url: URL, name: string, min: number, max: number, fallback: number): number {
  const text = url.searchParams.get(name)
  if (text === null) return fallback
  const value = Number(text)
  if (/^\d{1,16}$/.test(text) && value >= min && value <= max) return value
  throw new PincerError("INVALID_PARAMS", `${name}: "${text.slice(0, 40)}" is not a whole number from ${min} to ${max}`)
}

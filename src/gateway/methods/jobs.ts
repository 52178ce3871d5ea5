// job.*: work that nobody waits for. The HTTP routes at /api/jobs do the same through the same desk.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { FeedEvent } from "../../jobs/feed.ts"
import { listedJob } from "../../jobs/project.ts"
import { JOB_STATUSES, type JobRecord } from "../../protocol/job.ts"
import {
  jobFilter,
  listParams,
  normalizeList,
  normalizeSubmit,
  submission,
  submitParams,
  submittedJob,
} from "../jobs/job-calls.ts"
import { streamJob } from "../jobs/job-stream.ts"
import type { Parts } from "../parts.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { renamed } from "./params.ts"

const jobResult = () =>
  z.looseObject({
    id: z.string(),
    status: z.enum(JOB_STATUSES),
    prompt: z.string(),
    agent_name: z.string(),
    session_key: z.string(),
    priority: z.number(),
    attempt: z.number(),
    max_attempts: z.number(),
    created_at: z.string(),
    started_at: z.string().optional(),
    finished_at: z.string().optional(),
    result: z.string().optional(),
    error: z.string().optional(),
    logs: z.array(z.object({ timestamp: z.string(), level: z.string(), message: z.string() })).optional(),
  })

const idParams = () => z.object({ jobId: z.string({ error: "job_id is required" }).min(1).describe("Also job_id, id") })
const named = (params: Record<string, unknown>) => renamed(params, { jobId: ["id"] })

function cannotPush(): PincerError {
  return new PincerError("INVALID_PARAMS", "Nothing can be pushed here: use GET /api/jobs/{id}/events, or a WebSocket")
}

/** Tells the caller of a job until it has ended, beginning once the answer to this call is out. */
function tellOf(
  jobId: string,
  after: string | undefined,
  live: boolean,
  { caller, parts }: MethodContext,
  emit: NonNullable<MethodContext["emit"]>,
): void {
  const told = (type: string, json: string, cursor: string | null) =>
    emit("job.event", `{"cursor":${JSON.stringify(cursor)},"type":${JSON.stringify(type)},${json.slice(1)}`)
  const sink = {
    event: (event: FeedEvent) => told(event.type, event.json, event.cursor),
    ...(live ? { live: (type: string, json: string) => told(type, json, null) } : {}),
  }
  setImmediate(() => {
    streamJob(parts, jobId, after, sink, caller.signal)
      .then(() => (caller.signal.aborted ? undefined : emit("job.done", JSON.stringify({ job_id: jobId }))))
      .catch((error: unknown) => parts.log.error({ err: error, jobId }, "A subscription to a job failed"))
  })
}

/** A method that names one job and answers with it. */
function aboutOne(
  name: string,
  summary: string,
  scope: "operator.read" | "operator.write",
  act: (parts: Parts, id: string) => Promise<JobRecord>,
): Method {
  return method({
    name,
    summary,
    scope,
    normalize: named,
    params: idParams,
    result: jobResult,
    run: async ({ jobId }, { parts }) => parts.jobs.show(await act(parts, jobId)),
  })
}

export const jobMethods: readonly Method[] = [
  method({
    name: "job.submit",
    summary: "Puts a job into the queue. Resolves once it is on disk.",
    scope: "operator.write",
    reveals: true,
    normalize: normalizeSubmit,
    params: () =>
      submitParams().extend({
        subscribe: z.boolean().optional().describe("As job.subscribe does, with this one call"),
      }),
    result: jobResult,
    async run({ subscribe, ...params }, context) {
      const { caller, emit, parts } = context
      if (subscribe && !emit) throw cannotPush()
      const { record, duplicate } = await parts.jobs.submit(await submission(params, caller, parts))
      if (subscribe && emit) tellOf(record.id, undefined, true, context, emit)
      return submittedJob(record, duplicate, parts.redactor)
    },
  }),
  aboutOne(
    "job.get",
    "A job with its logs and result; `result_truncated` says that more of the result is to be had from job.result.",
    "operator.read",
    ({ jobs }, id) => jobs.get(id),
  ),
  method({
    name: "job.result",
    summary: "A piece of a job's result; `next` is where the following one begins.",
    scope: "operator.read",
    normalize: named,
    params: () =>
      idParams().extend({
        offset: z.number().int().min(0).optional(),
        limit: z.number().int().min(1).max(1_000_000).optional().describe("Characters; default 200,000"),
      }),
    result: () => z.object({ text: z.string(), offset: z.number(), size: z.number(), next: z.number().nullable() }),
    async run({ jobId, offset = 0, limit = 200_000 }, { parts }) {
      return parts.jobs.result(await parts.jobs.get(jobId), offset, limit)
    },
  }),
  method({
    name: "job.list",
    summary: "Jobs, newest first, without result, error and logs; long prompts are cut.",
    scope: "operator.read",
    normalize: normalizeList,
    params: listParams,
    result: () =>
      z.object({
        jobs: z.array(jobResult()),
        count: z.number(),
        total: z.number(),
        next_cursor: z.string().nullable(),
      }),
    async run(params, { parts }) {
      const { records, total, next } = await parts.jobs.list(await jobFilter(params, parts))
      const jobs = records.map(listedJob)
      return { jobs, count: jobs.length, total, next_cursor: next === null ? null : String(next) }
    },
  }),
  aboutOne(
    "job.cancel",
    "Stops a job. Resolves once it has ended; a job that has ended before is a conflict.",
    "operator.write",
    ({ jobs }, id) => jobs.cancel(id),
  ),
  aboutOne("job.retry", "Queues a failed job again.", "operator.write", ({ jobs }, id) => jobs.retry(id)),
  method({
    name: "job.delete",
    summary: "Removes a job; one that has not ended is canceled first.",
    scope: "operator.write",
    normalize: named,
    params: idParams,
    result: () => z.object({ success: z.literal(true), status: z.enum(JOB_STATUSES) }),
    async run({ jobId }, { parts }) {
      const { record } = await parts.jobs.delete(jobId, true)
      return { success: true as const, status: record.status }
    },
  }),
  method({
    name: "job.subscribe",
    summary:
      "Sends what happened to a job after `after`, and what happens from now on, as job.event, until it has ended; then job.done.",
    scope: "operator.read",
    normalize: named,
    params: () =>
      idParams().extend({
        after: z
          .string()
          .optional()
          .describe("The cursor of the last event that is known; default: from the beginning"),
        live: z.boolean().optional().describe("Text as it grows as well, without a cursor; default true"),
      }),
    result: jobResult,
    async run({ jobId, after, live = true }, context) {
      if (!context.emit) throw cannotPush()
      const { parts } = context
      // Refused before anything is answered.
      await parts.jobs.events(jobId, after, 1)
      const job = await parts.jobs.show(await parts.jobs.get(jobId))
      tellOf(jobId, after, live, context, context.emit)
      return job
    },
  }),
]

// tasks.*: jobs in the words of the original gateway, for screens that show what works in the background. The same jobs as job.*.
import { z } from "zod"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"
import { attemptTurn, type JobRecord, type JobStatus } from "../../protocol/job.ts"
import { jobFilter } from "../jobs/job-calls.ts"
import type { Parts } from "../parts.ts"
import { type Method, method } from "./method.ts"
import { count, renamed } from "./params.ts"

const STATUSES = ["queued", "running", "completed", "failed", "cancelled", "timed_out"] as const
type TaskStatus = (typeof STATUSES)[number]

const TITLE_CHARS = 80
const RESULT_CHARS = 100_000
const MAX_IDS = 100

const task = () =>
  z.looseObject({
    id: z.string(),
    kind: z.literal("job"),
    runtime: z.enum(["cli", "cron"]),
    status: z.enum(STATUSES),
    title: z.string(),
    agentId: z.string(),
    sessionKey: z.string(),
    runId: z.string().optional().describe("The turn of its newest attempt"),
    createdAt: z.number(),
    updatedAt: z.number(),
    startedAt: z.number().optional(),
    endedAt: z.number().optional(),
    error: z.string().optional(),
    prompt: z.string().optional(),
    result: z.string().optional(),
  })

function statusOf({ error, status }: JobRecord): TaskStatus {
  if (status === "canceled") return "cancelled"
  return status === "failed" && error?.reason === "timeout" ? "timed_out" : status
}

function shown(record: JobRecord, { redactor }: Pick<Parts, "redactor">) {
  const { attempt, createdAt, error, finishedAt, id, prompt, request, startedAt } = record
  return {
    id,
    kind: "job" as const,
    runtime: request.door === "schedule" ? ("cron" as const) : ("cli" as const),
    status: statusOf(record),
    title: redactor.text(excerpt(prompt, TITLE_CHARS)) || "(no words)",
    agentId: request.agentId,
    sessionKey: request.sessionKey,
    ...(attempt === 0 ? {} : { runId: attemptTurn(id, attempt) }),
    createdAt,
    updatedAt: finishedAt ?? startedAt ?? createdAt,
    ...(startedAt === null ? {} : { startedAt }),
    ...(finishedAt === null ? {} : { endedAt: finishedAt }),
    ...(error === null ? {} : { error: redactor.text(error.message) }),
  }
}

/** What a job may be in our words to be this task. */
const JOBS: Readonly<Record<TaskStatus, JobStatus>> = {
  queued: "queued",
  running: "running",
  completed: "completed",
  failed: "failed",
  cancelled: "canceled",
  timed_out: "failed",
}

const list = method({
  name: "tasks.list",
  summary: "Jobs as tasks, newest first.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { agentId: ["agent"], sessionKey: ["session"] }),
  params: () =>
    z.object({
      status: z.union([z.enum(STATUSES), z.array(z.enum(STATUSES)).min(1)]).optional(),
      agentId: z.string().min(1).optional(),
      sessionKey: z.string().min(1).optional(),
      limit: count(500),
      cursor: z
        .string()
        .regex(/^\d{1,15}$/, { error: "is not what an earlier page gave as nextCursor" })
        .optional(),
    }),
  result: () => z.object({ tasks: z.array(task()), nextCursor: z.string().optional() }),
  async run({ agentId: agent, cursor, limit = 100, sessionKey: session, status }, { parts }) {
    const wanted = typeof status === "string" ? [status] : status
    const asked = wanted === undefined ? undefined : [...new Set(wanted.map((one) => JOBS[one]))]
    const filter = await jobFilter(
      { agent, cursor, limit, session, status: asked } as Parameters<typeof jobFilter>[0],
      parts,
    )
    const { next, records } = await parts.jobs.list(filter)
    const tasks = records.map((record) => shown(record, parts)).filter((one) => wanted?.includes(one.status) ?? true)
    return { tasks, ...(next === null ? {} : { nextCursor: String(next) }) }
  },
})

const byId = (params: Record<string, unknown>) => renamed(params, { taskId: ["id", "jobId"] })
const taskId = () => z.string({ error: "taskId is required" }).min(1).max(200)

const get = method({
  name: "tasks.get",
  summary: "One task with what it was asked and what it answered.",
  scope: "operator.read",
  normalize: byId,
  params: () => z.object({ taskId: taskId() }),
  result: () => z.object({ task: task() }),
  async run({ taskId }, { parts }) {
    const record = await parts.jobs.get(taskId)
    const { text } = await parts.jobs.result(record, 0, RESULT_CHARS)
    const whole = { prompt: record.prompt, ...(text === "" ? {} : { result: text }) }
    return { task: { ...shown(record, parts), ...parts.redactor.value(whole) } }
  },
})

const cancel = method({
  name: "tasks.cancel",
  summary: "Stops a task. One that has ended, or is not there, is an answer.",
  scope: "operator.write",
  normalize: byId,
  params: () => z.object({ taskId: taskId(), reason: z.string().max(1_000).optional() }),
  result: () =>
    z.object({ found: z.boolean(), cancelled: z.boolean(), reason: z.string().optional(), task: task().optional() }),
  async run({ taskId }, { parts }) {
    try {
      return { found: true, cancelled: true, task: shown(await parts.jobs.cancel(taskId), parts) }
    } catch (error) {
      if (!(error instanceof PincerError)) throw error
      if (error.code === "NOT_FOUND") return { found: false, cancelled: false, reason: error.message }
      if (error.code !== "CONFLICT") throw error
      return { found: true, cancelled: false, reason: error.message, task: shown(await parts.jobs.get(taskId), parts) }
    }
  },
})

const retry = method({
  name: "tasks.retry",
  summary: "Queues failed tasks again, each for itself.",
  scope: "operator.write",
  normalize: ({ taskId, ...params }) => ({
    ...params,
    taskIds: params["taskIds"] ?? (taskId === undefined ? undefined : [taskId]),
  }),
  params: () => z.object({ taskIds: z.array(taskId(), { error: "taskIds is required: a list" }).min(1).max(MAX_IDS) }),
  result: () =>
    z.object({
      results: z.array(
        z.object({ taskId: z.string(), ok: z.boolean(), reason: z.string().optional(), task: task().optional() }),
      ),
    }),
  async run({ taskIds }, { parts }) {
    const results = []
    for (const taskId of new Set(taskIds))
      results.push(
        await parts.jobs.retry(taskId).then(
          (record) => ({ taskId, ok: true, task: shown(record, parts) }),
          (error: unknown) => ({ taskId, ok: false, reason: asPincerError(error).message }),
        ),
      )
    return { results }
  },
})

export const taskMethods: readonly Method[] = [list, get, cancel, retry]

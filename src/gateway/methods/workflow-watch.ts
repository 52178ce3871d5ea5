// workflow.watch: what happened in a run, and what happens, at the reader's own speed: the recorded facts are read page by page from wherever he
// stands. A run may also be at work in another process: then the store is looked at every second.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { isFinalRun } from "../../protocol/workflow.ts"
import type { Workflows } from "../workflows/workflows.ts"
import { emitterOf } from "./client.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { renamed } from "./params.ts"

const PAGE = 500
const LOOK_MS = 1_000
const MAX_WATCHED = 1_000

const watch = method({
  name: "workflow.watch",
  summary:
    "Sends what happened in a run after `after`, and what happens from now on, as workflow.event, until it ends.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { runId: ["id"] }),
  params: () =>
    z.object({
      runId: z.string({ error: "runId is required" }).min(1).max(256),
      after: z
        .number()
        .int()
        .min(0)
        .optional()
        .describe("Number of the last event that is known; default: from the start"),
    }),
  result: () => z.object({ runId: z.string(), status: z.string() }),
  async run({ after = 0, runId }, context) {
    const { caller, parts } = context
    const { workflows } = parts
    const stored = await workflows?.runs.get(runId)
    if (!workflows || !stored)
      throw new PincerError("NOT_FOUND", `Unknown run "${runId}": run "pincer workflow list --runs"`)
    const emit = emitterOf(context, "workflow.watch")
    const stop = begin(runId, caller)
    const signal = AbortSignal.any([caller.signal, stop.signal])
    setImmediate(() => {
      tell(workflows, runId, after, context, emit, signal)
        .catch((error: unknown) => parts.log.error({ err: error, runId }, "A watch of a run failed"))
        .finally(() => stop.done())
    })
    return { runId, status: stored.record.status }
  },
})

/** In place of an earlier watch of the same run by this connection. */
function begin(runId: string, { watched = new Map<string, () => void>() }: MethodContext["caller"]) {
  const key = `workflow:${runId}`
  if (watched.size >= MAX_WATCHED && !watched.has(key))
    throw new PincerError("RATE_LIMITED", `One connection watches at most ${MAX_WATCHED} runs and sessions: stop one`)
  watched.get(key)?.()
  const controller = new AbortController()
  const stop = () => controller.abort()
  watched.set(key, stop)
  return { signal: controller.signal, done: () => watched.get(key) === stop && watched.delete(key) }
}

async function tell(
  workflows: Workflows,
  runId: string,
  after: number,
  { parts }: MethodContext,
  emit: NonNullable<MethodContext["emit"]>,
  signal: AbortSignal,
): Promise<void> {
  let bell = Promise.withResolvers<void>()
  const silence = workflows.onRun(runId, () => bell.resolve())
  const onAbort = () => bell.resolve()
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    for (let seq = after; !signal.aborted; ) {
      bell = Promise.withResolvers()
      const stored = await workflows.runs.get(runId)
      const page = await workflows.runs.events(runId, seq, PAGE)
      for (const event of page) {
        if (signal.aborted) return
        await emit("workflow.event", parts.redactor.text(JSON.stringify({ event })))
        seq = event.seq
      }
      if (page.length > 0) continue
      const status = stored?.record.status
      if (status === undefined || isFinalRun(status)) {
        await emit("workflow.done", JSON.stringify({ runId, status: status ?? "removed" }))
        return
      }
      const stopLooking = parts.clock.after(LOOK_MS, () => bell.resolve())
      await bell.promise
      stopLooking()
    }
  } finally {
    signal.removeEventListener("abort", onAbort)
    silence()
  }
}

const end = method({
  name: "workflow.watch.stop",
  summary: "Ends what workflow.watch began on this connection.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { runId: ["id"] }),
  params: () => z.object({ runId: z.string({ error: "runId is required" }).min(1).max(256) }),
  result: () => z.object({ runId: z.string(), stopped: z.boolean() }),
  async run({ runId }, { caller }) {
    const stop = caller.watched?.get(`workflow:${runId}`)
    stop?.()
    return { runId, stopped: stop !== undefined }
  },
})

export const workflowWatchMethods: readonly Method[] = [watch, end]

// sessions.send, sessions.steer and sessions.abort: the conversation by the names that newer clients use. What they do is what chat.send
// and chat.abort do.
import { z } from "zod"
import { namesSession } from "../inbound.ts"
import { abortRuns, send as chatSend } from "./chat.ts"
import { type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"

function sending(name: string, summary: string, force: Record<string, unknown>): Method {
  return method({
    name,
    summary,
    scope: chatSend.scope,
    normalize: (params, caller) => ({ ...(chatSend.normalize?.(params, caller) ?? params), ...force }),
    params: () => chatSend.params,
    result: () => chatSend.result,
    run: (params, context) => chatSend.run(params, context),
  })
}

const abort = method({
  name: "sessions.abort",
  summary: "Stops a run, or whatever runs in a session; with clearQueued also what waits there.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z
      .object({
        ...sessionFields(),
        runId: z.string().min(1).optional(),
        clearQueued: z.boolean().optional(),
      })
      .refine((p) => namesSession(p) || p.runId !== undefined, { path: ["key"], error: "key or runId is required" }),
  result: () =>
    z.object({
      ok: z.boolean(),
      aborted: z.boolean(),
      runIds: z.array(z.string()),
      abortedRunId: z.string().nullable(),
      status: z.enum(["aborted", "no-active-run"]),
    }),
  async run({ clearQueued = false, ...params }, { parts }) {
    const runIds = await abortRuns(params, parts, clearQueued)
    const aborted = runIds.length > 0
    return {
      ok: true,
      aborted,
      runIds,
      abortedRunId: runIds[0] ?? null,
      status: aborted ? ("aborted" as const) : ("no-active-run" as const),
    }
  },
})

export const sessionTalkMethods: readonly Method[] = [
  sending("sessions.send", "The same as chat.send.", {}),
  sending("sessions.steer", "chat.send that stops what runs and waits in the session first.", { abortPrevious: true }),
  abort,
]

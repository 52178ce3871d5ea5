// turn.list: what became of the turns of a session, newest first, for people who ask how far it is.
import { z } from "zod"
import { requireSession } from "../inbound.ts"
import { type Method, method } from "./method.ts"
import { count, renamed, sessionFields } from "./params.ts"

const list = method({
  name: "turn.list",
  summary: "The newest turns of a session and how each stands or ended, without their texts.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () => z.object({ ...sessionFields(), limit: count(200) }),
  result: () =>
    z.object({
      key: z.string(),
      turns: z.array(
        z.looseObject({
          runId: z.string(),
          status: z.string(),
          door: z.string(),
          attempt: z.number(),
          acceptedAt: z.number(),
          startedAt: z.number().nullable(),
          endedAt: z.number().nullable(),
          stop: z.string().nullable(),
          textLength: z.number(),
          error: z.string().nullable(),
        }),
      ),
    }),
  async run(params, { parts }) {
    const { key } = await requireSession(params, parts)
    const records = await parts.store.turns.list({ sessionKey: key, limit: params.limit ?? 20 })
    const turns = records.map(({ acceptedAt, attempt, endedAt, outcome, request, startedAt, status, turnId }) => ({
      runId: turnId,
      status,
      door: request.origin.door,
      attempt,
      acceptedAt,
      startedAt,
      endedAt,
      stop: outcome?.stop ?? null,
      textLength: outcome?.text.length ?? 0,
      error: outcome?.error ? parts.redactor.text(outcome.error.message) : null,
    }))
    return { key, turns }
  },
})

export const turnMethods: readonly Method[] = [list]

// sessions.fork: a conversation goes on in two ways.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import { namesSession, requireSession } from "../inbound.ts"
import { type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"
import { requireDirectory, row, sessionRow } from "./sessions.ts"

const fork = method({
  name: "sessions.fork",
  summary: "A new session with the transcript and settings of another; of a turn that runs, what is recorded so far.",
  scope: "operator.write",
  limited: "sessionCreations",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z
      .object({
        ...sessionFields(),
        newKey: z.string().min(1).max(512).optional().describe("Of the same agent; default: a new one"),
        cwd: z.string().min(1).optional().describe("Absolute path of a folder; default: the same"),
      })
      .refine(namesSession, { path: ["sessionKey"], error: "sessionKey is required" }),
  result: () => z.looseObject({ ok: z.boolean(), key: z.string(), sessionId: z.string(), entry: row() }),
  async run({ cwd, newKey, ...named }, { parts }) {
    const source = await requireSession(named, parts)
    if (cwd !== undefined) await requireDirectory(cwd)
    const { agentId, key } = parseSessionKey(newKey ?? uuid(parts.clock.now()), source.agentId)
    if (agentId !== source.agentId)
      throw new PincerError(
        "INVALID_PARAMS",
        `newKey "${key}" is of another agent than "${source.key}": leave the agent out of it`,
      )
    const forked = await parts.store.transcript.fork(source.key, key, agentId, cwd === undefined ? {} : { cwd })
    parts.notices.tell({ type: "updated", key, changed: ["created"] })
    return { ok: true, key, sessionId: forked.id, entry: sessionRow(forked, parts) }
  },
})

export const forkMethods: readonly Method[] = [fork]

// sessions.fork: a conversation goes on in two ways.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import { namesSession, requireSession } from "../inbound.ts"
import { editorOf, type Landing, placeOf } from "../sessions/ways.ts"
import { type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"
import { editor } from "./session-ways.ts"
import { requireDirectory, row, sessionRow } from "./sessions.ts"

const fork = method({
  name: "sessions.fork",
  summary: "A new session with the transcript and settings of another; of a turn that runs, what is recorded so far.",
  scope: "operator.write",
  limited: "sessionCreations",
  normalize: (params) => renamed(params, { path: ["file"], entryId: ["messageId"] }),
  params: () =>
    z
      .object({
        ...sessionFields(),
        newKey: z.string().min(1).max(512).optional().describe("Of the same agent; default: a new one"),
        cwd: z.string().min(1).optional().describe("Absolute path of a folder; default: the same"),
        entryId: z
          .string()
          .min(1)
          .max(200)
          .optional()
          .describe("A message: the new session ends before it if the user said it, else after it; default: all of it"),
      })
      .refine(namesSession, { path: ["sessionKey"], error: "sessionKey is required" }),
  result: () =>
    z.looseObject({
      ok: z.boolean(),
      key: z.string(),
      sessionKey: z.string(),
      sessionId: z.string(),
      entry: row(),
      ...editor(),
    }),
  async run({ cwd, entryId, newKey, ...named }, { parts }) {
    const source = await requireSession(named, parts)
    if (cwd !== undefined) await requireDirectory(cwd)
    const { agentId, key } = parseSessionKey(newKey ?? uuid(parts.clock.now()), source.agentId)
    if (agentId !== source.agentId)
      throw new PincerError(
        "INVALID_PARAMS",
        `newKey "${key}" is of another agent than "${source.key}": leave the agent out of it`,
      )
    let place: Landing = { ids: [] }
    const forked = await parts.store.transcript.fork(source.key, key, agentId, {
      ...(cwd === undefined ? {} : { cwd }),
      ...(entryId === undefined
        ? {}
        : {
            plan: (ways, messages) => {
              place = placeOf(entryId, ways, messages)
              return place.ids
            },
          }),
    })
    parts.notices.tell({ type: "updated", key, changed: ["created"] })
    const entry = sessionRow(forked, parts)
    return { ok: true, key, sessionKey: key, sessionId: forked.id, entry, ...editorOf(place.said) }
  },
})

export const forkMethods: readonly Method[] = [fork]

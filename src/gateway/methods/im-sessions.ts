// session.*: the conversations as IMClaw's clients know them (IM-RPC-05 … 13). The same sessions as sessions.*; here they have names,
// tags and an archive, and can be listened to from any point of their log.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import type { SessionRow } from "../../store/store.ts"
import { requireAgent } from "../inbound.ts"
import { exportSession, importSession } from "../rpc/export.ts"
import { followSession } from "../rpc/follow.ts"
import { agentOf, sessionId, sessionOf, summaryOf } from "../rpc/session-view.ts"
import { namedOrOwn } from "./ask.ts"
import { endLeave } from "./elevated.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { count, renamed } from "./params.ts"

const MAX_TAG = 64

const view = () => z.looseObject({ id: z.string(), agent_name: z.string() })
const normalize = (params: Record<string, unknown>) =>
  renamed(params, { session: ["sessionId", "sessionKey", "id", "key"], agent: ["agentName", "agentId"] })
const session = () => z.string({ error: "Missing required param: session_id" }).min(1).describe("Also session_id")
const named = () => z.object({ session: session() })

async function rowOf(name: string | undefined, context: MethodContext): Promise<SessionRow> {
  const found = await findRow(name, context)
  if (found) return found
  throw new PincerError("NOT_FOUND", "Session not found", { details: { session_id: name } })
}

async function findRow(name: string | undefined, context: MethodContext): Promise<SessionRow | undefined> {
  const { key } = await namedOrOwn(name, context)
  return context.parts.store.sessions.get(key)
}

/** The session after a change, to the caller and to everybody who listens. */
async function changed(row: SessionRow, { parts }: MethodContext) {
  parts.notices.tell({ type: "updated", key: row.key })
  return sessionOf(row, parts)
}

const init = method({
  name: "session.init",
  summary: "The session of this name, made when it is not there.",
  scope: "operator.write",
  normalize,
  params: () => z.object({ session: z.string().optional(), agent: z.string().optional() }),
  result: () => z.looseObject({ session_id: z.string(), agent: z.string() }),
  async run(params, context) {
    const row = await ensure(params.session, params.agent, context)
    const { parts } = context
    return {
      session_id: sessionId(row.key, parts),
      agent: agentOf(row),
      created_at: new Date(row.createdAt).toISOString(),
      last_active: new Date(row.updatedAt).toISOString(),
    }
  },
})

async function ensure(name: string | undefined, agent: string | undefined, context: MethodContext) {
  const { parts } = context
  if (agent) requireAgent(agent, parts)
  const { agentId, key } = await namedOrOwn(name, context)
  const row = await parts.store.sessions.ensure(key, agentId)
  if (!agent || agentOf(row) === agent) return row
  return parts.store.sessions.patch(key, { settings: { ...row.settings, agent } })
}

const create = method({
  name: "session.new",
  summary: "A new empty session; one that is there is emptied. Without a name it gets one.",
  scope: "operator.write",
  normalize,
  params: () => z.object({ session: z.string().optional(), agent: z.string().optional() }),
  result: view,
  async run(params, context) {
    const { parts } = context
    const row = await ensure(params.session?.trim() || uuid(parts.clock.now()), params.agent, context)
    if (row.lastSeq === 0) return changed(row, context)
    await parts.lanes.cancel({ sessionKey: row.key, queued: true })
    await endLeave(row.key, "the session was reset", context.caller, parts)
    return changed(await parts.store.sessions.reset(row.key), context)
  },
})

const get = method({
  name: "session.get",
  summary: "A session with all that happened in it, or null.",
  scope: "operator.read",
  normalize,
  params: () => z.object({ session: z.string().optional() }),
  result: () => view().nullable(),
  async run(params, context) {
    const row = await findRow(params.session, context)
    return row ? sessionOf(row, context.parts) : null
  },
})

const list = method({
  name: "session.list",
  summary: "Summaries, newest first, archived ones included unless asked otherwise.",
  scope: "operator.read",
  normalize,
  params: () =>
    z.object({
      tag: z.string().optional(),
      archived: z.boolean().optional(),
      search: z.string().optional().describe("Part of id, name, tags or first words, or words that one message holds"),
      limit: count(10_000),
      offset: z.number().int().min(0).optional(),
    }),
  result: () => z.looseObject({ sessions: z.array(view()), total: z.number() }),
  async run(params, { parts }) {
    const { sessions, total } = await parts.store.sessions.list({ limit: 1_000, ...params })
    return { sessions: await Promise.all(sessions.map((row) => summaryOf(row, parts))), total }
  },
})

const update = method({
  name: "session.update",
  summary: "Chooses the agent that answers in a session.",
  scope: "operator.write",
  normalize,
  params: () => z.object({ session: session(), agent: z.string({ error: "Missing required param: agent" }).min(1) }),
  result: view,
  async run(params, context) {
    const row = await rowOf(params.session, context)
    requireAgent(params.agent, context.parts)
    const settings = { ...row.settings, agent: params.agent }
    return changed(await context.parts.store.sessions.patch(row.key, { settings }), context)
  },
})

const remove = method({
  name: "session.delete",
  summary: "Stops what runs in a session and deletes it. One that is not there is no error.",
  scope: "operator.admin",
  normalize,
  params: named,
  result: () => z.object({ success: z.literal(true) }),
  async run(params, context) {
    const { parts } = context
    const { key } = await namedOrOwn(params.session, context)
    await parts.lanes.cancel({ sessionKey: key, queued: true })
    await endLeave(key, "the session was deleted", context.caller, parts)
    if (await parts.store.sessions.delete(key)) parts.notices.tell({ type: "deleted", key })
    return { success: true as const }
  },
})

/** A method that changes one row. */
function change<P extends { session: string }>(
  name: string,
  summary: string,
  params: () => z.ZodType<P>,
  patch: (
    row: SessionRow,
    params: P,
    now: number,
  ) => Parameters<MethodContext["parts"]["store"]["sessions"]["patch"]>[1],
): Method {
  return method({
    name,
    summary,
    scope: "operator.write",
    normalize,
    params,
    result: view,
    async run(given: P, context) {
      const row = await rowOf(given.session, context)
      const { clock, store } = context.parts
      return changed(await store.sessions.patch(row.key, patch(row, given, clock.now())), context)
    },
  })
}

const tagged = () =>
  z.object({ session: session(), tag: z.string({ error: "Missing required param: tag" }).trim().min(1).max(MAX_TAG) })

const rename = change(
  "session.rename",
  "Gives a session a name; empty takes it away.",
  () => z.object({ session: session(), name: z.string({ error: "Missing required param: name" }).trim().max(200) }),
  (_row, { name }) => ({ name: name === "" ? null : name }),
)
const tag = change("session.tag", "Adds a tag to a session.", tagged, (row, { tag: word }) => ({
  tags: row.tags.includes(word) ? row.tags : [...row.tags, word],
}))
const untag = change("session.untag", "Takes a tag from a session.", tagged, (row, { tag: word }) => ({
  tags: row.tags.filter((one) => one !== word),
}))
const archive = change("session.archive", "Puts a session away: lists leave it out.", named, (row, _params, now) => ({
  archivedAt: row.archivedAt ?? now,
}))
const unarchive = change("session.unarchive", "Takes a session back from the archive.", named, () => ({
  archivedAt: null,
}))

const subscribe = method({
  name: "session.subscribe",
  summary: "Tells this connection what happens in a session; with `after`, first what happened since that activity.",
  scope: "operator.read",
  normalize,
  params: () => z.object({ session: session(), after: z.number().int().min(0).optional().describe("Activity number") }),
  result: () => z.looseObject({ subscribed: z.literal(true), session_id: z.string() }),
  async run(params, context) {
    const { key } = await namedOrOwn(params.session, context)
    const last = await followSession(key, params.after, context)
    return { subscribed: true as const, session_id: sessionId(key, context.parts), last_activity: last }
  },
})

const unsubscribe = method({
  name: "session.unsubscribe",
  summary: "Ends what session.subscribe began.",
  scope: "operator.read",
  normalize,
  params: named,
  result: () => z.object({ unsubscribed: z.boolean(), session_id: z.string() }),
  async run(params, context) {
    const { key } = await namedOrOwn(params.session, context)
    const stop = context.caller.subscriptions?.get(key)
    stop?.()
    context.caller.subscriptions?.delete(key)
    return { unsubscribed: stop !== undefined, session_id: sessionId(key, context.parts) }
  },
})

const exported = method({
  name: "session.export",
  summary: "A session as JSON (can be imported again) or Markdown.",
  scope: "operator.read",
  normalize,
  params: () => z.object({ session: session(), format: z.string().optional() }),
  result: () => z.object({ session_id: z.string(), format: z.string(), data: z.string() }),
  async run(params, context) {
    const row = await rowOf(params.session, context)
    const format = params.format || "json"
    return {
      session_id: sessionId(row.key, context.parts),
      format,
      data: await exportSession(row, format, context.parts),
    }
  },
})

const imported = method({
  name: "session.import",
  summary: "Makes a session of what session.export gave; one of the same id is replaced.",
  scope: "operator.admin",
  normalize,
  params: () => z.object({ data: z.string({ error: "data is required" }).min(1, { error: "data is required" }) }),
  result: view,
  async run(params, context) {
    return changed(await importSession(params.data, context.parts), context)
  },
})

export const imSessionMethods: readonly Method[] = [
  init,
  create,
  get,
  list,
  update,
  remove,
  rename,
  tag,
  untag,
  archive,
  unarchive,
  subscribe,
  unsubscribe,
  exported,
  imported,
]

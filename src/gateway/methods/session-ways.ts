// sessions.rewind, sessions.branches.* and sessions.compaction.*: going back in a conversation, to what was left, and before a summary.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { wayTo } from "../../protocol/conversation.ts"
import { type Message, textOf } from "../../protocol/message.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import type { SessionRow } from "../../store/store.ts"
import { namesSession, requireSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { beforeSummary, branchesOf, editorOf, type Landing, placeOf, whileResting } from "../sessions/ways.ts"
import { type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"
import { row, sessionRow } from "./sessions.ts"

const id = (what: string) =>
  z
    .string({ error: `${what} is required` })
    .min(1)
    .max(200)
const needsSession = { path: ["sessionKey"], error: "sessionKey is required" }

export const editor = () => ({
  editorText: z.string().optional().describe("What the user had said there, to be changed and said again"),
  editorAttachments: z.array(z.object({ mimeType: z.string(), data: z.string().describe("base64") })).optional(),
})

const rewind = method({
  name: "sessions.rewind",
  summary:
    "Goes back in a session: before something that the user said, or after an answer. What followed stays as a branch.",
  scope: "operator.admin",
  normalize: (params) => renamed(params, { path: ["file"], entryId: ["messageId", "id"] }),
  params: () => z.object({ ...sessionFields(), entryId: id("entryId") }).refine(namesSession, needsSession),
  result: () => z.looseObject({ key: z.string(), messageCount: z.number(), ...editor() }),
  async run({ entryId, ...named }, { parts }) {
    const { key } = await requireSession(named, parts)
    let place: Landing = { ids: [] }
    await go(key, parts, (ways, messages) => {
      place = placeOf(entryId, ways, messages)
      return place.ids
    })
    return { key, messageCount: place.ids.length, ...editorOf(place.said) }
  },
})

async function go(key: string, parts: Parts, plan: Parameters<typeof whileResting>[2]): Promise<void> {
  const envelopes = await parts.store.transcript.goTo(key, whileResting(key, parts, plan))
  for (const envelope of envelopes) parts.hub.publish(envelope)
  if (envelopes.length > 0) parts.notices.tell({ type: "updated", key, changed: ["messages"] })
}

const branches = method({
  name: "sessions.branches.list",
  summary: "The ways that a conversation took: the one that counts first, then those that were left, last left first.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () => z.object(sessionFields()).refine(namesSession, needsSession),
  result: () =>
    z.object({
      branches: z.array(
        z.object({
          leafEntryId: z.string().describe("Its last message, which names it"),
          headline: z.string(),
          messageCount: z.number(),
          updatedAt: z.string().optional().describe("ISO 8601"),
          active: z.boolean(),
        }),
      ),
    }),
  async run(params, { parts }) {
    const { key } = await requireSession(params, parts)
    const found = await parts.store.transcript.ways(key)
    return { branches: found ? branchesOf(found.ways, found.messages) : [] }
  },
})

const branchSwitch = method({
  name: "sessions.branches.switch",
  summary: "Lets a branch that was left count again; the one that counts now is left.",
  scope: "operator.admin",
  normalize: (params) => renamed(params, { path: ["file"], leafEntryId: ["entryId"] }),
  params: () => z.object({ ...sessionFields(), leafEntryId: id("leafEntryId") }).refine(namesSession, needsSession),
  result: () => z.object({ key: z.string(), messageCount: z.number() }),
  async run({ leafEntryId, ...named }, { parts }) {
    const { key } = await requireSession(named, parts)
    let messageCount = 0
    await go(key, parts, (ways) => {
      const way = wayTo(ways, leafEntryId)
      const isEnd = way && (way.length === ways.now.length || ways.left.some(({ ids }) => ids.at(-1) === leafEntryId))
      if (!way || !isEnd)
        throw new PincerError("NOT_FOUND", `No branch ends with "${leafEntryId}": see sessions.branches.list`, {
          details: { leafEntryId },
        })
      messageCount = way.length
      return way
    })
    return { key, messageCount }
  },
})

const checkpoint = () =>
  z.looseObject({
    checkpointId: z.string(),
    sessionKey: z.string(),
    sessionId: z.string(),
    createdAt: z.number(),
    reason: z.enum(["manual", "auto-threshold"]),
    tokensBefore: z.number().optional().describe("Of what it stands for, counted roughly"),
    summary: z.string().optional(),
    firstKeptEntryId: z.string().optional(),
    preCompaction: z.looseObject({ sessionId: z.string(), leafId: z.string().optional() }),
    postCompaction: z.looseObject({ sessionId: z.string(), leafId: z.string().optional() }),
  })

const named = () => ({ ...sessionFields(), checkpointId: id("checkpointId") })
const entry = () => row()

const list = method({
  name: "sessions.compaction.list",
  summary: "The summaries that were made in a session, newest first. The messages that they stand for are still there.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () => z.object(sessionFields()).refine(namesSession, { ...needsSession, path: ["key"] }),
  result: () => z.object({ ok: z.literal(true), key: z.string(), checkpoints: z.array(checkpoint()) }),
  async run(params, { parts }) {
    const session = await requireSession(params, parts)
    return { ok: true as const, key: session.key, checkpoints: await checkpointsOf(session, parts) }
  },
})

async function checkpointsOf(session: SessionRow, parts: Parts) {
  const found = await parts.store.transcript.ways(session.key)
  if (!found) return []
  const shown = []
  for (const message of [...found.messages.values()].reverse()) {
    const way = message.summary && wayTo(found.ways, message.id)
    if (way) shown.push(await checkpointOf(message, way, session, parts))
  }
  return shown
}

async function checkpointOf(message: Message, way: readonly string[], session: SessionRow, { store }: Parts) {
  const { through = "", tokens: tokensBefore } = message.summary ?? {}
  const turn = message.turnId === undefined ? undefined : await store.turns.get(message.turnId)
  const sessionId = session.id
  const before = way.at(-2)
  const kept = way[way.indexOf(through) + 1]
  return {
    checkpointId: message.id,
    sessionKey: session.key,
    sessionId,
    createdAt: message.at,
    reason: turn?.request.task?.type === "compact" ? ("manual" as const) : ("auto-threshold" as const),
    tokensBefore,
    summary: textOf(message.content),
    ...(kept === undefined || kept === message.id ? {} : { firstKeptEntryId: kept }),
    preCompaction: { sessionId, ...(before === undefined ? {} : { leafId: before, entryId: before }) },
    postCompaction: { sessionId, leafId: message.id, entryId: message.id },
  }
}

/** Throws NOT_FOUND. */
async function requireCheckpoint(session: SessionRow, checkpointId: string, parts: Parts) {
  const found = (await checkpointsOf(session, parts)).find((one) => one.checkpointId === checkpointId)
  if (found) return found
  throw new PincerError(
    "NOT_FOUND",
    `${session.key} has no checkpoint "${checkpointId}": see sessions.compaction.list`,
    { details: { checkpointId } },
  )
}

const branch = method({
  name: "sessions.compaction.branch",
  summary: "A new session with the conversation as it was before a summary.",
  scope: "operator.write",
  limited: "sessionCreations",
  normalize: (params) => renamed(params, { path: ["file"], checkpointId: ["id"] }),
  params: () => z.object(named()).refine(namesSession, { ...needsSession, path: ["key"] }),
  result: () =>
    z.object({
      ok: z.literal(true),
      sourceKey: z.string(),
      key: z.string(),
      sessionId: z.string(),
      checkpoint: checkpoint(),
      entry: entry(),
    }),
  async run({ checkpointId, ...named }, { parts }) {
    const source = await requireSession(named, parts)
    const shown = await requireCheckpoint(source, checkpointId, parts)
    const made = await forkAt(source, parts, (ways, messages) => beforeSummary(checkpointId, ways, messages))
    const { id: sessionId, key } = made
    return {
      ok: true as const,
      sourceKey: source.key,
      key,
      sessionId,
      checkpoint: shown,
      entry: sessionRow(made, parts),
    }
  },
})

async function forkAt(source: SessionRow, parts: Parts, plan: Parameters<typeof whileResting>[2]) {
  const { key } = parseSessionKey(uuid(parts.clock.now()), source.agentId)
  const made = await parts.store.transcript.fork(source.key, key, source.agentId, { plan })
  parts.notices.tell({ type: "updated", key, changed: ["created"] })
  return made
}

const restore = method({
  name: "sessions.compaction.restore",
  summary: "Goes back in a session to before a summary; what followed stays as a branch.",
  scope: "operator.admin",
  normalize: (params) => renamed(params, { path: ["file"], checkpointId: ["id"] }),
  params: () => z.object(named()).refine(namesSession, { ...needsSession, path: ["key"] }),
  result: () =>
    z.object({
      ok: z.literal(true),
      key: z.string(),
      sessionId: z.string(),
      checkpoint: checkpoint(),
      entry: entry(),
    }),
  async run({ checkpointId, ...named }, { parts }) {
    const session = await requireSession(named, parts)
    const shown = await requireCheckpoint(session, checkpointId, parts)
    await go(session.key, parts, (ways, messages) => beforeSummary(checkpointId, ways, messages))
    const now = await requireSession({ key: session.key }, parts)
    return { ok: true as const, key: now.key, sessionId: now.id, checkpoint: shown, entry: sessionRow(now, parts) }
  },
})

export const sessionWayMethods: readonly Method[] = [rewind, branches, branchSwitch, list, branch, restore]

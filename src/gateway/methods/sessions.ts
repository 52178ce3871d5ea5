// sessions.*: the conversations. `path` in rows is a name for look-ups, no file; it is accepted wherever a session is named.
import { stat } from "node:fs/promises"
import { isAbsolute } from "node:path"
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Elevation } from "../../protocol/permission.ts"
import { MAIN_KEY, parseSessionKey } from "../../protocol/session.ts"
import type { SessionRow } from "../../store/store.ts"
import { listedPath, namesSession, requireSession, resolveSession, type SessionParams } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { historyMessages, previewItem } from "../sessions/history.ts"
import { shownMarks, shownSettings } from "../sessions/session-settings.ts"
import { endLeave } from "./elevated.ts"
import { type Method, method } from "./method.ts"
import { count, renamed, sessionFields } from "./params.ts"

const byName = (params: Record<string, unknown>) => renamed(params, { path: ["file"] })
const named = () => z.object(sessionFields()).refine(namesSession, { path: ["key"], error: "key or path is required" })

export const row = () =>
  z.looseObject({
    key: z.string(),
    kind: z.enum(["direct", "group"]),
    sessionId: z.string(),
    agentId: z.string(),
    updatedAt: z.number(),
    file: z.string(),
    path: z.string(),
    size: z.number().optional().describe("Bytes of the recorded events; in the simple dialect or with includeSize"),
    label: z.string().optional(),
    category: z.string().optional().describe("The group that it is sorted into"),
    pinned: z.boolean(),
    unread: z.boolean().describe("Somebody marked it as unread"),
    totalTokens: z.number(),
    hasActiveRun: z.boolean(),
  })

/** Which model a session talks to now. An external agent has models of its own, under names that only it knows. */
export function modelOf(session: SessionRow, parts: Parts) {
  const profile = parts.agents.get(session.agentId)
  if (profile?.hosted) {
    const { known = session.agentId } = profile.hosted
    return { modelProvider: `acp:${known}`, model: session.model ?? profile.model ?? "default", contextTokens: null }
  }
  const chosen = parts.catalogue.chosen()
  const name = session.model ?? profile?.model
  const slash = name?.indexOf("/") ?? -1
  const ref =
    name === undefined
      ? { provider: chosen.provider, model: chosen.model }
      : slash < 0
        ? { provider: chosen.provider, model: name }
        : { provider: name.slice(0, slash), model: name.slice(slash + 1) }
  return {
    modelProvider: ref.provider,
    model: ref.model,
    contextTokens: parts.catalogue.info(ref)?.contextWindow ?? null,
  }
}

/** A session as every dialect's row at once (protocol §7.4 and §9.4). Only what is truly known. */
export function sessionRow(session: SessionRow, parts: Parts): Record<string, unknown> {
  const active = parts.lanes.active(session.key)
  const name = session.label ?? session.name ?? session.toldTitle ?? session.title
  const chatType = /:(group|channel):/.test(session.key) ? "group" : "direct"
  const running = active.filter((turn) => turn.status !== "queued")
  return {
    key: session.key,
    kind: chatType,
    chatType,
    isMain: parseSessionKey(session.key).rest === MAIN_KEY,
    archived: session.archivedAt !== null,
    sessionId: session.id,
    agentId: session.agentId,
    ...(session.label === null ? {} : { label: session.label }),
    ...(name === null ? {} : { displayName: name }),
    ...(session.name === null ? {} : { name: session.name }),
    ...(session.tags.length === 0 ? {} : { tags: session.tags }),
    ...(session.archivedAt === null ? {} : { archivedAt: session.archivedAt }),
    updatedAt: session.updatedAt,
    createdAt: session.createdAt,
    abortedLastRun: session.abortedLastTurn,
    lastInteractionAt: session.updatedAt,
    lastActivityAt: session.updatedAt,
    hasActiveRun: running.length > 0,
    activeRunIds: running.map(({ turnId }) => turnId),
    queuedRuns: active.length - running.length,
    messageCount: session.messageCount,
    lastSeq: session.lastSeq,
    inputTokens: session.usage.inputTokens,
    outputTokens: session.usage.outputTokens,
    totalTokens: session.usage.inputTokens + session.usage.outputTokens,
    cacheRead: session.usage.cacheReadTokens,
    cacheWrite: session.usage.cacheWriteTokens,
    estimatedCostUsd: session.usage.costUsd,
    ...modelOf(session, parts),
    ...(session.model === null ? {} : { modelOverride: session.model }),
    ...(session.cwd === null ? {} : { cwd: session.cwd }),
    workDir: session.cwd ?? parts.agents.get(session.agentId)?.workspace ?? null,
    ...shownSettings(session.settings),
    ...shownMarks(session.settings),
    file: `${session.id}.jsonl`,
    path: listedPath(session),
  }
}

export function elevatedFields(elevation: Elevation | undefined) {
  return elevation ? { elevatedLevel: elevation.level, elevatedUntilMs: elevation.expiresAt } : {}
}

const list = method({
  name: "sessions.list",
  summary: "Sessions, newest first.",
  scope: "operator.read",
  normalize(params, caller) {
    const out = byName(params)
    return caller.dialect === "py" ? { includeSize: true, ...out } : out
  },
  params: () =>
    z.object({
      limit: count(1000),
      offset: z.number().int().min(0).optional(),
      activeMinutes: z.number().min(0).optional(),
      agentId: z.string().optional(),
      label: z.string().optional(),
      search: z
        .string()
        .optional()
        .describe("Part of key, label, name, tags or title, or words that one message holds"),
      tag: z.string().optional(),
      category: z.string().optional().describe("Only those of this group"),
      cwd: z.string().optional().describe("Absolute path of the folder that its tools work in"),
      archived: z.boolean().optional().describe("Only those that were put away, or only others; absent: all"),
      includeDerivedTitles: z.boolean().optional(),
      includeLastMessage: z.boolean().optional(),
      includeSize: z.boolean().optional(),
    }),
  result: () =>
    z.looseObject({
      ts: z.number(),
      path: z.string(),
      count: z.number(),
      totalCount: z.number(),
      hasMore: z.boolean(),
      nextOffset: z.number().nullable(),
      defaults: z.looseObject({ modelProvider: z.string(), model: z.string() }),
      sessions: z.array(row()),
    }),
  async run(params, { parts }) {
    const now = parts.clock.now()
    const offset = params.offset ?? 0
    const { activeMinutes, limit } = params
    const found = await parts.store.sessions.list({
      agentId: params.agentId,
      label: params.label,
      search: params.search,
      tag: params.tag,
      category: params.category,
      cwd: params.cwd === undefined ? undefined : { path: params.cwd, agentIds: agentsIn(params.cwd, parts) },
      archived: params.archived,
      updatedAfter: activeMinutes === undefined ? undefined : now - activeMinutes * 60_000,
      limit,
      offset,
    })
    const sizes = params.includeSize
      ? await parts.store.transcript.bytes(found.sessions.map((session) => session.id))
      : undefined
    const elevated = await parts.elevations.all()
    const sessions = []
    for (const session of found.sessions)
      sessions.push({
        ...sessionRow(session, parts),
        ...elevatedFields(elevated.get(session.key)),
        ...(sizes ? { size: sizes.get(session.id) ?? 0 } : {}),
        ...(params.includeDerivedTitles && session.title !== null ? { derivedTitle: session.title } : {}),
        ...(params.includeLastMessage ? await lastMessage(session.key, parts) : {}),
      })
    const end = offset + sessions.length
    const chosen = parts.catalogue.chosen()
    return {
      ts: now,
      path: parts.home,
      count: sessions.length,
      totalCount: found.total,
      limitApplied: limit ?? null,
      hasMore: end < found.total,
      nextOffset: end < found.total ? end : null,
      defaults: {
        modelProvider: chosen.provider,
        model: chosen.model,
        contextTokens: parts.catalogue.info(chosen)?.contextWindow ?? null,
      },
      sessions,
    }
  },
})

/** The agents whose sessions work in a folder unless they say otherwise. */
function agentsIn(folder: string, parts: Parts): string[] {
  return [...parts.agents.values()].filter(({ workspace }) => workspace === folder).map(({ id }) => id)
}

export async function lastMessage(key: string, parts: Parts) {
  const messages = await parts.store.transcript.messages(key, { limit: 5 })
  const last = messages.map((entry) => previewItem(entry, 160)).findLast((item) => item !== undefined)
  return last ? { lastMessagePreview: last.text } : {}
}

const preview = method({
  name: "sessions.preview",
  summary: "The last words of some sessions.",
  scope: "operator.read",
  normalize: byName,
  params: () =>
    z
      .object({
        keys: z.array(z.string()).max(64).optional(),
        ...sessionFields(),
        limit: count(200),
        maxChars: count(10_000),
      })
      .refine((p) => p.keys !== undefined || namesSession(p), { path: ["keys"], error: "keys or path is required" }),
  result: () =>
    z.looseObject({
      ts: z.number(),
      previews: z.array(
        z.object({
          key: z.string(),
          status: z.enum(["ok", "empty", "missing", "error"]),
          items: z.array(z.object({ role: z.string(), text: z.string() })),
        }),
      ),
      messages: z.array(z.unknown()).optional(),
    }),
  async run(params, { parts }) {
    const ts = parts.clock.now()
    if (params.keys !== undefined) {
      const previews = []
      for (const key of params.keys)
        previews.push(await previewOf(key, params.limit ?? 12, params.maxChars ?? 240, parts))
      return { ts, previews }
    }
    const { key } = await requireSession(params, parts)
    const one = await previewOf(key, params.limit ?? 50, params.maxChars ?? 200, parts)
    return { ts, previews: [one], messages: one.items.map((item) => ({ ...item, content: item.text })) }
  },
})

async function previewOf(key: string, limit: number, maxChars: number, parts: Parts) {
  const name = await resolveSession({ key }, parts)
  if (!(await parts.store.sessions.get(name.key))) return { key, status: "missing", items: [] }
  // Tool results have no words to show: look a little further back than asked for.
  const messages = await parts.store.transcript.messages(name.key, { limit: limit * 4 })
  const items = messages
    .map((entry) => previewItem(entry, maxChars))
    .filter((item) => item !== undefined)
    .slice(-limit)
  return { key, status: items.length === 0 ? "empty" : "ok", items }
}

const get = method({
  name: "sessions.get",
  summary: "One session with its newest messages.",
  scope: "operator.read",
  normalize: byName,
  params: () =>
    z
      .object({ ...sessionFields(), limit: count(1000) })
      .refine(namesSession, { path: ["key"], error: "key or sessionId is required" }),
  result: () =>
    z.looseObject({
      key: z.string(),
      id: z.string(),
      sessionId: z.string(),
      agentId: z.string(),
      path: z.string(),
      session: row(),
      messages: z.array(z.unknown()),
    }),
  async run(params, { parts }) {
    const session = await requireSession(params, parts)
    const messages = await parts.store.transcript.messages(session.key, { limit: params.limit ?? 200 })
    return {
      key: session.key,
      id: session.id,
      sessionId: session.id,
      agentId: session.agentId,
      path: listedPath(session),
      session: { ...sessionRow(session, parts), ...elevatedFields(await parts.elevations.of(session.key)) },
      messages: messages.flatMap(historyMessages),
    }
  },
})

const remove = method({
  name: "sessions.delete",
  summary: "Stops what runs in a session and deletes it with its transcript. The main session refuses.",
  scope: "operator.admin",
  normalize: byName,
  params: named,
  result: () =>
    z.looseObject({ ok: z.boolean(), key: z.string(), deleted: z.boolean(), archived: z.array(z.string()) }),
  async run(params, { caller, parts }) {
    const name = await resolveIfThere(params, parts)
    if (name === undefined) return { ok: true, key: params.path ?? "", deleted: false, archived: [] }
    if (name.rest === MAIN_KEY)
      throw new PincerError("INVALID_PARAMS", `Cannot delete the main session (${name.key}): reset it instead`)
    await parts.lanes.cancel({ sessionKey: name.key, queued: true })
    await endLeave(name.key, "the session was deleted", caller, parts)
    const deleted = await parts.store.sessions.delete(name.key)
    if (deleted) parts.notices.tell({ type: "deleted", key: name.key })
    return { ok: true, key: name.key, deleted, archived: [] }
  },
})

/** A path of a session that is gone names nothing: that is an answer, not an error (PY-RPC-SES-03). */
async function resolveIfThere(params: SessionParams, parts: Parts) {
  try {
    return await resolveSession(params, parts)
  } catch (error) {
    if (error instanceof PincerError && error.code === "NOT_FOUND") return undefined
    throw error
  }
}

const reset = method({
  name: "sessions.reset",
  summary: "Stops what runs in a session and gives it an empty transcript; key, label, model and settings stay.",
  scope: "operator.admin",
  normalize: byName,
  params: named,
  result: () => z.looseObject({ ok: z.boolean(), key: z.string(), reset: z.boolean(), entry: row() }),
  async run(params, { caller, parts }) {
    const { key } = await requireSession(params, parts)
    await parts.lanes.cancel({ sessionKey: key, queued: true })
    await endLeave(key, "the session was reset", caller, parts)
    const entry = await parts.store.sessions.reset(key)
    parts.notices.tell({ type: "updated", key, changed: ["reset"] })
    return { ok: true, key, reset: true, entry: sessionRow(entry, parts) }
  },
})

/** `provider/model` of a name that the catalogue knows. Throws NOT_FOUND. What an external agent knows is looked up by it. */
export function modelName(name: string, agentId: string, parts: Parts): string {
  if (parts.agents.get(agentId)?.hosted) return name
  const ref = parts.catalogue.resolve(name)
  return `${ref.provider}/${ref.model}`
}

export async function requireDirectory(path: string): Promise<void> {
  if (!isAbsolute(path)) throw new PincerError("INVALID_PARAMS", `cwd "${path}" is relative: give an absolute path`)
  const found = await stat(path).catch((error: unknown) => {
    throw new PincerError("INVALID_PARAMS", `cwd "${path}" cannot be read: name a folder that exists`, { cause: error })
  })
  if (!found.isDirectory()) throw new PincerError("INVALID_PARAMS", `cwd "${path}" is not a folder`)
}

export const sessionMethods: readonly Method[] = [list, preview, get, remove, reset]

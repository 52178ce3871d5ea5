// How sessions are found: by any of their names, one row of one, words that were said in them.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"
import type { Message } from "../../protocol/message.ts"
import type { SessionRow } from "../../store/store.ts"
import { namesSession, requireSession, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { previewItem } from "../sessions/history.ts"
import { type Method, method } from "./method.ts"
import { count, renamed, sessionFields } from "./params.ts"
import { lastMessage, row, sessionRow } from "./sessions.ts"

const byName = (params: Record<string, unknown>) => renamed(params, { path: ["file"] })

const describe = method({
  name: "sessions.describe",
  summary:
    "One session as a row of sessions.list; null when there is none of this name yet. The rest is the same in short.",
  scope: "operator.read",
  normalize: byName,
  params: () =>
    z
      .object({
        ...sessionFields(),
        includeDerivedTitles: z.boolean().optional(),
        includeLastMessage: z.boolean().optional(),
      })
      .refine(namesSession, { path: ["key"], error: "key is required" }),
  result: () =>
    z.object({
      session: row().nullable(),
      key: z.string(),
      exists: z.boolean(),
      lastActivityAt: z.number().optional(),
    }),
  async run(params, { parts }) {
    const { key } = await resolveSession(params, parts)
    const found = await parts.store.sessions.get(key)
    if (!found) return { session: null, key, exists: false }
    return {
      ...{ key, exists: true, lastActivityAt: found.updatedAt },
      session: {
        ...sessionRow(found, parts),
        ...(params.includeDerivedTitles && found.title !== null ? { derivedTitle: found.title } : {}),
        ...(params.includeLastMessage ? await lastMessage(key, parts) : {}),
      },
    }
  },
})

const MAX_CANDIDATES = 10

const resolve = method({
  name: "sessions.resolve",
  summary: "The key of a session that is named by key, id, the beginning of its id, label or path.",
  scope: "operator.read",
  normalize: byName,
  params: () =>
    z
      .object({
        ...sessionFields(),
        label: z.string().min(1).optional(),
        shortId: z.string().min(4).max(36).optional().describe("The first characters of its id"),
        allowMissing: z.boolean().optional().describe("Answer ok: false instead of a refusal"),
      })
      .refine((p) => namesSession(p) || p.label !== undefined || p.shortId !== undefined, {
        path: ["key"],
        error: "key, sessionId, shortId or label is required",
      }),
  result: () =>
    z.union([
      z.looseObject({ ok: z.literal(true), key: z.string(), sessionId: z.string(), agentId: z.string() }),
      z.object({
        ok: z.literal(false),
        candidates: z.array(z.object({ key: z.string(), agentId: z.string(), displayName: z.string().optional() })),
      }),
    ]),
  async run({ allowMissing, ...params }, { parts }) {
    const found = await lookUp(params, parts)
    if (!(found instanceof PincerError)) return { ok: true as const, ...namesOf(found), sessionId: found.id }
    if (!allowMissing) throw found
    const { shortId } = params
    const near = shortId === undefined ? [] : await beginningWith(shortId, parts)
    return { ok: false as const, candidates: near.map(namesOf) }
  },
})

type Named = Parameters<typeof requireSession>[0] & { label?: string; shortId?: string }

function namesOf({ agentId, key, label, name, title, toldTitle }: SessionRow) {
  const displayName = label ?? name ?? toldTitle ?? title
  return { key, agentId, ...(displayName === null ? {} : { displayName }) }
}

async function beginningWith(shortId: string, { store }: Parts): Promise<SessionRow[]> {
  return (await store.sessions.list({ idPrefix: shortId.toLowerCase(), limit: MAX_CANDIDATES })).sessions
}

/** The session, or the refusal that says why there is none. */
async function lookUp({ label, shortId, ...named }: Named, parts: Parts): Promise<SessionRow | PincerError> {
  if (label !== undefined)
    return (
      (await parts.store.sessions.byLabel(label)) ??
      new PincerError("NOT_FOUND", `No session has the label "${label}": run "pincer session list"`)
    )
  if (shortId !== undefined) {
    const sessions = await beginningWith(shortId, parts)
    if (sessions.length === 1) return sessions[0]!
    if (sessions.length === 0)
      return new PincerError(
        "NOT_FOUND",
        `No session has an id that begins with "${shortId}": run "pincer session list"`,
      )
    return new PincerError(
      "INVALID_PARAMS",
      `Several sessions have ids that begin with "${shortId}": give more of it`,
      {
        details: { candidates: sessions.map(({ key }) => key) },
      },
    )
  }
  try {
    return await requireSession(named, parts)
  } catch (error) {
    if (error instanceof PincerError && error.code === "NOT_FOUND") return error
    throw error
  }
}

const SNIPPETS = 3
const SNIPPET_CHARS = 200
/** Messages of one session that are looked through for what was found in it. */
const MAX_MESSAGES = 2_000

const search = method({
  name: "sessions.search",
  summary: "Sessions in which one message, or a name, holds all these words; with the messages. Chinese as well.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { query: ["search", "text"] }),
  params: () =>
    z.object({
      query: z.string({ error: "query is required" }).trim().min(1).max(500),
      agentId: z.string().optional(),
      sessionKeys: z.array(z.string()).max(1000).optional().describe("Only in these"),
      limit: count(100),
    }),
  result: () =>
    z.object({
      results: z.array(
        z.object({
          sessionKey: z.string(),
          sessionId: z.string(),
          agentId: z.string(),
          title: z.string(),
          messageId: z.string(),
          role: z.enum(["user", "assistant"]),
          timestamp: z.number(),
          snippet: z.string(),
          score: z.number().describe("How many of the words' occurrences it holds"),
        }),
      ),
      count: z.number(),
      sessions: z.array(z.object({ sessionKey: z.string(), title: z.string() })).describe("Also those found by name"),
      truncated: z.boolean(),
    }),
  async run({ agentId, limit = 20, query, sessionKeys }, { parts }) {
    const filter = { search: query, ...(agentId === undefined ? {} : { agentId }) }
    const only = sessionKeys && new Set(await Promise.all(sessionKeys.map((key) => keyOf(key, parts))))
    const { sessions } = await parts.store.sessions.list(only ? filter : { ...filter, limit: limit + 1 })
    const fitting = only ? sessions.filter(({ key }) => only.has(key)) : sessions
    const results = []
    const names = []
    for (const { agentId: whose, id: sessionId, key: sessionKey, ...row } of fitting.slice(0, limit)) {
      const title = row.label ?? row.name ?? row.toldTitle ?? row.title ?? sessionKey
      names.push({ sessionKey, title })
      const messages = await parts.store.transcript.messages(sessionKey, { limit: MAX_MESSAGES })
      for (const match of matchesIn(messages, query))
        results.push({ sessionKey, sessionId, agentId: whose, title, ...match })
    }
    return { results, count: results.length, sessions: names, truncated: fitting.length > limit }
  },
})

async function keyOf(key: string, parts: Parts): Promise<string> {
  return (await resolveSession({ key }, parts)).key
}

/** The newest messages that hold every word, with the text around the first of them. */
function matchesIn(messages: readonly Message[], query: string) {
  const words = query.toLowerCase().split(/\s+/)
  const found = []
  for (const message of messages.toReversed()) {
    const text = previewItem(message, Number.MAX_SAFE_INTEGER)?.text
    if (text === undefined) continue
    const lower = text.toLowerCase()
    if (!words.every((word) => lower.includes(word))) continue
    const from = Math.max(0, lower.indexOf(words[0]!) - SNIPPET_CHARS / 4)
    const shown = `${from > 0 ? "…" : ""}${excerpt(text.slice(from), SNIPPET_CHARS)}`
    const score = words.reduce((sum, word) => sum + lower.split(word).length - 1, 0)
    const role = message.role === "user" ? ("user" as const) : ("assistant" as const)
    found.push({ messageId: message.id, role, timestamp: message.at, snippet: shown, score })
    if (found.length === SNIPPETS) break
  }
  return found
}

export const sessionLookupMethods: readonly Method[] = [describe, resolve, search]

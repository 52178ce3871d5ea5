// Sessions and agents over plain HTTP as IMClaw has them (IM-HTTP-05 … 11): each route is another face of a method of the one table.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { parseWith } from "../../base/schema.ts"
import { usableAgents } from "../agents/agents.ts"
import { dispatch } from "../dispatch.ts"
import { resolveSession } from "../inbound.ts"
import { sessionOf } from "../rpc/session-view.ts"
import { readJsonBody } from "./body.ts"
import { callerOf } from "./caller.ts"
import type { Exchange } from "./exchange.ts"
import { sendJson } from "./refusal.ts"

const MAX_PAGE = 1_000

export async function sessionRoutes(exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  const url = new URL(request.url ?? "/", "http://gateway")
  const [, kind, word, id] = url.pathname.replace(/\/$/, "").split("/").slice(1).map(decoded)
  if (kind === "agents") return agents(exchange)
  if (word === undefined) return list(exchange, url, url.searchParams.get("archived") === "true" ? undefined : false)
  if (word === "archive") return list(exchange, url, true)
  if (word === "export" && id !== undefined) return exported(exchange, id, url)
  if (word === "import") return imported(exchange)
  if (request.method === "PATCH") return change(exchange, word)
  if (request.method === "DELETE")
    return sendJson(response, 200, await call(exchange, "session.delete", { session: word }))
  const session = await call(exchange, "session.get", { session: word })
  if (session === null) throw unknown(word)
  return sendJson(response, 200, session)
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `"${part}" is not well encoded`, { cause: error })
  }
}

function unknown(id: string): PincerError {
  return new PincerError("NOT_FOUND", `Unknown session "${id}": GET /api/sessions lists what there is`)
}

function call(exchange: Exchange, method: string, params: Record<string, unknown>): Promise<unknown> {
  const { methods, parts } = exchange
  const context = { caller: callerOf(exchange), parts, accept: () => undefined, follow: () => undefined }
  return dispatch(methods, method, params, context)
}

async function agents(exchange: Exchange): Promise<void> {
  const names = (await usableAgents(exchange.parts)).map((agent) => agent.id)
  sendJson(exchange.response, 200, { agents: names, count: names.length })
}

async function list(exchange: Exchange, url: URL, archived: boolean | undefined): Promise<void> {
  const { searchParams: query } = url
  const [tag, search] = [query.get("tag"), query.get("search")]
  const limit = numberOf(query.get("limit"), "limit", MAX_PAGE)
  const offset = numberOf(query.get("offset"), "offset", 0)
  const answer = await call(exchange, "session.list", {
    limit: Math.min(limit, MAX_PAGE),
    offset,
    ...(tag ? { tag } : {}),
    ...(search ? { search } : {}),
    ...(archived === undefined ? {} : { archived }),
  })
  const { sessions, total } = parseWith(listed, answer, "session.list")
  sendJson(exchange.response, 200, { sessions, count: sessions.length, total })
}

const listed = z.object({ sessions: z.array(z.unknown()), total: z.number() })

function numberOf(text: string | null, name: string, otherwise: number): number {
  if (text === null || text === "") return otherwise
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new PincerError("INVALID_PARAMS", `${name}: "${text.slice(0, 20)}" is not a whole number`)
}

async function exported(exchange: Exchange, id: string, url: URL): Promise<void> {
  const format = url.searchParams.get("format") || "json"
  const answer = await call(exchange, "session.export", { session: id, format }).catch((error: unknown) => {
    throw error instanceof PincerError && error.code === "NOT_FOUND" ? unknown(id) : error
  })
  const { data } = parseWith(exportedShape, answer, "session.export")
  const [type, ending] = format === "json" ? ["application/json", "json"] : ["text/markdown", "md"]
  const name = `session-${id.replace(/[^\w.-]/g, "_")}.${ending}`
  exchange.response.writeHead(200, {
    "content-type": `${type}; charset=utf-8`,
    "content-disposition": `attachment; filename=${name}`,
    "content-length": Buffer.byteLength(data),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  })
  exchange.response.end(data)
}

const exportedShape = z.object({ data: z.string() })

async function imported(exchange: Exchange): Promise<void> {
  const body = await readJsonBody(exchange.request, exchange.parts.clock)
  sendJson(exchange.response, 200, await call(exchange, "session.import", body))
}

const changes = z.object({
  name: z.string().trim().max(200).optional(),
  tags: z.array(z.string().trim().min(1).max(64)).max(100).optional(),
  add_tags: z.array(z.string().trim().min(1).max(64)).max(100).optional(),
  remove_tags: z.array(z.string()).max(100).optional(),
  archived: z.boolean().optional(),
})

/** `tags` replaces; else `remove_tags` go before `add_tags` come (IM-HTTP-08). All in one change, or none. */
async function change(exchange: Exchange, id: string): Promise<void> {
  const { parts, request, response } = exchange
  const given = parseWith(changes, await readJsonBody(request, parts.clock), "invalid request")
  const { key } = await resolveSession({ sessionKey: id }, parts)
  const row = await parts.store.sessions.get(key)
  if (!row) throw unknown(id)
  const kept = row.tags.filter((tag) => !given.remove_tags?.includes(tag))
  const tags = [...new Set(given.tags ?? [...kept, ...(given.add_tags ?? [])])]
  const { archived, name } = given
  const now = parts.clock.now()
  const patched = await parts.store.sessions.patch(key, {
    tags,
    ...(name === undefined ? {} : { name: name === "" ? null : name }),
    ...(archived === undefined ? {} : { archivedAt: archived ? (row.archivedAt ?? now) : null }),
  })
  parts.notices.tell({ type: "updated", key })
  sendJson(response, 200, await sessionOf(patched, parts))
}

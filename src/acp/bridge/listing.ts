// session/list: pages of the gateway's sessions. A cursor is opaque to clients; one that we did not make is refused (OC-ACP-05).

import { isAbsolute } from "node:path"
import type { SessionInfo } from "@agentclientprotocol/sdk"
import { type Fields, fieldsOf, invalid, rowsOf, shown, textOf } from "./params.ts"
import type { GatewayPort } from "./port.ts"

const PAGE = 100
const MAX_OFFSET = 10_000

interface Cursor {
  v: 1
  offset: number
  cwd?: string
}

export function encodeCursor(cursor: Cursor): string {
  const { v, offset, cwd } = cursor
  return Buffer.from(JSON.stringify({ v, offset, ...(cwd === undefined ? {} : { cwd }) })).toString("base64url")
}

/** Only what encodeCursor() writes, letter by letter. */
export function decodeCursor(text: unknown): Cursor {
  const problem = invalid("cursor is none that session/list gave: leave it out to begin anew")
  if (typeof text !== "string" || text.length > 10_000) throw problem
  let read: Fields
  try {
    read = fieldsOf(JSON.parse(Buffer.from(text, "base64url").toString("utf8")))
  } catch {
    throw problem
  }
  const { offset, cwd } = read
  if (typeof offset !== "number" || !Number.isInteger(offset) || offset < 1 || offset > MAX_OFFSET) throw problem
  const cursor: Cursor = { v: 1, offset, ...(typeof cwd === "string" ? { cwd } : {}) }
  if (encodeCursor(cursor) !== text) throw problem
  return cursor
}

function pageSize(params: Fields): number {
  const meta = fieldsOf(params["_meta"])
  const wanted = meta["limit"] ?? meta["pageSize"]
  return typeof wanted === "number" && Number.isInteger(wanted) ? Math.min(PAGE, Math.max(1, wanted)) : PAGE
}

export async function listSessions(
  params: Fields,
  gateway: GatewayPort,
): Promise<{ sessions: SessionInfo[]; nextCursor?: string }> {
  const { cwd, cursor } = params
  const filter = cwd === undefined || cwd === null ? undefined : cwd
  if (filter !== undefined && (typeof filter !== "string" || !isAbsolute(filter)))
    throw invalid(`cwd must be an absolute path, not ${shown(filter)}`)
  const from = cursor === undefined || cursor === null ? undefined : decodeCursor(cursor)
  if (from && from.cwd !== filter) throw invalid("cursor belongs to a list of another cwd: leave it out to begin anew")
  const size = pageSize(params)
  const offset = from?.offset ?? 0
  const wanted = { limit: size, offset, archived: false, ...(filter === undefined ? {} : { cwd: filter }) }
  const page = fieldsOf(await gateway.request("sessions.list", wanted))
  const sessions = rowsOf(page["sessions"]).map(infoOf)
  const next = page["nextOffset"]
  if (typeof next !== "number" || next > MAX_OFFSET) return { sessions }
  return {
    sessions,
    nextCursor: encodeCursor({ v: 1, offset: next, ...(filter === undefined ? {} : { cwd: filter }) }),
  }
}

function infoOf(row: Fields): SessionInfo {
  const updatedAt = row["updatedAt"]
  return {
    sessionId: String(row["key"]),
    cwd: textOf(row["workDir"]) ?? textOf(row["cwd"]) ?? "/",
    title: textOf(row["displayName"]) ?? null,
    ...(typeof updatedAt === "number" ? { updatedAt: new Date(updatedAt).toISOString() } : {}),
    _meta: { sessionKey: String(row["key"]), kind: String(row["kind"]), messages: row["messageCount"] ?? 0 },
  }
}

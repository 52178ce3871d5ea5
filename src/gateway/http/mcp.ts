// /mcp: Pincer as an MCP server over Streamable HTTP. The library is loaded with the first request. A session belongs to whoever opened
// it, and ends when its client says so, when nobody used it for half an hour, or when newer ones need its place.
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import type { ReadableStream } from "node:stream/web"
import type { Server, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { parseJson } from "../../base/json.ts"
import type { MethodTable } from "../dispatch.ts"
import type { McpClient } from "../mcp/mcp-offer.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import { MAX_BODY_BYTES, readJsonText } from "./body.ts"
import { callerOf } from "./caller.ts"
import type { Exchange } from "./exchange.ts"

const MAX_SESSIONS = 200
const IDLE_MS = 30 * 60_000

interface Session {
  subject: string
  server: Server
  transport: WebStandardStreamableHTTPServerTransport
  /** Of the last request. */
  caller: Caller
  ended: AbortController
  usedAt: number
  open: number
}

const shelves = new WeakMap<Parts, Map<string, Session>>()

export async function mcpRoutes(exchange: Exchange): Promise<void> {
  const { parts, request } = exchange
  if (!parts.config.mcpServe.enabled)
    throw new PincerError("NOT_FOUND", "Nothing is offered to MCP clients here: mcpServe.enabled is off")
  const sessions = shelves.get(parts) ?? new Map<string, Session>()
  shelves.set(parts, sessions)
  const id = request.headers["mcp-session-id"]
  const parsedBody = request.method === "POST" ? readMessage(await readJsonText(request, parts.clock)) : undefined
  const known = typeof id === "string" ? sessions.get(id) : undefined
  // Another one's session is none.
  const mine = known?.subject === exchange.subject ? known : undefined
  if (id !== undefined && !mine) throw new PincerError("NOT_FOUND", "This MCP session is over: initialize again")
  const session = mine ?? (await openSession(exchange, sessions))
  session.caller = callerOf(exchange)
  session.usedAt = parts.clock.now()
  session.open += 1
  try {
    await answer(exchange, session, parsedBody)
  } finally {
    session.open -= 1
    session.usedAt = parts.clock.now()
    // A request that opened no session leaves nothing.
    if (session.transport.sessionId === undefined) await end(session)
  }
}

function readMessage(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new PincerError("INVALID_PARAMS", "The body is not valid JSON", { cause: error })
  }
}

async function openSession(exchange: Exchange, sessions: Map<string, Session>): Promise<Session> {
  const { methods, parts, subject } = exchange
  const [library, { offerTo }] = await Promise.all([
    import("@modelcontextprotocol/server"),
    import("../mcp/mcp-offer.ts"),
  ])
  makeRoom(sessions, parts)
  const ended = new AbortController()
  const id = uuid(parts.clock.now())
  const transport = new library.WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => id,
    onsessioninitialized: () => void sessions.set(id, session),
    onsessionclosed: () => void sessions.delete(id),
    maxRequestBodySize: MAX_BODY_BYTES,
  })
  const server = offerTo(
    library,
    clientFor(id, parts, methods, () => session, ended.signal),
  )
  const caller = callerOf(exchange)
  const session: Session = { subject, server, transport, caller, ended, usedAt: parts.clock.now(), open: 0 }
  server.onclose = () => {
    sessions.delete(id)
    ended.abort("The session is over")
  }
  await server.connect(transport)
  return session
}

function clientFor(
  id: string,
  parts: Parts,
  methods: MethodTable,
  session: () => Session,
  signal: AbortSignal,
): McpClient {
  return {
    ...{ id, parts, methods },
    caller() {
      const { caller, server } = session()
      const name = server.getClientVersion()?.name ?? caller.clientId
      // Copied each time: whoever asks may have lost rights meanwhile.
      return { ...caller, clientId: `mcp ${name}`.slice(0, 60), signal, door: "mcp" }
    },
  }
}

function makeRoom(sessions: Map<string, Session>, { clock }: Parts): void {
  const now = clock.now()
  for (const session of sessions.values()) if (session.open === 0 && now - session.usedAt > IDLE_MS) void end(session)
  if (sessions.size < MAX_SESSIONS) return
  const [oldest] = [...sessions.values()].sort((a, b) => a.open - b.open || a.usedAt - b.usedAt)
  if (oldest) void end(oldest)
}

async function end({ ended, server, transport }: Session): Promise<void> {
  ended.abort("The session is over")
  await server.close()
  await transport.close()
}

async function answer({ request, response }: Exchange, { transport }: Session, parsedBody: unknown): Promise<void> {
  const gone = new AbortController()
  response.once("close", () => gone.abort())
  const web = new Request(new URL(request.url ?? "/mcp", "http://localhost"), {
    method: request.method ?? "GET",
    headers: headersOf(request),
    signal: gone.signal,
  })
  const reply = await transport.handleRequest(web, parsedBody === undefined ? {} : { parsedBody })
  if (response.destroyed) {
    await reply.body?.cancel()
    return
  }
  response.writeHead(reply.status, { ...Object.fromEntries(reply.headers), "x-content-type-options": "nosniff" })
  if (!reply.body) {
    response.end()
    return
  }
  response.flushHeaders()
  const body = Readable.fromWeb(reply.body as ReadableStream)
  // A client that goes away ends its stream; what it started goes on.
  await pipeline(body, response).catch((error: unknown) => {
    if (!response.destroyed) throw error
  })
}

function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers))
    for (const one of [value].flat()) if (one !== undefined) headers.append(name, one)
  return headers
}

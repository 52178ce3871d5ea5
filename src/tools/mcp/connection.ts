// One MCP server: connected, listed, called, brought back after its end, closed. Whoever waits for it waits with a deadline, and its end
// is an answer to everybody who waits.
import type { Client, Transport } from "@modelcontextprotocol/client"
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import { webTransport } from "./http-transport.ts"
import type { McpLibrary } from "./library.ts"
import { CONNECT_MS, MAX_PAGES, type McpPorts } from "./ports.ts"
import { hearServer, type ServerEars } from "./server-requests.ts"
import { StdioTransport } from "./stdio-transport.ts"
import { seenLine } from "./words.ts"

/** One life of the server. */
export interface McpSession {
  client: Client
  transport: Transport
  /** Undefined while it lives; then why not. */
  over: string | undefined
}

/** What happens on a connection that somebody must hear of. */
export interface McpListener extends ServerEars {
  /** It ended, by itself or because somebody closed it. */
  over(session: McpSession): void
}

const page = z.looseObject({ nextCursor: z.string().optional() })

/** Connects within the deadline. Throws UNAVAILABLE with a sentence that does not yet name the server. */
export async function openSession(
  server: McpServer,
  ports: McpPorts,
  listener: McpListener,
  signal: AbortSignal,
): Promise<McpSession> {
  const library = await import("@modelcontextprotocol/client")
  const open = (transport: Transport) => connect(library, server, transport, ports, listener, signal)
  if (server.type === "stdio") return open(programTransport(library, server, ports))
  const { login } = ports
  if (server.type === "sse") return open(webTransport(library, server, "sse", login))
  try {
    return await open(webTransport(library, server, "http", login))
  } catch (error) {
    if (!isOlderServer(error)) throw error
    // What a server that knows only the older transport answers to a POST; should that fail too, the first reason is the better one.
    return open(webTransport(library, server, "sse", login)).catch(() => Promise.reject(error))
  }
}

function programTransport(
  library: McpLibrary,
  server: Extract<McpServer, { type: "stdio" }>,
  ports: McpPorts,
): StdioTransport {
  const { cwd, launch } = ports
  return new StdioTransport({
    program: { file: server.command, args: server.args, cwd, env: { ...ports.env, ...server.env } },
    launch: launch ?? (async (program) => ({ ...program, close: async () => undefined })),
    parse: library.parseJSONRPCMessage,
  })
}

async function connect(
  library: McpLibrary,
  server: McpServer,
  transport: Transport,
  ports: McpPorts,
  listener: McpListener,
  signal: AbortSignal,
): Promise<McpSession> {
  const client = new library.Client(
    { name: "pincer", version: ports.version ?? "0" },
    {
      capabilities: {
        ...(ports.roots.length > 0 ? { roots: { listChanged: false } } : {}),
        ...(ports.ask ? { elicitation: { form: {}, url: {} } } : {}),
        ...(ports.sample ? { sampling: {} } : {}),
      },
    },
  )
  const session: McpSession = { client, transport, over: undefined }
  listen(library, session, server, ports, listener)
  try {
    await beforeDeadline(ports, signal, (both) =>
      client.connect(transport, { signal: both, timeout: 2 * connectMsOf(ports) }),
    )
    return session
  } catch (error) {
    await within(ports, transport.close(), connectMsOf(ports))
    throw new PincerError("UNAVAILABLE", reasonOf(error, transport, ports), { cause: error })
  }
}

function listen(
  library: McpLibrary,
  session: McpSession,
  server: McpServer,
  ports: McpPorts,
  listener: McpListener,
): void {
  const { client, transport } = session
  let told = false
  client.onclose = () => {
    // Transports tell their end each time that they are closed.
    if (told) return
    told = true
    session.over ??= `It has ended${transport instanceof StdioTransport ? transport.epitaph : ""}`
    listener.over(session)
  }
  client.onerror = (error) => {
    ports.log.debug(
      { server: server.name, reason: seenLine(error.message, 300) },
      "An MCP server's connection stumbled",
    )
    // The older transport loses its session with its stream, and with it every answer that was on its way.
    if (error instanceof library.SseError && session.over === undefined) void client.close()
  }
  hearServer(client, server.name, ports, listener)
}

export type ListMethod = "tools/list" | "resources/list" | "resources/templates/list" | "prompts/list"

/** Everything of a kind that the server lists, page after page; `key` holds it. Throws. */
export async function listAll(
  { client }: McpSession,
  method: ListMethod,
  key: string,
  ports: McpPorts,
  signal: AbortSignal,
): Promise<unknown[]> {
  const found: unknown[] = []
  let cursor: string | undefined
  await beforeDeadline(ports, signal, async (both) => {
    for (let number = 0; number < MAX_PAGES; number += 1) {
      const request = { method, ...(cursor === undefined ? {} : { params: { cursor } }) }
      const answer = await client.request(request, page, { signal: both, timeout: 2 * connectMsOf(ports) })
      const items = answer[key]
      if (!Array.isArray(items)) throw new Error(`Its answer to ${method} has no list of ${key}`)
      found.push(...(items as unknown[]))
      cursor = answer.nextCursor
      if (cursor === undefined) return
    }
  })
  return found
}

/** The tools that the server lists; none of one that says it has none. Throws. */
export async function listTools(session: McpSession, ports: McpPorts, signal: AbortSignal): Promise<unknown[]> {
  if (!session.client.getServerCapabilities()?.tools) return []
  return listAll(session, "tools/list", "tools", ports, signal)
}

function connectMsOf({ limits }: McpPorts): number {
  return limits?.connectMs ?? CONNECT_MS
}

/** Aborts and rejects when the time to connect is over, whatever `run` does then. */
async function beforeDeadline(
  ports: McpPorts,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = new AbortController()
  const both = AbortSignal.any([late.signal, signal])
  const aborted = Promise.withResolvers<never>()
  both.addEventListener("abort", () => aborted.reject(new Error(String(both.reason))), { once: true })
  const ms = connectMsOf(ports)
  const cancel = ports.clock.after(ms, () => late.abort(`no answer within ${ms / 1_000} seconds`))
  try {
    if (signal.aborted) throw new Error(String(signal.reason))
    const running = run(both)
    // When the deadline wins, nobody waits for what becomes of it.
    running.catch(() => undefined)
    await Promise.race([running, aborted.promise])
  } finally {
    cancel()
    aborted.promise.catch(() => undefined)
  }
}

/** Waits for `promise`, but no longer than `ms`; no timer is left behind. */
async function within({ clock }: McpPorts, promise: Promise<void>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>()
  const cancel = clock.after(ms, late.resolve)
  try {
    await Promise.race([promise, late.promise])
  } finally {
    cancel()
  }
}

/** Ends a session: a web server is told, a program and all it started are ended. Never throws. */
export async function closeSession({ client, transport }: McpSession, ports: McpPorts): Promise<void> {
  const end = async () => {
    if ("terminateSession" in transport && typeof transport.terminateSession === "function")
      await within(ports, transport.terminateSession(), 2_000)
  }
  await end().catch((error: unknown) => ports.log.debug({ err: error }, "An MCP server was not told goodbye"))
  await client.close().catch((error: unknown) => ports.log.debug({ err: error }, "An MCP server did not close well"))
  await transport.close().catch((error: unknown) => ports.log.debug({ err: error }, "An MCP server did not close well"))
}

/** The status of the server's answer, where HTTP is spoken. */
export function statusOf(error: unknown): number | undefined {
  const cause = error instanceof PincerError ? error.cause : error
  const status = cause instanceof Error && "status" in cause ? cause.status : undefined
  return typeof status === "number" ? status : undefined
}

function isOlderServer(error: unknown): boolean {
  const status = statusOf(error)
  return status !== undefined && status >= 400 && status < 500 && ![401, 403, 407, 429].includes(status)
}

/** What went wrong, in a clause, with what the server had to say about it cleaned and cut. */
export function reasonOf(error: unknown, transport: Transport, { login }: Pick<McpPorts, "login">): string {
  const status = statusOf(error)
  const epitaph = transport instanceof StdioTransport ? transport.epitaph : ""
  if (login && error instanceof Error && error.name === "InsufficientScopeError")
    return `it wants more rights than the sign-in has: type "${login.command}"`
  if (login && status === 401) return `it does not take the sign-in: type "${login.command}"`
  if (status === 401 || status === 403) return `it answered with HTTP ${status}: give it the headers that it wants`
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ""
  const message = error instanceof Error ? `${error.message}${cause}` : String(error)
  return `${status === undefined ? "" : `HTTP ${status}, `}${seenLine(message, 500)}${epitaph}`
}

// Connections to MCP servers that are web addresses: Streamable HTTP, and HTTP with SSE as it was before. The user named the server, so
// any address may be reached; a redirect leads no further than the same origin. What a server sends in one piece is bounded.
import type { AuthProvider, Transport, TransportSendOptions } from "@modelcontextprotocol/client"
import { PincerError } from "../../base/errors.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { McpLibrary } from "./library.ts"
import { MAX_MESSAGE_BYTES } from "./ports.ts"
import type { ServerLogin } from "./server-login.ts"

/** Stands for the answer of a request whose stream ended without it. */
export const LOST = "The connection ended before the answer came"

type WebServer = Extract<McpServer, { url: string }>

/** Throws INVALID_PARAMS. */
export function webTransport(
  library: McpLibrary,
  server: WebServer,
  type: "http" | "sse",
  login: ServerLogin | undefined,
): Transport {
  if (!URL.canParse(server.url) || !/^https?:$/.test(new URL(server.url).protocol))
    throw new PincerError("INVALID_PARAMS", `"${server.url}" is no http or https address`)
  const url = new URL(server.url)
  const options = {
    requestInit: { headers: server.headers },
    fetch: login ? listening(library, login) : boundedFetch,
    ...(login ? { authProvider: bearerOf(login) } : {}),
  }
  if (type === "sse") return new library.SSEClientTransport(url, options)
  const transport = new library.StreamableHTTPClientTransport(url, options)
  answerLostStreams(transport)
  return transport
}

/** What requests carry; a server that does not take it any more is asked once again with another one. */
function bearerOf(login: ServerLogin): AuthProvider {
  let sent: string | undefined
  return {
    async token() {
      sent = await login.token()
      return sent
    },
    onUnauthorized: () => login.renew(sent),
  }
}

/** Tells the sign-in what the server wants of it. */
function listening(library: McpLibrary, login: ServerLogin) {
  return async (url: string | URL, init?: RequestInit): Promise<Response> => {
    const response = await boundedFetch(url, init)
    const { error, ...challenge } = library.extractWWWAuthenticateParams(response)
    if (response.status === 401 || (response.status === 403 && error === "insufficient_scope")) login.heard(challenge)
    return response
  }
}

/** A request whose answer's stream ended without the answer would otherwise wait for its deadline. */
function answerLostStreams(transport: Transport): void {
  const send = transport.send.bind(transport)
  transport.send = (message, options?: TransportSendOptions) => {
    if (!("method" in message) || !("id" in message)) return send(message, options)
    const error = { code: -32_000, message: LOST }
    // For a request that was answered this says nothing new and is passed over.
    const onRequestStreamEnd = () => transport.onmessage?.({ jsonrpc: "2.0", id: message.id, error })
    return send(message, { ...options, onRequestStreamEnd })
  }
}

async function boundedFetch(url: string | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  if (!response.body || response.status < 200 || response.status === 204) return response
  const { headers, status, statusText } = response
  const events = /^text\/event-stream\b/i.test(headers.get("content-type") ?? "")
  const body = response.body.pipeThrough(bounded(events))
  const copy = new Response(body, { headers, status, statusText })
  Object.defineProperty(copy, "url", { value: response.url })
  Object.defineProperty(copy, "redirected", { value: response.redirected })
  return copy
}

/** Fails when more than one message's worth of bytes comes; of a stream of events, between two blank lines. */
function bounded(events: boolean): TransformStream<Uint8Array, Uint8Array> {
  let size = 0
  let tail = Buffer.alloc(0)
  return new TransformStream({
    transform(chunk, controller) {
      size += chunk.length
      if (events) {
        const bytes = Buffer.concat([tail, chunk])
        const end = Math.max(bytes.lastIndexOf("\n\n"), bytes.lastIndexOf("\r\n\r\n"))
        if (end >= 0) size = bytes.length - end
        tail = bytes.subarray(-3)
      }
      if (size <= MAX_MESSAGE_BYTES) controller.enqueue(chunk)
      else controller.error(new Error(`More than ${MAX_MESSAGE_BYTES} bytes in one message`))
    },
  })
}

// The one HTTP server: every route on every address. Host and Origin are judged before anything else; slow and silent peers are
// cut off by node:http's own deadlines; upgrades become control-plane sockets.
import http from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import { asPincerError, ERROR_TABLE, PincerError } from "../base/errors.ts"
import type { Auth } from "./auth.ts"
import type { Parts } from "./parts.ts"
import { type AcpDoor, CONNECTION_HEADER, newConnectionId } from "./sockets/acp.ts"
import type { ControlDoor } from "./sockets/control.ts"
import { guestOf, type RpcGuest } from "./sockets/device-guest.ts"
import { MAX_PAYLOAD, MAX_PENDING_PAYLOAD } from "./sockets/door.ts"
import type { RpcDoor } from "./sockets/rpc.ts"

export interface ServerOptions {
  parts: Parts
  auth: Auth
  http: (request: http.IncomingMessage, response: http.ServerResponse) => void
  control: ControlDoor
  rpc: RpcDoor
  acp: AcpDoor
  /** For tests of slow peers; ms. */
  deadlines?: { headersMs: number; requestMs: number; checkMs: number }
}

export interface Server {
  /** The primary address first. */
  addresses: AddressInfo[]
  warnings: string[]
  close(): Promise<void>
}

/** From a peer's first byte to the end of its headers, to the end of its request, and how often that is looked after. */
const DEADLINES = { headersMs: 10_000, requestMs: 60_000, checkMs: 2_000 }
const MAX_HEADER_BYTES = 16 * 1024

const SOCKETS = {
  noServer: true,
  perMessageDeflate: false,
  clientTracking: false,
  // A peer that pings without reading would fill memory with pongs: the connection answers, with a bound.
  autoPong: false,
} as const

/** Listens. Throws UNAVAILABLE naming the address when the primary one is taken; extra ones only give a warning. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { gateway } = options.parts.config
  const sockets = new WebSocketServer({ ...SOCKETS, maxPayload: MAX_PENDING_PAYLOAD })
  // Who has shown a token before the upgrade may send large frames from the first.
  const known = new WebSocketServer({ ...SOCKETS, maxPayload: MAX_PAYLOAD })
  const servers: http.Server[] = []
  const warnings: string[] = []
  const addresses: AddressInfo[] = []
  for (const [i, { host, port }] of [{ host: gateway.host, port: gateway.port }, ...gateway.listeners].entries()) {
    const server = createServer(options, sockets, known)
    try {
      addresses.push(await listen(server, host, port))
      // For example when there are no file descriptors left for one more connection.
      server.on("error", (error) => options.parts.log.error({ err: error, host, port }, "The server had a fault"))
      servers.push(server)
    } catch (error) {
      const refusal = describe(error, host, port)
      if (i === 0) throw refusal
      warnings.push(refusal.message)
    }
  }
  return {
    addresses,
    warnings,
    async close() {
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
      options.control.close()
      options.rpc.close()
      options.acp.close()
      sockets.close()
      known.close()
      for (const server of servers) server.closeIdleConnections()
      const patience = setTimeout(() => {
        for (const server of servers) server.closeAllConnections()
      }, 500)
      await Promise.all(closed)
      clearTimeout(patience)
    },
  }
}

function createServer(options: ServerOptions, sockets: WebSocketServer, known: WebSocketServer): http.Server {
  const { auth, control, deadlines = DEADLINES } = options
  const server = http.createServer(
    {
      headersTimeout: deadlines.headersMs,
      requestTimeout: deadlines.requestMs,
      connectionsCheckingInterval: deadlines.checkMs,
      keepAliveTimeout: 30_000,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
    },
    (request, response) => {
      const refusal = auth.hostRefusal(request) ?? auth.originRefusal(request)
      if (!refusal) {
        options.http(request, response)
        return
      }
      const body = JSON.stringify({ error: { message: refusal.message, type: "permission_error", code: refusal.code } })
      response.writeHead(403, { "content-type": "application/json", connection: "close" }).end(body)
    },
  )
  server.maxConnections = options.parts.config.gateway.maxConnections + options.parts.config.gateway.maxPending
  server.on("upgrade", (request, socket, head) => {
    const refusal =
      auth.hostRefusal(request) ??
      auth.originRefusal(request) ??
      control.refusal ??
      crowding(request, auth, options.parts)
    if (refusal) {
      refuseUpgrade(socket, refusal)
      return
    }
    if (/^\/acp\/?(?:\?|$)/.test(request.url ?? "")) {
      acpGuest(request, options).then(
        (guest) => takeAcp(request, socket, head, guest, options.acp),
        (error: unknown) => refuseUpgrade(socket, asPincerError(error)),
      )
      return
    }
    const takeControl = () => sockets.handleUpgrade(request, socket, head, (ws) => control.accept(ws, request))
    if (!/^\/ws\/?(?:\?|$)/.test(request.url ?? "")) {
      takeControl()
      return
    }
    rpcGuest(request, options).then(
      (guest) => {
        if (!guest) takeControl()
        else
          known.handleUpgrade(request, socket, head, (ws) =>
            options.rpc.accept(ws, request, guest, (first) => {
              control.accept(ws, request)
              ws.emit("message", first, false)
            }),
          )
      },
      (error: unknown) => refuseUpgrade(socket, asPincerError(error)),
    )
  })
  return server
}

/** RATE_LIMITED for an address, other than this machine's own, that connects too often. */
function crowding(request: http.IncomingMessage, auth: Auth, { limits }: Parts): PincerError | undefined {
  const { address } = auth.foreign(request)
  return address === undefined ? undefined : limits?.connect(address)
}

/** Each connection is told its id with the upgrade, so it has a server of its own for that moment. */
function takeAcp(request: http.IncomingMessage, socket: Duplex, head: Buffer, guest: RpcGuest, door: AcpDoor): void {
  const connId = newConnectionId()
  const server = new WebSocketServer({ ...SOCKETS, maxPayload: MAX_PAYLOAD })
  server.on("headers", (headers) => headers.push(`${CONNECTION_HEADER}: ${connId}`))
  server.handleUpgrade(request, socket, head, (ws) => door.accept(ws, request, guest, connId))
}

/** Who wants ACP at /acp. Throws AUTH_REQUIRED without the right token. */
async function acpGuest(request: http.IncomingMessage, { acp, auth }: ServerOptions): Promise<RpcGuest> {
  const query = new URL(request.url ?? "/", "http://gateway").searchParams.get("token")
  if (acp.full) throw new PincerError("UNAVAILABLE", "Too many connections: close one", { retryAfterMs: 1_000 })
  const identity = await auth.bearer(request, query ?? undefined)
  if (!identity.ok) throw identity.error
  return guestOf(identity)
}

/**
 * Who wants JSON-RPC at /ws: known by the token in the header or, as browsers can send none, in the query. Undefined when no token is
 * shown at all: such a peer may still say `connect` as on any other path. Throws AUTH_REQUIRED for a wrong one (IM-AUTH-03).
 */
async function rpcGuest(
  request: http.IncomingMessage,
  { auth, parts, rpc }: ServerOptions,
): Promise<RpcGuest | undefined> {
  const query = new URL(request.url ?? "/", "http://gateway").searchParams.get("token")
  // A trusted proxy shows who its user is in every request.
  const proxied = auth.proxied(request)
  const shown = request.headers.authorization !== undefined || query !== null || (proxied && "user" in proxied)
  if (!shown && parts.token !== undefined) return undefined
  if (rpc.full) throw new PincerError("UNAVAILABLE", "Too many connections: close one", { retryAfterMs: 1_000 })
  const identity = await auth.bearer(request, query ?? undefined)
  if (!identity.ok) throw identity.error
  return guestOf(identity)
}

function refuseUpgrade(socket: Duplex, refusal: PincerError): void {
  const { http: status } = ERROR_TABLE[refusal.code]
  const { message, retryAfterMs } = refusal
  const wait = retryAfterMs === undefined ? "" : `\r\nretry-after: ${Math.ceil(retryAfterMs / 1000)}`
  const head = `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\ncontent-type: text/plain; charset=utf-8${wait}`
  // Nobody else listens to this socket any more, and a peer that hangs up now is no fault of ours.
  socket.on("error", () => socket.destroy())
  socket.once("finish", () => socket.destroy())
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(message)}\r\nconnection: close\r\n\r\n${message}`)
}

function listen(server: http.Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, host, () => {
      server.off("error", reject)
      const address = server.address()
      if (address === null || typeof address === "string") reject(new TypeError("The server has no address"))
      else resolve(address)
    })
  })
}

function describe(error: unknown, host: string, port: number): PincerError {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error)
  const where = `${host}:${port}`
  const words: Record<string, string> = {
    EADDRINUSE: `Port ${port} on ${host} is taken: stop what listens there, or choose another with --port`,
    EACCES: `Port ${port} on ${host} may not be opened by this user: choose one above 1023 with --port`,
    EADDRNOTAVAIL: `The address ${host} is not one of this machine: choose another with --host`,
    ENOTFOUND: `The host ${host} is not known: choose another with --host`,
  }
  return new PincerError("UNAVAILABLE", words[code] ?? `Cannot listen on ${where} (${code})`, {
    cause: error,
    retryable: false,
  })
}

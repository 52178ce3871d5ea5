// The HTTP door of the way out: CONNECT, and plain requests in absolute form. Node's strict parser reads, we write anew from what it
// understood, and every connection carries one request: what one side calls one request cannot be two to the other.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { pipeline } from "node:stream/promises"
import { asPincerError, PincerError } from "../base/errors.ts"
import type { EgressDial } from "./egress-dial.ts"
import { type HostPort, hostPort, hostPortText } from "./egress-host.ts"
import { relay } from "./egress-relay.ts"

export interface HttpDoorOptions {
  dial: EgressDial
  headerBytes: number
  idleMs: number
  /** Aborts when the client is gone or the door closes. */
  signalOf(socket: Socket): AbortSignal
  /** The head of the request is read: no deadline on it any more. */
  settled(socket: Socket): void
}

const HOP_BY_HOP =
  /^(connection|keep-alive|te|trailer|transfer-encoding|upgrade|host|expect|http2-settings|alt-svc|proxy-.*)$/i

/** Not listening: connections are handed in by `emit("connection", socket)`. */
export function httpDoor(options: HttpDoorOptions): Server {
  const server = createServer({
    maxHeaderSize: options.headerBytes,
    insecureHTTPParser: false,
    requireHostHeader: true,
    requestTimeout: 0,
    headersTimeout: 0,
  })
  server.maxRequestsPerSocket = 1
  server.on("request", (req, res) => {
    options.settled(req.socket)
    // A second request on the connection is the client's to send again elsewhere.
    forward(req, res, options).catch((error: unknown) => answer(req, res, error))
  })
  server.on("connect", (req, stream, head) => {
    const socket = stream as Socket
    options.settled(socket)
    tunnel(req, socket, head, options).catch((error: unknown) => answerRaw(socket, error))
  })
  return server
}

async function tunnel(req: IncomingMessage, socket: Socket, head: Buffer, options: HttpDoorOptions): Promise<void> {
  const target = hostPort(req.url ?? "")
  if (!target) throw options.dial.refuseHost(req.url ?? "")
  const upstream = await options.dial.reach(target, options.signalOf(socket))
  socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
  if (head.length > 0) upstream.write(head)
  relay(socket, upstream, options.idleMs)
}

async function forward(req: IncomingMessage, res: ServerResponse, options: HttpDoorOptions): Promise<void> {
  const { target, path } = readTarget(req, options.dial)
  const headers = requestHeaders(req, target)
  const signal = options.signalOf(req.socket)
  const socket = await options.dial.reach(target, signal)
  socket.setTimeout(options.idleMs, () => socket.destroy())
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const sent = request({
    createConnection: () => socket,
    method: req.method,
    path,
    headers,
    setHost: false,
    maxHeaderSize: options.headerBytes,
    signal,
  })
  sent.once("response", resolve)
  // Nobody asked for another protocol: the answer is none.
  sent.once("upgrade", (_, upgraded) => upgraded.destroy())
  sent.once("close", () => reject(new PincerError("UNAVAILABLE", `${target.host} ended without an answer`)))
  sent.on("error", reject)
  // An answer may come before the request is read to its end; only without an answer is that a failure.
  pipeline(req, sent).catch(reject)
  try {
    const response = await promise
    res.sendDate = false
    res.writeHead(response.statusCode ?? 502, response.statusMessage ?? "", responseHeaders(response))
    await pipeline(response, res)
  } finally {
    sent.destroy()
    socket.destroy()
  }
}

function readTarget(req: IncomingMessage, dial: EgressDial): { target: HostPort; path: string } {
  const url = req.url ?? ""
  const match = /^http:\/\/([^/?#]*)([/?][^#]*)?$/i.exec(url)
  if (!match)
    throw new PincerError(
      "INVALID_PARAMS",
      "This is the sandbox's way out: it takes CONNECT and requests for http:// URLs",
    )
  const target = hostPort(match[1]!, 80)
  if (!target) throw dial.refuseHost(match[1]!)
  const said = valuesOf(req, "host")
  const host = said.length === 1 ? hostPort(said[0]!, 80) : undefined
  const silent = said.length === 0 && req.httpVersion === "1.0"
  if (!silent && (host?.host !== target.host || host.port !== target.port))
    throw new PincerError("INVALID_PARAMS", "The Host header must name the host and port of the URL, once")
  const path = match[2] ?? "/"
  return { target, path: path.startsWith("?") ? `/${path}` : path }
}

function requestHeaders(req: IncomingMessage, target: HostPort): string[] {
  const host =
    target.port === 80 ? hostPortText(target.host, 80).replace(/:80$/, "") : hostPortText(target.host, target.port)
  const headers = ["Host", host, ...endToEnd(req), "Connection", "close"]
  const coding = valuesOf(req, "transfer-encoding")
  if (coding.length > 1 || (coding[0] !== undefined && coding[0].trim().toLowerCase() !== "chunked"))
    throw new PincerError(
      "INVALID_PARAMS",
      `Transfer-Encoding "${coding.join(", ").slice(0, 80)}" is not taken: use chunked`,
    )
  if (coding.length === 1) headers.push("Transfer-Encoding", "chunked")
  else if (valuesOf(req, "content-length").length === 0 && !/^(GET|HEAD|OPTIONS|DELETE|TRACE)$/.test(req.method ?? ""))
    headers.push("Content-Length", "0")
  return headers
}

function responseHeaders(response: IncomingMessage): string[] {
  return [...endToEnd(response), "Connection", "close"]
}

/** As they were written, without what is between two neighbours only, named so by the standard or by Connection. */
function endToEnd(message: IncomingMessage): string[] {
  const named = valuesOf(message, "connection").flatMap((value) => value.toLowerCase().split(/\s*,\s*/))
  const dropped = new Set(named.filter((name) => name !== "content-length"))
  const kept: string[] = []
  const raw = message.rawHeaders
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!
    if (HOP_BY_HOP.test(name) || dropped.has(name.toLowerCase())) continue
    kept.push(name, raw[at + 1]!)
  }
  return kept
}

function valuesOf(message: IncomingMessage, name: string): string[] {
  const raw = message.rawHeaders
  return raw.filter((_, at) => at % 2 === 1 && raw[at - 1]!.toLowerCase() === name)
}

function answer(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (res.headersSent || res.destroyed) return void res.destroy()
  const { status, sentence } = spoken(error)
  req.resume()
  res.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(sentence),
    connection: "close",
  })
  res.end(sentence)
}

function answerRaw(socket: Socket, error: unknown): void {
  const { status, sentence } = spoken(error)
  socket.end(
    `HTTP/1.1 ${status} Refused by the sandbox\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(sentence)}\r\nConnection: close\r\n\r\n${sentence}`,
  )
  socket.resume()
}

function spoken(error: unknown): { status: number; sentence: string } {
  if (!(error instanceof PincerError)) return { status: 502, sentence: "The server could not be read\n" }
  const { code, message } = asPincerError(error)
  const status = code === "PERMISSION_DENIED" ? 403 : code === "INVALID_PARAMS" ? 400 : code === "TIMEOUT" ? 504 : 502
  return { status, sentence: `${message}\n` }
}

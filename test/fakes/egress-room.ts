// An egress with a gate that remembers, servers behind it, and clients that speak to it byte by byte.
import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer as createHttp, type Server as HttpServer, type IncomingMessage } from "node:http"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { type EgressLimits, openEgress } from "../../src/sandbox/egress.ts"
import type { Connect, Lookup } from "../../src/sandbox/egress-dial.ts"
import type { EgressAttempt, NetworkRule } from "../../src/sandbox/sandbox.ts"

export const PUBLIC = "93.184.216.34"

export interface Seen extends EgressAttempt {
  verdict: "allow" | "deny"
  reason: string
}

interface RoomOptions {
  network?: readonly NetworkRule[]
  loopbackPorts?: readonly number[]
  /** Name to addresses; a list of lists answers one after the other. */
  dns?: Record<string, readonly string[]>
  lookup?: Lookup
  /** Where each public address really is: a port of this machine. */
  at?: number
  connect?: Connect
  limits?: Partial<EgressLimits>
  saw?: () => void
}

/** An egress whose public internet is one server of this machine. */
export async function room(t: TestContext, options: RoomOptions) {
  const seen: Seen[] = []
  const asked: string[] = []
  const dialled: string[] = []
  const egress = await openEgress({
    profile: {
      name: "mine",
      network: options.network ?? [{ host: "example.com" }],
      loopbackPorts: options.loopbackPorts ?? [],
    },
    gate: {
      sessionKey: "main",
      saw(attempt, verdict, reason) {
        options.saw?.()
        seen.push({ ...attempt, verdict, reason })
      },
    },
    limits: options.limits,
    lookup: (host) => {
      asked.push(host)
      return options.lookup ? options.lookup(host) : Promise.resolve(options.dns?.[host] ?? [PUBLIC])
    },
    connect: (address, port) => {
      dialled.push(`${address} ${port}`)
      if (options.connect) return options.connect(address, port)
      return connect({ host: "127.0.0.1", port: options.at ?? 1, allowHalfOpen: true })
    },
  })
  t.after(() => egress.close())
  const dial = () => connect({ path: egress.socketPath, allowHalfOpen: true })
  return { egress, seen, asked, dialled, dial, verdicts: () => seen.map((one) => one.verdict) }
}

/** Everything the peer says until it ends. */
export async function said(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on("data", (chunk: Buffer) => chunks.push(chunk))
  socket.on("error", () => socket.destroy())
  socket.once("end", () => socket.end())
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve))
  return Buffer.concat(chunks).toString("latin1")
}

export async function tell(socket: Socket, text: string | Buffer): Promise<string> {
  socket.write(text)
  return said(socket)
}

export function get(url: string, host?: string): string {
  return `GET ${url} HTTP/1.1\r\nHost: ${host ?? new URL(url).host}\r\nUser-Agent: t\r\n\r\n`
}

export async function web(t: TestContext, handler?: (req: IncomingMessage, body: string) => string) {
  const requests: { req: IncomingMessage; body: string }[] = []
  const server: HttpServer = createHttp(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    requests.push({ req, body })
    res.setHeader("X-Kept", "yes")
    res.end(handler?.(req, body) ?? `hello ${req.url}`)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, requests }
}

export async function tcp(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    serve(socket)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

export function echo(socket: Socket): void {
  socket.pipe(socket)
}

export function socks(host: string | readonly number[], port: number, type = 3): Buffer {
  const name = typeof host === "string" ? [Buffer.byteLength(host), ...Buffer.from(host)] : host
  return Buffer.from([5, 1, 0, 5, 1, 0, type, ...name, port >> 8, port & 255])
}

/** Speaks to the proxy until the tunnel stands; gives the socket. */
export async function tunnel(socket: Socket, target: string): Promise<Socket> {
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
  const [head] = (await once(socket, "data")) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1\.1 200 /)
  return socket
}

export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

// The SOCKS5 door of the way out (RFC 1928): no authentication, CONNECT only, to a name or an address. The name is looked up here,
// never by the confined program.
import type { Socket } from "node:net"
import { asPincerError, PincerError } from "../base/errors.ts"
import type { EgressDial } from "./egress-dial.ts"
import { isPort, normalHost } from "./egress-host.ts"
import { relay } from "./egress-relay.ts"

const VERSION = 5
const CONNECT = 1
const REPLY = { ok: 0, general: 1, notAllowed: 2, unreachable: 4, refused: 5, command: 7, addressType: 8 }

export interface SocksVisit {
  socket: Socket
  dial: EgressDial
  signal: AbortSignal
  idleMs: number
  /** The handshake is read: no deadline on it any more. */
  settled(): void
}

/** Serves one client; it ends the socket itself. */
export async function serveSocks(visit: SocksVisit): Promise<void> {
  const { socket, dial } = visit
  try {
    const [, methods] = await take(socket, 2)
    const offered = methods === 0 ? Buffer.alloc(0) : await take(socket, methods!)
    if (!offered.includes(0)) return void socket.end(Buffer.from([VERSION, 0xff]))
    socket.write(Buffer.from([VERSION, 0]))
    const [version, command, , type] = await take(socket, 4)
    if (version !== VERSION) return void socket.destroy()
    const raw = await readHost(socket, type!)
    if (raw === undefined) return refuse(socket, REPLY.addressType)
    const port = (await take(socket, 2)).readUInt16BE()
    visit.settled()
    if (command !== CONNECT) return refuse(socket, REPLY.command)
    const host = normalHost(raw)
    if (host === undefined || !isPort(port)) throw dial.refuseHost(`${raw}:${port}`)
    const upstream = await dial.reach({ host, port }, visit.signal)
    socket.write(reply(REPLY.ok))
    relay(socket, upstream, visit.idleMs)
  } catch (error) {
    if (error instanceof PincerError) refuse(socket, replyFor(error))
    else socket.destroy()
  }
}

async function readHost(socket: Socket, type: number): Promise<string | undefined> {
  switch (type) {
    case 1:
      return [...(await take(socket, 4))].join(".")
    case 3: {
      const [length] = await take(socket, 1)
      return length === 0 ? "" : (await take(socket, length!)).toString("utf8")
    }
    case 4: {
      const bytes = await take(socket, 16)
      return Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16)).join(":")
    }
    default:
      return undefined
  }
}

/** Exactly so many bytes; leaves the rest unread. Throws when the client ends before. */
function take(socket: Socket, bytes: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  let have = Buffer.alloc(0)
  const onData = (chunk: Buffer) => {
    have = Buffer.concat([have, chunk])
    if (have.length < bytes) return
    socket.pause()
    stop()
    if (have.length > bytes) socket.unshift(have.subarray(bytes))
    resolve(have.subarray(0, bytes))
  }
  const onEnd = () => {
    stop()
    reject(new Error("The client ended within its greeting"))
  }
  const stop = () => void socket.off("data", onData).off("end", onEnd).off("close", onEnd)
  if (socket.destroyed || socket.readableEnded) onEnd()
  else socket.on("data", onData).on("end", onEnd).on("close", onEnd).resume()
  return promise
}

function replyFor(error: unknown): number {
  switch (asPincerError(error).code) {
    case "PERMISSION_DENIED":
      return REPLY.notAllowed
    case "UNAVAILABLE":
      return REPLY.refused
    case "TIMEOUT":
      return REPLY.unreachable
    default:
      return REPLY.general
  }
}

function refuse(socket: Socket, code: number): void {
  socket.end(reply(code))
}

/** The bound address is nobody's business: zeros. */
function reply(code: number): Buffer {
  return Buffer.from([VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0])
}

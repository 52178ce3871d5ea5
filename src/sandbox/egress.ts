// The only way out of a sandbox: a proxy of the daemon on a Unix socket of its own for each confined program, so that who asks is known
// by the socket and no secret is needed. It takes HTTP CONNECT, plain HTTP and SOCKS5, told apart by the first byte, and decides each
// connection by host, port and every address of the name. TLS is passed on unread.
// Use: `openEgress()`, then `forwardedProgram(program, egress, loopbackPorts)` (forwarder-program.ts) inside an empty network namespace
// with its `bind` list bound in read-only, then `close()` when the program has ended.
import { once } from "node:events"
import { chmod, chown, mkdtemp, rm } from "node:fs/promises"
import type { Server as HttpServer } from "node:http"
import { createServer, type ListenOptions, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { type Connect, EgressDial, type Lookup } from "./egress-dial.ts"
import { httpDoor } from "./egress-http.ts"
import { type EgressProfile, EgressRules } from "./egress-rules.ts"
import { serveSocks } from "./egress-socks.ts"
import type { EgressGate } from "./sandbox.ts"

export interface EgressLimits {
  /** At one time; more are closed at once. */
  connections: number
  /** From the connection until its request or handshake is read. */
  headMs: number
  lookupMs: number
  connectMs: number
  /** Silence in both directions. */
  idleMs: number
  headerBytes: number
}

export interface EgressRequest {
  profile: EgressProfile
  gate: EgressGate
  limits?: Partial<EgressLimits>
  /** Where the private folder is made; default: the system's temporary folder. */
  folder?: string
  /** Who may connect besides root: set when the daemon is root and the program is started as somebody else. */
  owner?: { uid: number; gid: number }
  /** Handed in by tests. */
  lookup?: Lookup
  connect?: Connect
}

export interface Egress {
  /** Absolute; in a folder of mode 0700. */
  readonly socketPath: string
  /** Ends every connection. Can be called twice. */
  close(): Promise<void>
}

/** The same on a free port of 127.0.0.1, for systems whose confinement cannot give a program its own loopback. */
export interface LoopbackEgress {
  readonly port: number
  close(): Promise<void>
}

const LIMITS: EgressLimits = {
  connections: 128,
  headMs: 15_000,
  lookupMs: 10_000,
  connectMs: 10_000,
  idleMs: 300_000,
  headerBytes: 16_384,
}
/** What the kernel takes for the path of a Unix socket, less on macOS. */
const MAX_SOCKET_PATH = 103
const SOCKS5 = 5

/** Throws INVALID_PARAMS for rules that mean nothing, UNAVAILABLE when no socket can be made. */
export async function openEgress(request: EgressRequest): Promise<Egress> {
  const doors = new EgressDoors(request)
  const folder = await mkdtemp(join(request.folder ?? tmpdir(), "pincer-net-"))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const socketPath = join(folder, "out")
    if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH)
      throw new PincerError("UNAVAILABLE", `${socketPath} is too long for a socket: use a shorter temporary folder`, {
        retryable: false,
      })
    await doors.listen({ path: socketPath })
    await chmod(socketPath, 0o600)
    if (request.owner) {
      await chown(socketPath, request.owner.uid, request.owner.gid)
      await chown(folder, request.owner.uid, request.owner.gid)
    }
    return { socketPath, close: () => doors.close().finally(remove) }
  } catch (error) {
    await doors.close().finally(remove)
    throw error
  }
}

export async function openLoopbackEgress(request: EgressRequest): Promise<LoopbackEgress> {
  const doors = new EgressDoors(request)
  const port = await doors.listen({ host: "127.0.0.1", port: 0 })
  return { port, close: () => doors.close() }
}

interface Visit {
  gone: AbortController
  head: NodeJS.Timeout
}

class EgressDoors {
  readonly #limits: EgressLimits
  readonly #dial: EgressDial
  readonly #server: Server
  readonly #http: HttpServer
  readonly #visits = new Map<Socket, Visit>()
  #closed = false

  constructor(request: EgressRequest) {
    this.#limits = { ...LIMITS, ...request.limits }
    this.#dial = new EgressDial({ ...request, ...this.#limits, rules: new EgressRules(request.profile) })
    this.#http = httpDoor({
      dial: this.#dial,
      headerBytes: this.#limits.headerBytes,
      idleMs: this.#limits.idleMs,
      signalOf: (socket) => this.#visits.get(socket)?.gone.signal ?? AbortSignal.abort(),
      settled: (socket) => this.#settled(socket),
    })
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#welcome(socket))
  }

  /** The port, when it listens on one. */
  async listen(options: ListenOptions): Promise<number> {
    this.#server.listen(options)
    await once(this.#server, "listening")
    // Errors of accepting (no more files) must not end the daemon: the client sees its connection fail.
    this.#server.on("error", () => undefined)
    const address = this.#server.address()
    return typeof address === "object" && address ? address.port : 0
  }

  async close(): Promise<void> {
    this.#closed = true
    const closed = this.#server.listening ? once(this.#server, "close") : Promise.resolve()
    if (this.#server.listening) this.#server.close()
    for (const socket of this.#visits.keys()) socket.destroy()
    await closed
  }

  #welcome(socket: Socket): void {
    socket.on("error", () => socket.destroy())
    if (this.#closed || this.#visits.size >= this.#limits.connections) return void socket.destroy()
    const visit = { gone: new AbortController(), head: setTimeout(() => socket.destroy(), this.#limits.headMs) }
    this.#visits.set(socket, visit)
    socket.once("close", () => {
      clearTimeout(visit.head)
      this.#visits.delete(socket)
      visit.gone.abort(new PincerError("ABORTED", "The program ended the connection"))
    })
    socket.setTimeout(this.#limits.idleMs, () => socket.destroy())
    socket.once("readable", () => this.#sort(socket, visit.gone.signal))
  }

  #settled(socket: Socket): void {
    clearTimeout(this.#visits.get(socket)?.head)
  }

  #sort(socket: Socket, signal: AbortSignal): void {
    const first: Buffer | null = socket.read(1)
    if (!first) return void socket.destroy()
    socket.unshift(first)
    if (first[0] !== SOCKS5) return void this.#http.emit("connection", socket)
    const settled = () => this.#settled(socket)
    void serveSocks({ socket, dial: this.#dial, signal, idleMs: this.#limits.idleMs, settled })
  }
}

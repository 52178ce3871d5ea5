// ACP for remote clients at /acp: the same bridge as `pincer acp`, over a WebSocket whose owner has shown a token before the upgrade, one
// JSON object a text frame. It reaches the gateway through the method table, like every other client.
import { randomUUID } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { RawData, WebSocket } from "ws"
import { Bridge } from "../../acp/bridge/bridge.ts"
import type { GatewayPort } from "../../acp/bridge/port.ts"
import { PincerError } from "../../base/errors.ts"
import { grants } from "../../protocol/frame.ts"
import { dispatch, type MethodTable } from "../dispatch.ts"
import { mayHear } from "../methods/events.ts"
import { type Caller, type MethodContext, RawJson } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import { joinDevice, type RpcGuest } from "./device-guest.ts"
import { PacedSocket, PING_MS } from "./paced-socket.ts"

const MAX_CONNECTIONS = 500

type Listener = (frame: { payload?: unknown }) => void

export class AcpDoor {
  readonly parts: Parts
  readonly methods: MethodTable
  readonly version: string
  readonly #open = new Set<AcpConnection>()
  readonly #timer: NodeJS.Timeout

  constructor(parts: Parts, methods: MethodTable, version: string) {
    this.parts = parts
    this.methods = methods
    this.version = version
    this.#timer = setInterval(() => {
      for (const connection of this.#open) connection.checkLife()
    }, PING_MS)
    this.#timer.unref()
  }

  get full(): boolean {
    return this.#open.size >= MAX_CONNECTIONS
  }

  connections(): number {
    return this.#open.size
  }

  /** Whether somebody who may answer an approval is connected. */
  canAsk(): boolean {
    return [...this.#open].some(({ approves }) => approves)
  }

  /** Tells every connection of an event whose payload is JSON text. */
  broadcastText(event: string, text: string): void {
    for (const connection of this.#open) connection.deliver(event, text)
  }

  /** `connId` is what the peer was told in the header Acp-Connection-Id. */
  accept(socket: WebSocket, request: IncomingMessage, guest: RpcGuest, connId: string): void {
    const connection = new AcpConnection(this, socket, request, guest, connId)
    this.#open.add(connection)
    socket.once("close", () => this.#open.delete(connection))
  }

  close(): void {
    clearInterval(this.#timer)
    for (const connection of this.#open) connection.drop(1012, "service restart")
  }
}

/** An id for the header, and the name of the header. */
export const CONNECTION_HEADER = "Acp-Connection-Id"
export function newConnectionId(): string {
  return randomUUID()
}

class AcpConnection {
  readonly #door: AcpDoor
  readonly #socket: PacedSocket
  readonly #caller: Caller
  readonly #controller = new AbortController()
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #bridge: Bridge
  readonly #leaveDevice: () => void

  constructor(door: AcpDoor, socket: WebSocket, request: IncomingMessage, guest: RpcGuest, connId: string) {
    this.#door = door
    this.#socket = new PacedSocket(socket, door.parts.clock)
    this.#caller = {
      connId,
      dialect: "claw",
      protocol: 4,
      role: "operator",
      scopes: guest.scopes,
      caps: ["approvals"],
      clientId: (request.headers["user-agent"] ?? "acp").slice(0, 60),
      ...(guest.deviceId === undefined ? {} : { deviceId: guest.deviceId }),
      ...(guest.user === undefined ? {} : { user: guest.user }),
      ...(guest.address === undefined ? {} : { address: guest.address }),
      signal: this.#controller.signal,
      watched: new Map(),
    }
    const { clock, log } = door.parts
    this.#bridge = new Bridge({
      gateway: this.#port(),
      settings: { version: door.version, provenance: "off", offerV2: true },
      send: (text) => this.#socket.send(text),
      after: clock.after.bind(clock),
      now: () => clock.now(),
      log: log.child({ connId, door: "acp" }),
    })
    this.#leaveDevice = joinDevice(guest, this.#caller, door.parts, (code, reason) => this.drop(code, reason))
    socket.on("message", (data, isBinary) => this.#onMessage(data, isBinary))
    socket.on("close", () => this.#onClose())
    socket.on("error", (error) => log.debug({ connId, reason: error.message }, "A socket failed"))
  }

  get approves(): boolean {
    return grants(this.#caller.scopes, "operator.approvals")
  }

  drop(code: number, reason: string): void {
    this.#socket.drop(code, reason)
  }

  checkLife(): void {
    this.#socket.checkLife()
  }

  deliver(event: string, text: string): void {
    if (!mayHear(this.#caller, event)) return
    const listeners = this.#listeners.get(event)
    if (!listeners || listeners.size === 0) return
    const frame = { payload: JSON.parse(text) as unknown }
    for (const listener of listeners) listener(frame)
  }

  #port(): GatewayPort {
    const { methods, parts } = this.#door
    return {
      closed: new Promise(() => undefined),
      on: (event, listener) => {
        const listeners = this.#listeners.get(event) ?? new Set()
        this.#listeners.set(event, listeners.add(listener))
        return () => void listeners.delete(listener)
      },
      request: async <T>(method: string, params?: Record<string, unknown>): Promise<T> => {
        const context: MethodContext = {
          caller: this.#caller,
          parts,
          accept: () => undefined,
          follow: () => undefined,
          emit: (event, payload) => {
            if (!this.#socket.gone) this.deliver(event, payload)
            return this.#socket.relief()
          },
        }
        const result = await dispatch(methods, method, params ?? {}, context, parts.config.gateway.strict)
        // What the caller says it expects, as with the client of the control plane.
        return (result instanceof RawJson ? JSON.parse(result.text) : result) as T
      },
    }
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    // Binary frames are no part of ACP: what cannot be read is answered so.
    this.#bridge.receive(isBinary ? "" : String(data))
  }

  #onClose(): void {
    this.#leaveDevice()
    this.#bridge
      .end()
      .catch((error: unknown) => this.#door.parts.log.error({ err: error }, "An ACP connection was not ended cleanly"))
      .finally(() => this.#controller.abort(new PincerError("ABORTED", "The connection was closed")))
  }
}

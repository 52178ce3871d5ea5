// The JSON-RPC door at /ws: sockets whose owner has shown his token before the upgrade. Calls of one connection run in order, those
// that wait for an agent beside them (IM-WS-07); what happens in sessions is told to everybody who is connected (IM-WS-08).
import { randomUUID } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { RawData, WebSocket } from "ws"
import { PincerError } from "../../base/errors.ts"
import type { RecordedEnvelope, TurnEnvelope } from "../../protocol/event.ts"
import { approvalRow } from "../approvals/approval-rows.ts"
import { dispatch, type MethodTable } from "../dispatch.ts"
import { mayHear } from "../methods/events.ts"
import { type Caller, type MethodContext, RawJson } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import { answered, failed, type RpcAnswer, type RpcCall, readFrame, rpcError } from "../rpc/envelope.ts"
import type { SessionNotice } from "../rpc/notices.ts"
import { sessionId, summaryOf } from "../rpc/session-view.ts"
import { joinDevice, type RpcGuest } from "./device-guest.ts"
import { PacedSocket, PING_MS } from "./paced-socket.ts"

/** Connections of this door (IM-WS-05). */
const MAX_CONNECTIONS = 1_000
/** Calls of one connection that may wait or run. */
const MAX_IN_FLIGHT = 256
/** Sessions in the snapshot that a new connection gets. */
const SNAPSHOT = 500
/** Calls that wait for an agent: they hold up nobody. */
const LONG: ReadonlySet<string> = new Set([
  "ask",
  "ask_stream",
  "agent",
  "agent.wait",
  "chat.send",
  "job.subscribe",
  "client.lend",
])

export class RpcDoor {
  readonly parts: Parts
  readonly methods: MethodTable
  readonly #open = new Set<RpcConnection>()
  readonly #stops: (() => void)[] = []

  constructor(parts: Parts, methods: MethodTable) {
    this.parts = parts
    this.methods = methods
    this.#stops.push(parts.hub.onAll((envelope) => this.#onEvent(envelope)))
    this.#stops.push(parts.notices.on((notice) => this.#onNotice(notice)))
    const timer = setInterval(() => {
      for (const connection of this.#open) connection.checkLife()
    }, PING_MS)
    timer.unref()
    this.#stops.push(() => clearInterval(timer))
  }

  get full(): boolean {
    return this.#open.size >= MAX_CONNECTIONS
  }

  connections(): number {
    return this.#open.size
  }

  accept(socket: WebSocket, request: IncomingMessage, guest: RpcGuest, handOver: (first: RawData) => void): void {
    const connection = new RpcConnection(this, socket, request, guest, handOver)
    this.#open.add(connection)
    socket.once("close", () => this.#open.delete(connection))
    connection.greet().catch((error: unknown) => {
      this.parts.log.error({ err: error }, "A connection could not be greeted")
      socket.close(1011, "internal error")
    })
  }

  #onEvent(envelope: TurnEnvelope): void {
    if (this.#open.size === 0) return
    const { event, sessionKey, seq } = envelope
    if (seq === null) return
    if (event.type === "turn.started" || event.type === "turn.ended")
      this.#onNotice({ type: "updated", key: sessionKey })
    if (event.type === "approval.requested" || event.type === "approval.resolved")
      this.#approval(envelope as RecordedEnvelope)
  }

  #approval({ event }: RecordedEnvelope): void {
    if (event.type !== "approval.requested" && event.type !== "approval.resolved") return
    const name = event.type === "approval.requested" ? "exec.approval.requested" : "exec.approval.resolved"
    this.announce(name, JSON.stringify(approvalRow(event.approval)))
  }

  #onNotice({ key, type }: SessionNotice): void {
    if (this.#open.size === 0) return
    if (type === "deleted") {
      this.announce("session.deleted", JSON.stringify({ session_id: sessionId(key, this.parts) }))
      return
    }
    const { log, store } = this.parts
    store.sessions
      .get(key)
      .then(async (row) => {
        if (row) this.announce("session.updated", JSON.stringify({ session: await summaryOf(row, this.parts) }))
      })
      .catch((error: unknown) => log.warn({ err: error, sessionKey: key }, "A session was not read"))
  }

  /** Tells every connection that may hear of it; `params` is JSON text. */
  announce(method: string, params: string): void {
    for (const connection of this.#open) connection.notify(method, params)
  }

  close(): void {
    for (const stop of this.#stops) stop()
    for (const connection of this.#open) connection.drop(1012, "service restart")
  }
}

class RpcConnection {
  readonly #door: RpcDoor
  readonly #socket: WebSocket
  readonly #paced: PacedSocket
  readonly #caller: Caller
  readonly #controller = new AbortController()
  readonly #handOver: (first: RawData) => void
  #fresh = true
  #line: Promise<void> = Promise.resolve()
  #inFlight = 0
  readonly #leaveDevice: () => void

  constructor(
    door: RpcDoor,
    socket: WebSocket,
    request: IncomingMessage,
    guest: RpcGuest,
    handOver: (first: RawData) => void,
  ) {
    this.#door = door
    this.#socket = socket
    this.#paced = new PacedSocket(socket, door.parts.clock)
    this.#handOver = handOver
    const connId = randomUUID()
    this.#caller = {
      connId,
      dialect: "rpc",
      protocol: 4,
      role: "operator",
      scopes: guest.scopes,
      caps: [],
      clientId: (request.headers["user-agent"] ?? "json-rpc").slice(0, 60),
      ...(guest.deviceId === undefined ? {} : { deviceId: guest.deviceId }),
      ...(guest.user === undefined ? {} : { user: guest.user }),
      ...(guest.address === undefined ? {} : { address: guest.address }),
      signal: this.#controller.signal,
      ownSession: connId,
      subscriptions: new Map(),
      watched: new Map(),
    }
    this.#leaveDevice = joinDevice(guest, this.#caller, door.parts, (code, reason) => this.drop(code, reason))
    socket.on("message", (data, isBinary) => this.#onMessage(data, isBinary))
    socket.on("close", () => this.#onClose())
    socket.on("error", (error) => door.parts.log.debug({ connId, reason: error.message }, "A socket failed"))
  }

  async greet(): Promise<void> {
    const { clock, store } = this.#door.parts
    const { connId } = this.#caller
    this.notify("connected", JSON.stringify({ session_id: connId, server_time: new Date(clock.now()).toISOString() }))
    if (!mayHear(this.#caller, "session.snapshot")) return
    const { sessions } = await store.sessions.list({ limit: SNAPSHOT, archived: false })
    const summaries = await Promise.all(sessions.map((row) => summaryOf(row, this.#door.parts)))
    this.notify("session.snapshot", JSON.stringify({ sessions: summaries }))
  }

  drop(code: number, reason: string): void {
    this.#paced.drop(code, reason)
  }

  checkLife(): void {
    this.#paced.checkLife()
  }

  notify(method: string, params: string): Promise<void> | undefined {
    if (!mayHear(this.#caller, method)) return undefined
    this.#paced.send(`{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${params}}`)
    return this.#paced.relief()
  }

  #onClose(): void {
    this.#leaveDevice()
    this.#controller.abort()
    for (const stop of this.#caller.subscriptions?.values() ?? []) stop()
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    const text = isBinary ? "" : String(data)
    if (this.#fresh && /^\s*\{\s*"type"\s*:\s*"req"/.test(text.slice(0, 200))) {
      this.#socket.removeAllListeners()
      this.#onClose()
      this.#handOver(data)
      return
    }
    this.#fresh = false
    const { batch, calls, refused } = readFrame(text)
    if (this.#inFlight + calls.length > MAX_IN_FLIGHT) {
      const busy = { code: -32029, message: `Too many calls in flight: at most ${MAX_IN_FLIGHT}` }
      const answers = calls.flatMap(({ id }) => (id === undefined ? [] : [failed(id, busy.code, busy.message)]))
      this.#reply([...refused, ...answers], batch)
      return
    }
    this.#inFlight += calls.length
    void Promise.all(calls.map((call) => this.#inOrder(call))).then((answers) => {
      this.#inFlight -= calls.length
      this.#reply([...refused, ...answers.filter((answer) => answer !== undefined)], batch)
    })
  }

  #reply(answers: readonly (RpcAnswer | string)[], batch: boolean): void {
    const texts = answers.map((answer) => (typeof answer === "string" ? answer : JSON.stringify(answer)))
    if (batch && texts.length > 0) this.#paced.send(`[${texts.join(",")}]`)
    else for (const text of texts) this.#paced.send(text)
  }

  #inOrder(call: RpcCall): Promise<RpcAnswer | string | undefined> {
    const { parts, methods } = this.#door
    const run = () => runCall(call, this.#caller, parts, methods, (method, params) => this.notify(method, params))
    if (LONG.has(call.method)) return this.#line.then(run)
    const result = this.#line.then(run)
    this.#line = result.then(() => undefined)
    return result
  }
}

/** Carries out one call; the answer, or undefined for a notification. Never throws. */
export async function runCall(
  call: RpcCall,
  caller: Caller,
  parts: Parts,
  methods: MethodTable,
  emit: MethodContext["emit"],
): Promise<RpcAnswer | string | undefined> {
  const { id, method, params } = call
  const context: MethodContext = {
    caller,
    parts,
    accept: () => undefined,
    follow: () => undefined,
    ...(emit ? { emit } : {}),
    ...(id === undefined || id === null ? {} : { requestId: id }),
  }
  try {
    const result = await dispatch(methods, method, params, context, parts.config.gateway.strict)
    if (id === undefined) return undefined
    if (result instanceof RawJson) return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result.text}}`
    return answered(id, result)
  } catch (error) {
    // IMClaw's clients know a job that is not there as null (IM-JOB-14).
    const isGone = error instanceof PincerError && error.code === "NOT_FOUND"
    if (isGone && method === "job.get") return id === undefined ? undefined : answered(id, null)
    const { code, data, message } = rpcError(error, method)
    if (!(error instanceof PincerError)) parts.log.error({ err: error, method }, "A method failed")
    return id === undefined ? undefined : failed(id, code, message, data)
  }
}

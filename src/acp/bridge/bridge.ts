// The bridge: an ACP agent to the client on one side, a client of the control plane on the other. It knows no transport; texts go in and
// out. Everything that it tells of a conversation comes from the gateway's events; it keeps nothing that the gateway lacks.
import { asPincerError, PincerError } from "../../base/errors.ts"
import type { Logger } from "../../base/log.ts"
import type { After } from "../../protocol/link.ts"
import { RPC, RpcFailure, RpcPeer } from "../peer.ts"
import { clientOf, UNKNOWN_CLIENT } from "./client.ts"
import type { ModelRow } from "./facts.ts"
import { LoanDesk, lend } from "./lending.ts"
import { type Handler, methodsV1 } from "./methods.ts"
import { methodsV2 } from "./methods-v2.ts"
import { type Fields, fieldsOf, rowsOf, textOf } from "./params.ts"
import type { BridgeSettings, GatewayPort } from "./port.ts"
import { stopOwn } from "./prompting.ts"
import type { Bound, Room } from "./room.ts"
import { BoundSessions } from "./sessions.ts"
import { voiceV1 } from "./voice.ts"
import { voiceV2 } from "./voice-v2.ts"

export interface BridgeOptions {
  gateway: GatewayPort
  settings: BridgeSettings
  /** Sends one message to the client, without a newline. */
  send(text: string): void
  after: After
  now(): number
  log: Logger
}

const AUTH_METHOD = "gateway"
const AUTH_NAME = "Pincer gateway"
const AUTH_ABOUT = "Uses the token that this program was started with, or the one of this machine's gateway"
const GRACE_MS = 60_000
/** How long the models that were listed last are the ones there are. */
const MODELS_MS = 30_000

export class Bridge {
  readonly #room: Room
  readonly #peer: RpcPeer
  readonly #sessions: BoundSessions
  readonly #stops: (() => void)[] = []
  #handlers: Record<string, Handler>
  #loggedOut = false
  #models: { at: number; rows: Promise<ModelRow[]> } | undefined
  #grace: (() => void) | undefined
  #ended = false

  constructor(options: BridgeOptions) {
    const { after, gateway, log, now, send, settings } = options
    const peer = new RpcPeer(
      {
        send,
        onRequest: ({ method, params, signal }) => this.#serve(method, params, signal),
        onNotification: (method, params) => this.#told(method, params),
        onOddity: (text) => log.warn({}, `The client sent ${text}`),
      },
      after,
    )
    const room = {
      peer,
      gateway,
      settings,
      after,
      log,
      now,
      client: UNKNOWN_CLIENT,
      models: () => this.#listed(),
      makeEar: (session: Bound) => this.#sessions.makeEar(session),
    }
    this.#peer = peer
    this.#room = Object.assign(room, { voice: voiceV1(room as unknown as Room) })
    this.#sessions = new BoundSessions(this.#room)
    this.#handlers = methodsV1(this.#room, this.#sessions)
    this.#listen(gateway)
  }

  /** One message of the client. Never throws. */
  receive(text: string): void {
    this.#peer.receive(text)
  }

  refuseTooLong(bytes: number): void {
    this.#peer.refuseTooLong(bytes)
  }

  /** The client has gone: what it had running is stopped, what it lent is taken back. Resolves when the gateway knows, or soon. */
  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#peer.end(new PincerError("UNAVAILABLE", "The client has gone", { retryable: false }))
    const sessions = this.#sessions.all()
    await Promise.all(sessions.map((session) => stopOwn(session)))
    for (const session of sessions) this.#sessions.forget(session)
    this.#grace?.()
    for (const stop of this.#stops) stop()
  }

  #listen(gateway: GatewayPort): void {
    const lending = new LoanDesk(this.#room, (lender) => this.#sessions.all().find((one) => one.lender === lender))
    const listeners: Record<string, (payload: unknown) => void> = {
      "session.event": (payload) => this.#sessions.onEvent(payload),
      "session.changed": (payload) => this.#sessions.onChanged(payload),
      "mcp.changed": () => this.#offeredChanged(),
      "client.asked": (payload) => lending.asked(payload),
      "client.withdrawn": (payload) => lending.withdrawn(payload),
      "connection.lost": (payload) => this.#lost(textOf(fieldsOf(payload)["message"])),
      "connection.restored": () => this.#restored(),
    }
    for (const [event, listener] of Object.entries(listeners))
      this.#stops.push(gateway.on(event, ({ payload }) => listener(payload)))
    void gateway.closed.then((reason) => this.#failAll(reason))
  }

  #offeredChanged(): void {
    for (const session of this.#sessions.all())
      session.readOffered().then(
        (changed) => {
          if (changed) this.#room.voice.commands(session)
        },
        (error: unknown) => this.#room.log.warn({ err: error }, "The commands of a session could not be read"),
      )
  }

  async #serve(method: string, params: Fields, signal: AbortSignal): Promise<unknown> {
    try {
      switch (method) {
        case "initialize":
          return this.#initialize(params)
        case "authenticate":
        case "auth/login":
          return await this.#authenticate(params)
        case "logout":
        case "auth/logout":
          return await this.#logout()
        default:
      }
      const handler = Object.hasOwn(this.#handlers, method) ? this.#handlers[method] : undefined
      if (!handler) throw new RpcFailure(RPC.methodNotFound, `Unknown method "${method}"`, { method })
      if (this.#loggedOut)
        throw new RpcFailure(RPC.authRequired, `Logged out: authenticate with the method "${AUTH_METHOD}"`)
      return await handler(params, signal)
    } catch (error) {
      if (!(error instanceof RpcFailure) && !(error instanceof PincerError))
        this.#room.log.error({ err: error, method }, "A method failed unexpectedly")
      throw error
    }
  }

  #initialize(params: Fields): Fields {
    const { protocolVersion } = params
    if (typeof protocolVersion !== "number" || !Number.isInteger(protocolVersion))
      throw new RpcFailure(RPC.invalidParams, "protocolVersion is required: a whole number")
    this.#room.client = clientOf(params)
    const isSecond = protocolVersion >= 2 && this.#room.settings.offerV2 === true
    this.#room.voice = isSecond ? voiceV2(this.#room) : voiceV1(this.#room)
    this.#handlers = isSecond ? methodsV2(this.#room, this.#sessions) : methodsV1(this.#room, this.#sessions)
    return isSecond ? this.#greetingV2() : this.#greetingV1()
  }

  #greetingV2(): Fields {
    return {
      protocolVersion: 2,
      info: { name: "pincer", title: "Pincer", version: this.#room.settings.version },
      capabilities: {
        session: {
          prompt: { image: {}, audio: {}, embeddedContext: {} },
          mcp: { stdio: {}, http: {} },
          delete: {},
          additionalDirectories: {},
        },
        auth: {},
      },
      authMethods: [{ type: "agent", methodId: AUTH_METHOD, name: AUTH_NAME, description: AUTH_ABOUT }],
    }
  }

  #greetingV1(): Fields {
    const session = { list: {}, resume: {}, close: {}, delete: {}, additionalDirectories: {}, fork: {} }
    return {
      protocolVersion: 1,
      agentInfo: { name: "pincer", title: "Pincer", version: this.#room.settings.version },
      agentCapabilities: {
        loadSession: true,
        promptCapabilities: { image: true, audio: true, embeddedContext: true },
        mcpCapabilities: { http: true, sse: true },
        sessionCapabilities: session,
        auth: { logout: {} },
      },
      authMethods: [{ id: AUTH_METHOD, name: AUTH_NAME, description: AUTH_ABOUT }],
    }
  }

  async #authenticate(params: Fields): Promise<Fields> {
    const { methodId } = params
    if (methodId !== AUTH_METHOD)
      throw new RpcFailure(RPC.invalidParams, `Unknown method of authentication ${JSON.stringify(methodId) ?? ""}`)
    await this.#room.gateway.request("health")
    this.#loggedOut = false
    return {}
  }

  async #logout(): Promise<Fields> {
    this.#loggedOut = true
    const sessions = this.#sessions.all()
    await Promise.all(sessions.map((session) => stopOwn(session)))
    for (const session of sessions) this.#sessions.forget(session)
    return {}
  }

  /** Notifications that nobody knows are nothing. */
  #told(method: string, params: Fields): void {
    if (method !== "session/cancel") return
    const session = this.#sessions.find(params["sessionId"])
    if (session) void stopOwn(session)
  }

  #listed(): Promise<ModelRow[]> {
    const now = this.#room.now()
    if (!this.#models || this.#models.at < now - MODELS_MS) {
      const rows = this.#room.gateway.request("models.list").then((answer) =>
        rowsOf(fieldsOf(answer)["models"]).map((row) => ({
          key: String(row["key"]),
          name: textOf(row["name"]) ?? String(row["key"]),
          isDefault: row["default"] === true,
        })),
      )
      rows.catch(() => {
        this.#models = undefined
      })
      this.#models = { at: now, rows }
    }
    return this.#models.rows
  }

  #lost(message: string | undefined): void {
    const { graceMs = GRACE_MS } = this.#room.settings
    this.#room.log.warn({}, `The gateway was lost (${message ?? "it said nothing"}): waiting for it`)
    this.#grace?.()
    this.#grace = this.#room.after(graceMs, () =>
      this.#failAll(
        new PincerError(
          "UNAVAILABLE",
          `The gateway was lost and did not come back within ${Math.round(graceMs / 1000)} s (${message ?? "it said nothing"})`,
        ),
      ),
    )
  }

  #restored(): void {
    this.#grace?.()
    this.#grace = undefined
    this.#models = undefined
    for (const session of this.#sessions.all()) {
      const again = async () => {
        if (session.lends) await lend(this.#room, session, { servers: session.servers })
        await session.relisten()
        await session.refresh()
      }
      again().catch((error: unknown) => {
        this.#room.log.warn({ err: asPincerError(error), sessionKey: session.key }, "A session was not taken up again")
      })
    }
  }

  #failAll(error: PincerError): void {
    for (const session of this.#sessions.all())
      for (const prompt of session.prompts.values()) prompt.settle({ type: "failed", error })
  }
}

// A client of the control plane, for browsers and Node: connect, ask, listen; on request it reconnects by itself and asks for the
// events that it missed. The command line and the web page both stand on it.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { Pipe } from "../base/pipe.ts"
import type { EventFrame } from "./frame.ts"
import { type After, after, type Hello, Link, type RequestOptions, type SocketConstructor } from "./link.ts"

export type { After, Hello, RequestOptions, Socket, SocketConstructor } from "./link.ts"

export interface ClientName {
  /** "cli", "webchat-ui", "pincer-…" */
  id: string
  version: string
  platform: string
  /** "cli", "ui", "webchat", "backend", "probe" … */
  mode: string
  displayName?: string
  instanceId?: string
}

export interface ConnectOptions {
  /** "ws://127.0.0.1:18789" */
  url: string
  token?: string
  /** Other credentials than the token: deviceToken, bootstrapToken, password. */
  auth?: Readonly<Record<string, string>>
  client: ClientName
  caps?: readonly string[]
  /** Default: operator. */
  role?: string
  /** Rights asked for; default all there are. null: whatever the credential gives. */
  scopes?: readonly string[] | null
  /** Makes the `device` member of connect from the challenge's nonce. */
  device?: (nonce: string) => Promise<Record<string, unknown>>
  /** Default: the global WebSocket. */
  WebSocket?: SocketConstructor
  connectTimeoutMs?: number
  requestTimeoutMs?: number
  /** Connect again after a loss; default not. */
  reconnect?: boolean | Reconnect
  /** For tests: timers. */
  after?: After
}

export interface Reconnect {
  minDelayMs: number
  maxDelayMs: number
  /** Failed tries in a row before giving up. */
  maxAttempts: number
}

interface Missed {
  bootId: string | undefined
  connId: string
  lastSeq: number
}

export interface GatewayClient {
  /** What the gateway said when it was (last) connected. */
  readonly hello: Hello
  /** Resolves, with the reason, once the client is closed for good. Never rejects. */
  readonly closed: Promise<PincerError>
  /** Throws the gateway's refusal; UNAVAILABLE when the connection is lost meanwhile; TIMEOUT; ABORTED. */
  request<T = unknown>(method: string, params?: Record<string, unknown>, options?: RequestOptions): Promise<T>
  /** Calls `listener` for events of this name, or for all with "*". The returned function ends it. */
  on(event: string, listener: (frame: EventFrame) => void): () => void
  /** Events from now on, ended by close(), failed by a loss for good. Reading too slowly (more than 10,000 behind) fails it. */
  events(): AsyncIterable<EventFrame>
  close(): void
}

const DEFAULT_RECONNECT: Reconnect = { minDelayMs: 250, maxDelayMs: 15_000, maxAttempts: Number.POSITIVE_INFINITY }
const EVENTS_LIMIT = 10_000

/**
 * Connects to a gateway. Throws UNAVAILABLE when none answers, AUTH_REQUIRED or NOT_PAIRED when it refuses, TIMEOUT.
 *
 * With `reconnect`, two events of the client's own tell of the connection: "connection.lost" {message} and
 * "connection.restored" {resumed}; when `resumed` is false, events may be missing and state should be read anew.
 */
export async function connectGateway(options: ConnectOptions): Promise<GatewayClient> {
  const client = new Client(options)
  await client.open()
  return client
}

/** A fresh idempotency key. Works on pages that were not served securely, too. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}

class Client implements GatewayClient {
  readonly #options: ConnectOptions
  readonly #reconnect: Reconnect | undefined
  readonly #after: After
  readonly #listeners = new Map<string, Set<(frame: EventFrame) => void>>()
  readonly #pipes = new Set<Pipe<EventFrame>>()
  readonly #end = Promise.withResolvers<PincerError>()
  #link: Link | undefined
  #restored: PromiseWithResolvers<void> | undefined
  #hello: Hello = { protocol: 0, server: {} }
  #lastSeq = 0
  /** What is to be taken up with the next greeting. */
  #missed: Missed | undefined
  #closed: PincerError | undefined
  #stopTimer: (() => void) | undefined

  constructor(options: ConnectOptions) {
    this.#options = options
    this.#after = options.after ?? after
    const { reconnect } = options
    this.#reconnect = reconnect === true ? DEFAULT_RECONNECT : reconnect || undefined
  }

  get hello(): Hello {
    return this.#hello
  }

  get closed(): Promise<PincerError> {
    return this.#end.promise
  }

  async open(): Promise<void> {
    const { url, device } = this.#options
    const Socket = this.#options.WebSocket ?? globalSocket()
    const { link, hello } = await Link.open({
      url,
      WebSocket: Socket,
      after: this.#after,
      needsNonce: device !== undefined,
      hello: (nonce) => this.#params(nonce),
      connectTimeoutMs: this.#options.connectTimeoutMs ?? 10_000,
      requestTimeoutMs: this.#options.requestTimeoutMs ?? 30_000,
      onEvent: (frame) => this.#receive(frame),
      onClose: (reason) => this.#lost(reason),
    })
    if (this.#closed) {
      link.close()
      throw this.#closed
    }
    this.#link = link
    this.#hello = hello
  }

  async request<T>(method: string, params?: Record<string, unknown>, options?: RequestOptions): Promise<T> {
    if (this.#closed) throw this.#closed
    if (this.#restored) await this.#restored.promise
    if (!this.#link) throw this.#closed ?? new TypeError("The client is not connected")
    // What the caller says it expects: results are described by the method table, not checked here.
    return (await this.#link.request(method, params, options)) as T
  }

  on(event: string, listener: (frame: EventFrame) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener))
    return () => {
      listeners.delete(listener)
    }
  }

  events(): AsyncIterable<EventFrame> {
    const pipe = new Pipe<EventFrame>(EVENTS_LIMIT)
    if (this.#closed) pipe.end()
    else this.#pipes.add(pipe)
    return pipe
  }

  close(): void {
    const link = this.#link
    this.#finish(new PincerError("UNAVAILABLE", "The client was closed", { retryable: false }), false)
    link?.close()
  }

  async #params(nonce: string | undefined): Promise<Record<string, unknown>> {
    const { auth, token, client, caps, role, scopes, device } = this.#options
    return {
      minProtocol: 3,
      maxProtocol: 4,
      client,
      role: role ?? "operator",
      ...(scopes === null ? {} : { scopes: scopes ?? DEFAULT_SCOPES }),
      caps: caps ?? [],
      ...(token === undefined && auth === undefined
        ? {}
        : { auth: { ...auth, ...(token === undefined ? {} : { token }) } }),
      ...(device && nonce !== undefined ? { device: await device(nonce) } : {}),
      ...(this.#missed ? { resume: this.#missed } : {}),
    }
  }

  #receive(frame: EventFrame): void {
    if (frame.seq !== undefined) this.#lastSeq = frame.seq
    this.#deliver(frame)
  }

  #deliver(frame: EventFrame): void {
    for (const listener of this.#listeners.get(frame.event) ?? []) listener(frame)
    for (const listener of this.#listeners.get("*") ?? []) listener(frame)
    for (const pipe of this.#pipes) {
      if (pipe.push(frame)) continue
      pipe.fail(new PincerError("UNAVAILABLE", `More than ${EVENTS_LIMIT} events were waiting to be read`))
      this.#pipes.delete(pipe)
    }
  }

  #lost(reason: PincerError): void {
    this.#link = undefined
    // Lost again while restoring: #restore() fails by itself and the next try follows.
    if (this.#closed || this.#restored) return
    if (!this.#reconnect || !worthRetrying(reason)) {
      this.#finish(reason, true)
      return
    }
    this.#restored = Promise.withResolvers()
    // Nobody may be waiting for it.
    this.#restored.promise.catch(() => undefined)
    this.#deliver({ type: "event", event: "connection.lost", payload: { message: reason.message, code: reason.code } })
    this.#retry(1, reason)
  }

  #retry(attempt: number, reason: PincerError): void {
    const { minDelayMs, maxDelayMs, maxAttempts } = this.#reconnect ?? DEFAULT_RECONNECT
    if (attempt > maxAttempts) {
      this.#finish(reason, true)
      return
    }
    const full = Math.min(maxDelayMs, minDelayMs * 2 ** (attempt - 1))
    // Half of the delay is random, so that many clients do not come back in one moment.
    const delay = full / 2 + (Math.random() * full) / 2
    this.#stopTimer = this.#after(Math.max(delay, reason.retryAfterMs ?? 0), () => {
      this.#restore().catch((error: unknown) => {
        const refusal =
          error instanceof PincerError ? error : new PincerError("INTERNAL_ERROR", String(error), { cause: error })
        if (this.#closed) return
        if (worthRetrying(refusal)) this.#retry(attempt + 1, refusal)
        else this.#finish(refusal, true)
      })
    })
  }

  async #restore(): Promise<void> {
    const { server, features } = this.#hello
    const missed = { bootId: server.bootId, connId: server.connId, lastSeq: this.#lastSeq }
    const { connId } = missed
    // In one step with the greeting, where the gateway can: then nothing is heard twice, however often the connection is lost.
    const atOnce = connId !== undefined && features?.capabilities?.includes("connect-resume") === true
    this.#missed = atOnce ? { ...missed, connId } : undefined
    // A new connection numbers its events anew, unless it takes the earlier one's numbers up.
    this.#lastSeq = 0
    try {
      await this.open()
      const resumed = atOnce ? this.#resumed(missed.lastSeq) : connId !== undefined && (await this.#resume(missed))
      this.#restored?.resolve()
      this.#restored = undefined
      this.#deliver({ type: "event", event: "connection.restored", payload: { resumed } })
    } catch (error) {
      this.#hello = { ...this.#hello, server: { ...this.#hello.server, bootId: missed.bootId, connId: missed.connId } }
      this.#lastSeq = missed.lastSeq
      throw error
    } finally {
      this.#missed = undefined
    }
  }

  /** What the greeting said of it. The missed events follow it, with the numbers that they had. */
  #resumed(lastSeq: number): boolean {
    const { resume } = this.#hello
    if (!isObject(resume) || resume["resumed"] !== true) return false
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq)
    return true
  }

  /** The missed events arrive as events, before the answer. False when the gateway has them no more. */
  async #resume(missed: Record<string, unknown>): Promise<boolean> {
    try {
      const result = await this.#link?.request("events.resume", missed)
      if (!isObject(result) || result["resumed"] !== true) return false
      // Events that came in one piece with the answer have been counted already.
      if (typeof result["seq"] === "number") this.#lastSeq = Math.max(this.#lastSeq, result["seq"])
      return true
    } catch (error) {
      if (error instanceof PincerError && this.#link) return false
      throw error
    }
  }

  #finish(reason: PincerError, failed: boolean): void {
    if (this.#closed) return
    this.#closed = reason
    this.#link = undefined
    this.#stopTimer?.()
    this.#restored?.reject(reason)
    for (const pipe of this.#pipes) {
      if (failed) pipe.fail(reason)
      else pipe.end()
    }
    this.#pipes.clear()
    this.#end.resolve(reason)
  }
}

const DEFAULT_SCOPES = ["operator.admin", "operator.approvals", "operator.pairing", "operator.read", "operator.write"]

/** Not after a refusal that another try cannot change. */
function worthRetrying(reason: PincerError): boolean {
  return reason.code === "UNAVAILABLE" || reason.code === "TIMEOUT" || reason.code === "RATE_LIMITED"
}

function globalSocket(): SocketConstructor {
  const found: unknown = Reflect.get(globalThis, "WebSocket")
  if (typeof found !== "function") throw new TypeError("There is no global WebSocket: hand one in")
  return found as SocketConstructor
}

// One WebSocket connection to a gateway, from handshake to close. It ends exactly once; everything that still waits is then
// refused with the reason. Runs in browsers and in Node alike.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { ErrorShape, EventFrame } from "./frame.ts"
import { closeRefusal, refusalOf } from "./refusal.ts"

/** What we use of a WebSocket: browsers, Node and `ws` all have it. */
export interface Socket {
  send(data: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: "open" | "message" | "close" | "error", listener: (event: SocketEvent) => void): void
}

export interface SocketEvent {
  readonly type: string
  readonly data?: unknown
  readonly code?: number
  readonly reason?: string
}

export type SocketConstructor = new (url: string) => Socket

/** Runs `fn` after `ms`; the returned function cancels it. */
export type After = (ms: number, fn: () => void) => () => void

export const after: After = (ms, fn) => {
  const timer = setTimeout(fn, ms)
  return () => clearTimeout(timer)
}

/** What hello-ok says (protocol §2.2, §9.2); more may be there. */
export interface Hello {
  protocol: number
  server: { version?: string; connId?: string; bootId?: string; [key: string]: unknown }
  features?: { methods?: string[]; events?: string[]; capabilities?: string[] }
  snapshot?: Record<string, unknown>
  /** Whether the connection that `connect` named was taken up. */
  resume?: unknown
  auth?: { role?: string; scopes?: string[]; deviceToken?: string }
  policy?: { tickIntervalMs?: number; maxPayload?: number; [key: string]: unknown }
}

export interface RequestOptions {
  /** Longest wait for the (final) response, ms; 0 for no limit. Default 30000, without limit with expectFinal. */
  timeoutMs?: number
  /** Two-stage methods (`agent`): resolve with the second response. */
  expectFinal?: boolean
  /** Told of the first response of a two-stage method. */
  onAccepted?: (payload: unknown) => void
  signal?: AbortSignal
}

export interface LinkOptions {
  url: string
  WebSocket: SocketConstructor
  after: After
  /** Params of `connect`, made when the socket is open; `nonce` only when `needsNonce`. */
  hello(nonce: string | undefined): Promise<Record<string, unknown>>
  /** Wait for connect.challenge before connecting: for a device signature. */
  needsNonce: boolean
  connectTimeoutMs: number
  requestTimeoutMs: number
  onEvent(frame: EventFrame): void
  onClose(reason: PincerError): void
}

interface Waiting {
  resolve(payload: unknown): void
  reject(error: PincerError): void
  options: RequestOptions
  stop(): void
}

/** Silent intervals after which the gateway counts as dead. */
const SILENT_INTERVALS = 2

export class Link {
  readonly #options: LinkOptions
  readonly #socket: Socket
  readonly #waiting = new Map<string, Waiting>()
  readonly #hello = Promise.withResolvers<Hello>()
  #nextId = 1
  #asked = false
  /** Hello has come. What is in one piece with it is handled before any promise is settled, and counts. */
  #heardHello = false
  #greeted = false
  #ended: PincerError | undefined
  #silent = 0
  #stopTimer: () => void

  private constructor(options: LinkOptions) {
    this.#options = options
    this.#socket = new options.WebSocket(options.url)
    this.#stopTimer = options.after(options.connectTimeoutMs, () =>
      this.#end(
        new PincerError(
          "TIMEOUT",
          `The gateway at ${options.url} did not answer within ${options.connectTimeoutMs} ms`,
        ),
        4000,
      ),
    )
    this.#socket.addEventListener("open", () => {
      if (!options.needsNonce) this.#greet(undefined)
    })
    this.#socket.addEventListener("message", (event) => this.#receive(event.data))
    // An error event says nothing that the close event after it does not.
    this.#socket.addEventListener("error", () => this.#lost(1006, ""))
    this.#socket.addEventListener("close", (event) => this.#lost(event.code ?? 1006, event.reason ?? ""))
  }

  /** Connects and greets. Throws the gateway's refusal, or UNAVAILABLE when none answers. */
  static async open(options: LinkOptions): Promise<{ link: Link; hello: Hello }> {
    const link = new Link(options)
    return { link, hello: await link.#hello.promise }
  }

  request(method: string, params: unknown, options: RequestOptions = {}): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = String(this.#nextId++)
    return new Promise((resolve, reject) => {
      const { signal } = options
      const timeoutMs = options.timeoutMs ?? (options.expectFinal ? 0 : this.#options.requestTimeoutMs)
      const refuse = (error: PincerError) => {
        if (this.#forget(id)) reject(error)
      }
      const onAbort = () => refuse(new PincerError("ABORTED", `${method} was given up`))
      if (signal?.aborted) {
        reject(new PincerError("ABORTED", `${method} was given up`))
        return
      }
      const stopTimer =
        timeoutMs > 0
          ? this.#options.after(timeoutMs, () =>
              refuse(new PincerError("TIMEOUT", `${method} was not answered within ${timeoutMs} ms`)),
            )
          : undefined
      signal?.addEventListener("abort", onAbort, { once: true })
      const stop = () => {
        stopTimer?.()
        signal?.removeEventListener("abort", onAbort)
      }
      this.#waiting.set(id, { resolve, reject, options, stop })
      this.#socket.send(JSON.stringify({ type: "req", id, method, params }))
    })
  }

  close(): void {
    this.#end(new PincerError("UNAVAILABLE", "The connection was closed by this client", { retryable: false }), 1000)
  }

  #forget(id: string): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.stop()
    return waiting
  }

  #greet(nonce: string | undefined): void {
    if (this.#asked) return
    this.#asked = true
    this.#options
      .hello(nonce)
      .then((params) => this.request("connect", params, { timeoutMs: 0 }))
      .then((payload) => this.#welcome(payload))
      .catch((error: unknown) => this.#refused(error))
  }

  #welcome(payload: unknown): void {
    if (this.#ended) return
    this.#stopTimer()
    this.#greeted = true
    const hello = parseHello(payload)
    const interval = hello.policy?.tickIntervalMs
    if (interval) this.#watch(interval)
    this.#hello.resolve(hello)
  }

  #refused(error: unknown): void {
    const refusal =
      error instanceof PincerError
        ? error
        : new PincerError("INTERNAL_ERROR", "Connecting failed", { cause: error, retryable: false })
    this.#end(refusal, 1000)
  }

  /** Closes after two tick intervals in which nothing came. */
  #watch(interval: number): void {
    this.#stopTimer = this.#options.after(interval, () => {
      this.#silent += 1
      if (this.#silent > SILENT_INTERVALS) this.#end(closeRefusal(4000, "", this.#options.url), 4000)
      else this.#watch(interval)
    })
  }

  #receive(data: unknown): void {
    if (this.#ended || typeof data !== "string") return
    this.#silent = 0
    const frame = parseFrame(data)
    if (!frame) return
    if (frame.type === "res") this.#answer(frame)
    else if (this.#heardHello) this.#options.onEvent(frame)
    else if (frame.event === "connect.challenge" && this.#options.needsNonce) {
      const nonce = isObject(frame.payload) ? frame.payload["nonce"] : undefined
      this.#greet(typeof nonce === "string" ? nonce : undefined)
    }
  }

  #answer(frame: Response): void {
    const waiting = this.#waiting.get(frame.id)
    if (!waiting) return
    const early = frame.ok && isObject(frame.payload) && frame.payload["status"] === "accepted"
    if (early && waiting.options.expectFinal) {
      waiting.options.onAccepted?.(frame.payload)
      return
    }
    this.#forget(frame.id)
    if (frame.ok) {
      this.#heardHello = true
      waiting.resolve(frame.payload)
    } else
      waiting.reject(
        refusalOf(frame.error ?? { code: "INTERNAL_ERROR", message: "The gateway refused without saying why" }),
      )
  }

  #lost(code: number, reason: string): void {
    const { url } = this.#options
    if (this.#asked) this.#end(closeRefusal(code, reason, url))
    else
      this.#end(
        new PincerError("UNAVAILABLE", `No gateway answers at ${url}: start one with "pincer gateway run"`, {
          details: { closeCode: code },
        }),
      )
  }

  #end(reason: PincerError, closeCode?: number): void {
    if (this.#ended) return
    this.#ended = reason
    this.#stopTimer()
    for (const id of [...this.#waiting.keys()]) this.#forget(id)?.reject(reason)
    this.#hello.reject(reason)
    if (closeCode !== undefined) this.#socket.close(closeCode, reason.code === "UNAVAILABLE" ? "" : reason.code)
    if (this.#greeted) this.#options.onClose(reason)
  }
}

interface Response {
  type: "res"
  id: string
  ok: boolean
  payload: unknown
  error: ErrorShape | undefined
}

/** A frame that a client understands; anything else is undefined and ignored. */
function parseFrame(text: string): Response | EventFrame | undefined {
  const frame = parseObject(text)
  if (!frame) return undefined
  const { type, id, event, payload, seq } = frame
  if (type === "event" && typeof event === "string")
    return { type, event, payload, ...(typeof seq === "number" ? { seq } : {}) }
  if (type === "res" && typeof id === "string")
    return { type, id, ok: frame["ok"] === true, payload, error: parseError(frame["error"]) }
  return undefined
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function parseError(value: unknown): ErrorShape | undefined {
  if (!isObject(value)) return undefined
  const { code, message, details, retryable, retryAfterMs } = value
  return {
    code: typeof code === "string" ? code : "INTERNAL_ERROR",
    message: typeof message === "string" ? message : "The gateway refused without saying why",
    ...(isObject(details) ? { details } : {}),
    ...(typeof retryable === "boolean" ? { retryable } : {}),
    ...(typeof retryAfterMs === "number" ? { retryAfterMs } : {}),
  }
}

function parseHello(payload: unknown): Hello {
  const hello = isObject(payload) ? payload : {}
  const server = isObject(hello["server"]) ? hello["server"] : {}
  const protocol = typeof hello["protocol"] === "number" ? hello["protocol"] : 3
  return { ...hello, protocol, server }
}

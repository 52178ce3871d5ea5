// One JSON-RPC 2.0 peer, for both sides of ACP: reads leniently, writes strictly, survives whatever the other side sends. It knows no
// transport: hand it each message as text (one line, or one WebSocket frame) and it hands out text to send.
//
// Requests are answered as they finish; notifications are told in the order in which they came, before any request that came later.
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject, parseJson } from "../base/json.ts"
import type { After } from "../protocol/link.ts"

/** Ids are numbers or strings; 0 is an id like any other. */
export type MessageId = number | string

export interface PeerError {
  code: number
  message: string
  data?: unknown
}

/** An error as the other side sent it, or as we answer one. `code` is the JSON-RPC number. */
export class RpcFailure extends Error {
  override readonly name = "RpcFailure"
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.code = code
    this.data = data
  }
}

/** Numbers of JSON-RPC 2.0, and those of ACP (acp.md §2). */
export const RPC = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  authRequired: -32000,
  notFound: -32002,
  canceled: -32800,
  unsupportedVersion: -32022,
} as const

export interface PeerRequest {
  id: MessageId
  method: string
  /** Never checked: the handler parses it. `{}` when there was none. */
  params: Record<string, unknown>
  /** Aborts when the other side withdraws the request ($/cancel_request), or the connection ends. */
  signal: AbortSignal
}

export interface PeerOptions {
  /** Sends one message, without a newline. Text that cannot be sent any more is dropped. */
  send(text: string): void
  /** The result, `undefined` for null. Throws RpcFailure, or PincerError, which is translated. */
  onRequest(request: PeerRequest): Promise<unknown>
  onNotification(method: string, params: Record<string, unknown>): void
  /** Told every message in both directions, as it goes over the wire. */
  tap?(direction: "in" | "out", text: string): void
  /** Something came that is no message; the text says what. */
  onOddity?(text: string): void
  /** Requests of the other side that may be open at once. Default 1,000. */
  maxOpen?: number
}

export interface CallOptions {
  /** Aborting sends $/cancel_request and rejects with ABORTED. */
  signal?: AbortSignal
  /** Longest wait for the answer, ms, measured with `after`. Absent: for ever, or until the connection ends. */
  timeoutMs?: number
}

interface Waiting {
  method: string
  resolve(result: unknown): void
  reject(error: Error): void
}

export class RpcPeer {
  readonly #options: PeerOptions
  readonly #after: After
  readonly #waiting = new Map<MessageId, Waiting>()
  readonly #open = new Map<MessageId, AbortController>()
  #nextId = 0
  #ended: Error | undefined

  /** `after` runs a function later and returns how to cancel that. */
  constructor(options: PeerOptions, after: After) {
    this.#options = options
    this.#after = after
  }

  /** Requests of the other side that are not answered yet. */
  get open(): number {
    return this.#open.size
  }

  /** One message from the other side. Never throws. */
  receive(text: string): void {
    if (this.#ended) return
    this.#options.tap?.("in", text)
    let message: unknown
    try {
      message = parseJson(text)
    } catch {
      this.#odd("a message that is not JSON")
      this.#write({ id: null, error: { code: RPC.parse, message: "Parse error" } })
      return
    }
    if (!isObject(message)) {
      this.#odd(Array.isArray(message) ? "a batch" : "a message that is no object")
      this.#write({ id: null, error: { code: RPC.invalidRequest, message: "Invalid request: one object per message" } })
      return
    }
    this.#take(message)
  }

  /** A message was too long to be read. */
  refuseTooLong(bytes: number): void {
    this.#odd(`a message of ${bytes} bytes`)
    const message = `Invalid request: ${bytes} bytes are more than one message may have`
    this.#write({ id: null, error: { code: RPC.invalidRequest, message } })
  }

  /** Rejects with RpcFailure, or PincerError TIMEOUT, ABORTED or UNAVAILABLE. */
  request(method: string, params: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended)
    const { signal, timeoutMs } = options
    if (signal?.aborted) return Promise.reject(new PincerError("ABORTED", `${method} was given up`))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const giveUp = (error: PincerError) => {
        if (!this.#waiting.delete(id)) return
        settle()
        this.notify("$/cancel_request", { requestId: id })
        reject(error)
      }
      const stopTimer =
        timeoutMs === undefined
          ? undefined
          : this.#after(timeoutMs, () =>
              giveUp(new PincerError("TIMEOUT", `${method} was not answered within ${timeoutMs} ms`)),
            )
      const onAbort = () => giveUp(new PincerError("ABORTED", `${method} was given up`))
      const settle = () => {
        stopTimer?.()
        signal?.removeEventListener("abort", onAbort)
      }
      signal?.addEventListener("abort", onAbort, { once: true })
      this.#waiting.set(id, {
        method,
        resolve: (result) => {
          settle()
          resolve(result)
        },
        reject: (error) => {
          settle()
          reject(error)
        },
      })
      this.#write({ id, method, params })
    })
  }

  notify(method: string, params: unknown): void {
    this.#write({ method, params })
  }

  /** The connection is over: what waits is rejected with the reason, what runs for the other side is aborted. */
  end(reason: PincerError): void {
    if (this.#ended) return
    this.#ended = reason
    for (const waiting of this.#waiting.values()) waiting.reject(reason)
    this.#waiting.clear()
    for (const controller of this.#open.values()) controller.abort(reason)
    this.#open.clear()
  }

  #take(message: Record<string, unknown>): void {
    const { id, method } = message
    if (typeof method !== "string") {
      this.#answered(message)
      return
    }
    const params = isObject(message["params"]) ? message["params"] : {}
    if (id === undefined) {
      if (method === "$/cancel_request") this.#withdraw(params["requestId"])
      else this.#options.onNotification(method, params)
      return
    }
    if (typeof id !== "number" && typeof id !== "string") {
      this.#odd("a request whose id is neither a number nor a string")
      this.#write({ id: null, error: { code: RPC.invalidRequest, message: "Invalid request: id" } })
      return
    }
    void this.#serve({ id, method, params })
  }

  async #serve({ id, method, params }: Omit<PeerRequest, "signal">): Promise<void> {
    const refusal = this.#open.has(id)
      ? `Invalid request: id ${JSON.stringify(id)} is in use`
      : this.#open.size >= (this.#options.maxOpen ?? 1_000)
        ? "Too many requests are open: wait for answers"
        : undefined
    if (refusal !== undefined) {
      this.#odd(refusal)
      this.#write({ id, error: { code: RPC.invalidRequest, message: refusal } })
      return
    }
    const controller = new AbortController()
    this.#open.set(id, controller)
    try {
      const result = await this.#options.onRequest({ id, method, params, signal: controller.signal })
      this.#write({ id, result: result ?? null })
    } catch (error) {
      this.#write({ id, error: errorOf(error) })
    } finally {
      if (this.#open.get(id) === controller) this.#open.delete(id)
    }
  }

  #withdraw(id: unknown): void {
    if (typeof id !== "number" && typeof id !== "string") return
    this.#open.get(id)?.abort(new PincerError("ABORTED", "The request was withdrawn"))
  }

  #answered(message: Record<string, unknown>): void {
    const { id } = message
    if (typeof id !== "number" && typeof id !== "string") {
      this.#odd("an answer without an id")
      return
    }
    const waiting = this.#waiting.get(id)
    if (!waiting) {
      this.#odd(`an answer to nothing (id ${JSON.stringify(id)})`)
      return
    }
    this.#waiting.delete(id)
    if ("error" in message && message["error"] !== null && message["error"] !== undefined)
      waiting.reject(failureOf(message["error"]))
    else waiting.resolve(message["result"] ?? null)
  }

  #odd(text: string): void {
    this.#options.onOddity?.(text)
  }

  #write(body: Record<string, unknown>): void {
    if (this.#ended) return
    const text = JSON.stringify({ jsonrpc: "2.0", ...body })
    this.#options.tap?.("out", text)
    this.#options.send(text)
  }
}

/** What another side calls an error; the useful text is often in `data` (acp.md §2). */
function failureOf(value: unknown): RpcFailure {
  if (!isObject(value)) return new RpcFailure(RPC.internal, "The other side failed without saying why")
  const { code, message, data } = value
  return new RpcFailure(
    typeof code === "number" && Number.isInteger(code) ? code : RPC.internal,
    typeof message === "string" && message !== "" ? message : "The other side failed without saying why",
    data,
  )
}

/** A failure of the other side in one sentence: its message, and what it says in `data`. */
export function saidBy(failure: RpcFailure): string {
  const { data, message } = failure
  const more = typeof data === "string" ? data : isObject(data) ? firstText(data) : undefined
  return more === undefined || message.includes(more) ? message : `${message}: ${more}`
}

function firstText(data: Record<string, unknown>): string | undefined {
  for (const key of ["details", "startupFailureReason", "message", "reason", "error"]) {
    const value = data[key]
    if (typeof value === "string" && value !== "") return value
    if (isObject(value)) {
      const inner = firstText(value)
      if (inner !== undefined) return inner
    }
  }
  return undefined
}

/** A refusal of ours as ACP words it. */
export function errorOf(error: unknown): PeerError {
  if (error instanceof RpcFailure)
    return { code: error.code, message: error.message, ...(error.data === undefined ? {} : { data: error.data }) }
  const refusal = asPincerError(error)
  const { details, message } = refusal
  const data = details === undefined ? {} : { data: details }
  switch (refusal.code) {
    case "INVALID_PARAMS":
    case "TOO_LARGE":
      return { code: RPC.invalidParams, message, ...data }
    case "METHOD_NOT_FOUND":
      return { code: RPC.methodNotFound, message, ...data }
    case "NOT_FOUND":
      return { code: RPC.notFound, message, ...data }
    case "AUTH_REQUIRED":
    case "NOT_PAIRED":
      return { code: RPC.authRequired, message, ...data }
    case "ABORTED":
      return { code: RPC.canceled, message, ...data }
    default:
      return { code: RPC.internal, message, data: { code: refusal.code, ...details } }
  }
}

// HTTP to model services on node:http: one place for deadlines, size caps, and turning what went wrong into a ModelFailure.
// Keys travel in headers only and are never part of an error. Redirects are not followed: a key must not travel on.
import http from "node:http"
import https from "node:https"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { excerpt } from "../base/text.ts"
import type { FailureKind, ModelFailure } from "./provider.ts"
import type { ProviderSettings } from "./settings.ts"
import { type SseEvent, SseParser } from "./sse.ts"

const MAX_ERROR_BYTES = 8 * 1024
const MAX_JSON_BYTES = 64 * 1024 * 1024
const agents = {
  "http:": new http.Agent({ keepAlive: true, maxFreeSockets: 64 }),
  "https:": new https.Agent({ keepAlive: true, maxFreeSockets: 64 }),
}

/** A failure on its way to becoming the last event of a stream. */
export class FailureError extends Error {
  override readonly name = "FailureError"
  readonly failure: ModelFailure

  constructor(failure: Omit<ModelFailure, "received">) {
    super(failure.message)
    this.failure = { ...failure, received: [] }
  }
}

const RETRYABLE: readonly FailureKind[] = [
  "stalled",
  "network",
  "truncated",
  "format",
  "rate_limit",
  "overloaded",
  "server",
  "billing",
  "auth",
]

export function failureOf(kind: FailureKind, message: string, more: Partial<ModelFailure> = {}): FailureError {
  return new FailureError({ kind, message, retryable: RETRYABLE.includes(kind), ...more })
}

interface Sent {
  response: http.IncomingMessage
  /** Ends the exchange and frees the signal's listener; the socket is closed unless the answer was read to its end. */
  close(): void
}

/** Sends a request and waits for the head of the answer. Throws FailureError. */
export async function send(
  settings: ProviderSettings,
  method: "GET" | "POST",
  path: string,
  headers: Record<string, string>,
  body: string | undefined,
  signal: AbortSignal,
): Promise<Sent> {
  if (signal.aborted) throw failureOf("aborted", "The request was canceled")
  const url = new URL(settings.baseUrl + path)
  const secure = url.protocol === "https:"
  const options: http.RequestOptions = {
    method,
    agent: secure ? agents["https:"] : agents["http:"],
    headers: {
      accept: "text/event-stream, application/json",
      ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      ...headers,
      ...settings.headers,
    },
  }
  const request = (secure ? https : http).request(url, options)
  // Small requests must not wait for an acknowledgement of the one before.
  request.setNoDelay(true)
  const onAbort = () => request.destroy(failureOf("aborted", "The request was canceled"))
  signal.addEventListener("abort", onAbort, { once: true })
  const timer = setTimeout(
    () => request.destroy(failureOf("stalled", `no answer within ${settings.connectTimeoutMs} ms`)),
    settings.connectTimeoutMs,
  )
  try {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once("response", resolve)
      request.once("error", reject)
      request.end(body)
    })
    // Errors after the head reach the reader of the body.
    request.on("error", () => undefined)
    return {
      response,
      close() {
        signal.removeEventListener("abort", onAbort)
        if (!response.readableEnded) request.destroy()
      },
    }
  } catch (error) {
    signal.removeEventListener("abort", onAbort)
    throw asFailure(error, url)
  } finally {
    clearTimeout(timer)
  }
}

/** What a socket error means. The host is named, nothing else of the request. */
export function asFailure(error: unknown, url: URL): FailureError {
  if (error instanceof FailureError) return error
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  const known: Record<string, string> = {
    ECONNREFUSED: `nothing listens at ${url.host}`,
    ENOTFOUND: `the host ${url.hostname} is not known`,
    EAI_AGAIN: `the name ${url.hostname} could not be looked up`,
    ECONNRESET: `${url.host} closed the connection`,
    ETIMEDOUT: `${url.host} did not answer`,
  }
  const message = known[code] ?? `the connection to ${url.host} failed${code === "" ? "" : ` (${code})`}`
  return failureOf("network", message)
}

/**
 * Posts JSON and reads the answer as server-sent events, a batch per network chunk. The stream ends normally only when the peer
 * ended it normally. Throws FailureError: status, wrong content type, silence for stallMs, a cut socket, an aborted signal.
 */
export async function* postStream(
  settings: ProviderSettings,
  path: string,
  body: unknown,
  headers: Record<string, string>,
  signal: AbortSignal,
): AsyncGenerator<SseEvent[]> {
  const sent = await send(settings, "POST", path, headers, JSON.stringify(body), signal)
  const { response } = sent
  const host = new URL(settings.baseUrl).host
  try {
    if ((response.statusCode ?? 0) !== 200) throw await statusFailure(response)
    const type = response.headers["content-type"] ?? ""
    if (!/^text\/event-stream\b/i.test(type)) {
      const seen = excerpt(await readText(response, MAX_ERROR_BYTES), 200)
      throw failureOf(
        "format",
        `${host} answered ${type || "without a content type"} instead of an event stream: ${seen}`,
        { status: 200 },
      )
    }
    yield* readEvents(response, settings.stallMs, host, signal)
  } catch (error) {
    if (signal.aborted) throw failureOf("aborted", "The request was canceled")
    if (error instanceof RangeError) throw failureOf("format", error.message)
    if (error instanceof FailureError) throw error
    throw failureOf("truncated", `${host} broke off in the middle of its answer`)
  } finally {
    sent.close()
  }
}

async function* readEvents(
  response: http.IncomingMessage,
  stallMs: number,
  host: string,
  signal: AbortSignal,
): AsyncGenerator<SseEvent[]> {
  const parser = new SseParser()
  // One timer for the whole stream: silence is measured by looking at the time of the last chunk.
  let lastAt = performance.now()
  const check = setInterval(
    () => {
      if (performance.now() - lastAt >= stallMs)
        response.destroy(failureOf("stalled", `${host} was silent for ${stallMs} ms`))
    },
    Math.max(5, Math.min(stallMs / 4, 1_000)),
  )
  const onAbort = () => response.destroy(failureOf("aborted", "The request was canceled"))
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    for await (const chunk of response) {
      lastAt = performance.now()
      const events = parser.push(chunk as Buffer)
      if (events.length > 0) yield events
      lastAt = performance.now()
    }
  } finally {
    clearInterval(check)
    signal.removeEventListener("abort", onAbort)
  }
}

/** One data line as an object. Throws FailureError for anything else. */
export function parseEvent(data: string): Record<string, unknown> {
  try {
    const event: unknown = JSON.parse(data)
    if (isObject(event)) return event
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw failureOf("format", "the stream holds something that is not JSON")
}

/** The body as text, at most `max` bytes. */
export async function readText(response: http.IncomingMessage, max: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    chunks.push(chunk as Buffer)
    size += (chunk as Buffer).length
    if (size > max) break
  }
  return Buffer.concat(chunks).subarray(0, max).toString("utf8")
}

/** A JSON exchange without streaming. Throws FailureError. */
export async function requestJson(
  settings: ProviderSettings,
  method: "GET" | "POST",
  path: string,
  headers: Record<string, string>,
  body: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  const sent = await send(
    settings,
    method,
    path,
    headers,
    body === undefined ? undefined : JSON.stringify(body),
    signal,
  )
  const timer = setTimeout(
    () => sent.response.destroy(failureOf("stalled", "the answer did not come to its end")),
    settings.connectTimeoutMs,
  )
  try {
    if (sent.response.statusCode !== 200) throw await statusFailure(sent.response)
    const text = await readText(sent.response, MAX_JSON_BYTES)
    return JSON.parse(text)
  } catch (error) {
    if (signal.aborted) throw failureOf("aborted", "The request was canceled")
    if (error instanceof FailureError) throw error
    throw failureOf("format", `${new URL(settings.baseUrl).host} did not answer with JSON`)
  } finally {
    clearTimeout(timer)
    sent.close()
  }
}

/** What a status other than 200 means, with what the service said about it. */
export async function statusFailure(response: http.IncomingMessage): Promise<FailureError> {
  const status = response.statusCode ?? 0
  const text = await readText(response, MAX_ERROR_BYTES).catch(() => "")
  return describeStatus(status, text, response.headers)
}

export function describeStatus(status: number, text: string, headers: http.IncomingHttpHeaders): FailureError {
  const said = errorText(text)
  const kind = kindOf(status, said)
  const retryAfterMs = retryAfter(headers)
  const words = said.message === "" ? "" : `: ${said.message}`
  return failureOf(kind, `the service answered ${status}${words}`, {
    status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

interface Said {
  message: string
  code: string
}

/** The message and code of the usual error bodies; of HTML only that it was HTML. */
export function errorText(text: string): Said {
  try {
    const body: unknown = JSON.parse(text)
    const first: unknown = Array.isArray(body) ? body[0] : body
    const error = isObject(first) ? (first["error"] ?? first) : undefined
    if (typeof error === "string") return { message: excerpt(error, 300), code: "" }
    if (isObject(error)) {
      const message = typeof error["message"] === "string" ? error["message"] : ""
      const code = [error["code"], error["type"], error["status"]].filter((one) => typeof one === "string").join(" ")
      return { message: excerpt(message, 300), code }
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  if (/^\s*<(!doctype|html)/i.test(text)) return { message: "an HTML page", code: "" }
  return { message: excerpt(text, 200), code: "" }
}

export function kindOf(status: number, said: Said): FailureKind {
  const words = `${said.code} ${said.message}`.toLowerCase()
  if (
    /insufficient_quota|billing|credit balance|payment required|exceeded your current quota/.test(words) ||
    status === 402
  )
    return "billing"
  if (status === 401 || status === 403) return "auth"
  if (status === 429) return "rate_limit"
  if (status === 529 || status === 503 || /overloaded/.test(words)) return "overloaded"
  if (/context.?length|context window|maximum context|prompt is too long|too many tokens|input token count/.test(words))
    return "context_length"
  if (status === 413) return "context_length"
  if (status === 404) return "not_found"
  if (status >= 500) return "server"
  if (status >= 300 && status < 400) return "format"
  return "invalid_request"
}

/** Retry-After in seconds or as a date, retry-after-ms, and the rate-limit reset headers; ms from now, at most an hour. */
export function retryAfter(headers: http.IncomingHttpHeaders): number | undefined {
  const one = (name: string) => {
    const value = headers[name]
    return Array.isArray(value) ? value[0] : value
  }
  const ms = Number(one("retry-after-ms"))
  if (Number.isFinite(ms) && ms > 0) return Math.min(ms, 3_600_000)
  const after = one("retry-after") ?? one("x-ratelimit-reset-after")
  if (after === undefined) return undefined
  const seconds = Number(after)
  if (Number.isFinite(seconds)) return Math.min(Math.max(0, seconds * 1000), 3_600_000)
  const date = Date.parse(after)
  const now = Date.parse(one("date") ?? "")
  if (Number.isNaN(date) || Number.isNaN(now)) return undefined
  return Math.min(Math.max(0, date - now), 3_600_000)
}

/** For calls that are not streams: the failure as a refusal. */
export function asRefusal(error: unknown, provider: string): unknown {
  if (!(error instanceof FailureError)) return error
  const { kind, message, retryAfterMs } = error.failure
  const code =
    kind === "aborted"
      ? "ABORTED"
      : kind === "rate_limit"
        ? "RATE_LIMITED"
        : kind === "stalled"
          ? "TIMEOUT"
          : "UNAVAILABLE"
  return new PincerError(code, `${provider}: ${message}`, {
    details: { kind },
    cause: error,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

// HTTP to model services on node:http: every wait has a deadline, every body a limit, an aborted signal closes the socket at once.
// Keys travel in headers only. Redirects are not followed: a key must not travel on.
import http from "node:http"
import https from "node:https"
import { isObject } from "../base/json.ts"
import { excerpt } from "../base/text.ts"
import { asFailure, describeStatus, FailureError, failureOf } from "./failure.ts"
import type { ProviderSettings } from "./settings.ts"
import { type SseEvent, SseParser } from "./sse.ts"

const MAX_ERROR_BYTES = 8 * 1024
const MAX_JSON_BYTES = 64 * 1024 * 1024
/** What a service says about an error must not be waited for longer than this. */
const ERROR_BODY_MS = 5_000
/** How long a connection may take to come free after the answer is complete. */
const DRAIN_MS = 1_000
const SHORTEST_KEY = 8
const agents = {
  "http:": new http.Agent({ keepAlive: true, maxFreeSockets: 64 }),
  "https:": new https.Agent({ keepAlive: true, maxFreeSockets: 64 }),
}

interface Ask {
  method: "GET" | "POST"
  /** Added to the base URL. */
  path: string
  headers: Record<string, string>
  body?: string
  /** The head of the answer must come within this, ms; default the service's connectTimeoutMs. */
  headMs?: number
}

interface Sent {
  response: http.IncomingMessage
  /**
   * Ends the exchange and frees the signal's listener, which until then breaks off the body as well; the socket is closed unless
   * the answer was read to its end.
   */
  close(): void
}

/** Sends a request and waits for the head of the answer. Throws FailureError. */
export async function send(settings: ProviderSettings, ask: Ask, signal: AbortSignal): Promise<Sent> {
  if (signal.aborted) throw failureOf("aborted", "The request was canceled")
  const url = URL.parse(settings.baseUrl + ask.path)
  if (!url || !(url.protocol === "http:" || url.protocol === "https:"))
    throw failureOf("network", `the baseUrl of provider "${settings.id}" is not an http address`)
  for (;;) {
    const request = prepare(settings, ask, url)
    try {
      return await headOf(request, ask.body, ask.headMs ?? settings.connectTimeoutMs, signal)
    } catch (error) {
      // A kept connection may have been closed at the other end meanwhile. That says nothing about the service, so it is asked
      // anew; it ends when no kept connection is left.
      if (request.reusedSocket && isLost(error) && !signal.aborted) continue
      throw asFailure(error, url)
    }
  }
}

function isLost(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE")
}

function prepare(settings: ProviderSettings, { method, headers, body }: Ask, url: URL): http.ClientRequest {
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
  try {
    return (secure ? https : http).request(url, options)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    // Node names the header, never its value.
    throw failureOf("auth", `the key or a header of provider "${settings.id}" cannot be sent: ${error.message}`)
  }
}

async function headOf(
  request: http.ClientRequest,
  body: string | undefined,
  headMs: number,
  signal: AbortSignal,
): Promise<Sent> {
  // Small requests must not wait for an acknowledgement of the one before.
  request.setNoDelay(true)
  const onAbort = () => request.destroy(failureOf("aborted", "The request was canceled"))
  signal.addEventListener("abort", onAbort, { once: true })
  const timer = setTimeout(
    () => request.destroy(failureOf("stalled", `${request.host} gave no answer within ${headMs} ms`)),
    headMs,
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
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Posts JSON and reads the answer as server-sent events, a batch per network chunk. The stream ends normally only when the peer
 * ended it normally, or when `isOver` says after a batch that the answer is complete: some services keep the connection open.
 * Throws FailureError: status, wrong content type, silence for stallMs, a cut socket, an aborted signal.
 */
export async function* postStream(
  settings: ProviderSettings,
  path: string,
  body: unknown,
  headers: Record<string, string>,
  signal: AbortSignal,
  isOver?: () => boolean,
): AsyncGenerator<SseEvent[]> {
  const sent = await send(settings, { method: "POST", path, headers, body: JSON.stringify(body) }, signal)
  const { host } = new URL(settings.baseUrl)
  let complete = false
  try {
    await checkHead(sent.response, { ...headers, ...settings.headers }, host, settings.stallMs)
    for await (const events of readEvents(sent.response, settings.stallMs, host)) {
      yield events
      complete = isOver?.() ?? false
      if (complete) break
    }
  } catch (error) {
    if (signal.aborted) throw failureOf("aborted", "The request was canceled")
    if (error instanceof RangeError) throw failureOf("format", `${host} broke the stream: ${error.message}`)
    throw asCut(error, host)
  } finally {
    if (complete) drain(sent)
    else sent.close()
  }
}

/** What broke the reading of a body. Anything that is not the connection's doing goes on as it is. */
function asCut(error: unknown, host: string): unknown {
  if (error instanceof FailureError || !(error instanceof Error && "code" in error)) return error
  return failureOf("truncated", `${host} broke off in the middle of its answer`)
}

async function checkHead(
  response: http.IncomingMessage,
  asked: Record<string, string>,
  host: string,
  stallMs: number,
): Promise<void> {
  const { statusCode = 0, headers } = response
  const type = headers["content-type"] ?? ""
  if (statusCode === 200 && /^text\/event-stream\b/i.test(type)) return
  const text = withoutKeys(await readText(response, MAX_ERROR_BYTES, Math.min(stallMs, ERROR_BODY_MS)), asked)
  if (statusCode !== 200) throw describeStatus(statusCode, text, headers)
  const what = type || "something without a content type"
  const seen = text === "" ? "" : `: ${excerpt(text, 200)}`
  throw failureOf("format", `${host} answered ${what} instead of an event stream${seen}`, { status: 200 })
}

/** Some services repeat the key that they refuse. Every header that we sent counts as one. */
function withoutKeys(text: string, headers: Record<string, string>): string {
  for (const value of Object.values(headers)) {
    const key = value.replace(/^\w+ /, "")
    if (key.length >= SHORTEST_KEY) text = text.replaceAll(key, "[key]")
  }
  return text
}

/** Reads what is left of a complete answer, so that its connection can be used again; a peer that holds on is cut off. */
function drain(sent: Sent): void {
  const { response } = sent
  const timer = setTimeout(sent.close, DRAIN_MS)
  timer.unref()
  response.on("error", () => undefined)
  response.once("close", () => {
    clearTimeout(timer)
    sent.close()
  })
  response.resume()
}

async function* readEvents(response: http.IncomingMessage, stallMs: number, host: string): AsyncGenerator<SseEvent[]> {
  const parser = new SseParser()
  // One timer for the whole stream: silence is measured by looking at the time of the last chunk. While the reader is busy with
  // one, the silence is ours, not the peer's.
  let waitingSince: number | undefined = performance.now()
  const check = setInterval(
    () => {
      if (waitingSince !== undefined && performance.now() - waitingSince >= stallMs)
        response.destroy(failureOf("stalled", `${host} was silent for ${stallMs} ms`))
    },
    Math.max(5, Math.min(stallMs / 4, 1_000)),
  )
  try {
    for await (const chunk of response.iterator({ destroyOnReturn: false })) {
      const events = parser.push(chunk as Buffer)
      if (events.length > 0) {
        waitingSince = undefined
        yield events
      }
      waitingSince = performance.now()
    }
    const last = parser.end()
    if (last.length > 0) yield last
  } finally {
    clearInterval(check)
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

/** The beginning of a body, at most `max` bytes: what has come when it ends, breaks off or `withinMs` are over. */
function readText(response: http.IncomingMessage, max: number, withinMs: number): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = setTimeout(done, response.destroyed ? 0 : withinMs)
    function done() {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks).subarray(0, max).toString("utf8"))
    }
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size >= max) done()
    })
    for (const end of ["end", "error", "close"]) response.on(end, done)
  })
}

/** A JSON exchange without streaming; the body, too, must come within connectTimeoutMs. Throws FailureError. */
export async function requestJson(
  settings: ProviderSettings,
  method: "GET" | "POST",
  path: string,
  headers: Record<string, string>,
  body: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  const ask = { method, path, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const sent = await send(settings, ask, signal)
  const { host } = new URL(settings.baseUrl)
  const { response } = sent
  const timer = setTimeout(
    () => response.destroy(failureOf("stalled", `the answer of ${host} did not come to its end`)),
    settings.connectTimeoutMs,
  )
  try {
    const { statusCode = 0 } = response
    if (statusCode !== 200) {
      const text = await readText(response, MAX_ERROR_BYTES, ERROR_BODY_MS)
      throw describeStatus(statusCode, withoutKeys(text, { ...headers, ...settings.headers }), response.headers)
    }
    return JSON.parse(await readWhole(response, host))
  } catch (error) {
    if (signal.aborted) throw failureOf("aborted", "The request was canceled")
    if (error instanceof SyntaxError) throw failureOf("format", `${host} did not answer with JSON`)
    throw asCut(error, host)
  } finally {
    clearTimeout(timer)
    sent.close()
  }
}

async function readWhole(response: http.IncomingMessage, host: string): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    chunks.push(chunk as Buffer)
    size += (chunk as Buffer).length
    if (size > MAX_JSON_BYTES) throw failureOf("format", `${host} answered with more than ${MAX_JSON_BYTES} bytes`)
  }
  return Buffer.concat(chunks).toString("utf8")
}

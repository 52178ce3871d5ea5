// What went wrong at a model service, as data: from HTTP statuses, error bodies, error events in a stream and socket errors to one
// ModelFailure. Nothing of the request is repeated in it, so that no key can get out.
import type { IncomingHttpHeaders } from "node:http"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { excerpt } from "../base/text.ts"
import type { FailureKind, ModelFailure } from "./provider.ts"

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

/** What a status other than 200 means, with what the service said about it. */
export function describeStatus(status: number, text: string, headers: IncomingHttpHeaders): FailureError {
  const said = errorText(text)
  const kind = kindOf(status, said)
  const waits = kind === "rate_limit" || kind === "overloaded" || kind === "server"
  const retryAfterMs = retryAfter(headers, text, kind === "rate_limit")
  return failureOf(kind, `the service answered ${status}${words(status, said, headers)}`, {
    status,
    ...(retryAfterMs === undefined || !waits ? {} : { retryAfterMs }),
  })
}

function words(status: number, said: Said, headers: IncomingHttpHeaders): string {
  if (status < 300 || status >= 400) return said.message === "" ? "" : `: ${said.message}`
  const to = URL.parse(headers.location ?? "")
  return ` and points${to ? ` to ${to.origin}` : " elsewhere"}; redirects are not followed: set baseUrl to where the service is`
}

/** An error object in the middle of a stream. It has no HTTP status; some services put one into `code`. */
export function streamFailure(data: string): FailureError {
  const said = errorText(data)
  const status = said.status ?? statusOf(said.code)
  return failureOf(kindOf(status, said), `the service reported an error: ${said.message || said.code || "no details"}`)
}

/** The status that a service would have given for its error code, had it known in time. */
function statusOf(code: string): number {
  const known: [RegExp, number][] = [
    [/invalid_api_key|authentication|permission/i, 401],
    [/rate.?limit|too_many_requests|resource_exhausted/i, 429],
    [/overloaded|unavailable/i, 503],
    [/not_found/i, 404],
    [/invalid_(request|argument|prompt)|content_filter|content_policy/i, 400],
  ]
  return known.find(([pattern]) => pattern.test(code))?.[1] ?? 500
}

interface Said {
  message: string
  /** All codes that the body gives, joined. */
  code: string
  /** The HTTP status, when the body repeats it. */
  status?: number
}

/** The message and code of the usual error bodies; of HTML only that it was HTML. */
export function errorText(text: string): Said {
  try {
    const body: unknown = JSON.parse(text)
    const first: unknown = Array.isArray(body) ? body[0] : body
    const error = isObject(first) ? (first["error"] ?? first["detail"] ?? first) : undefined
    if (typeof error === "string") return { message: excerpt(error, 300), code: "" }
    if (isObject(error)) return errorObject(error)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  if (/^\s*<(!doctype|html)/i.test(text)) return { message: "an HTML page", code: "" }
  return { message: excerpt(text, 200), code: "" }
}

function errorObject(error: Record<string, unknown>): Said {
  const message = typeof error["message"] === "string" ? error["message"] : ""
  const code = [error["code"], error["type"], error["status"]].filter((one) => typeof one === "string").join(" ")
  const status = Number(error["code"])
  return {
    message: excerpt(message, 300),
    code,
    ...(Number.isInteger(status) && status >= 400 && status < 600 ? { status } : {}),
  }
}

const NO_MONEY = /insufficient_quota|insufficient balance|billing|credit balance|payment required|current quota/
const NO_KEY = /api key (not valid|not found|expired)|api_key_invalid/
const TOO_LONG =
  /context.?length|context.?window|context size|maximum context|prompt is too long|input is too long|too many tokens|input token count|reduce the length/

export function kindOf(status: number, said: Said): FailureKind {
  const text = `${said.code} ${said.message}`.toLowerCase()
  // Google says "check your plan and billing details" of its limits per minute, too.
  if (status === 402 || (NO_MONEY.test(text) && !text.includes("resource_exhausted"))) return "billing"
  // Google answers 400 to a key that it does not know.
  if (status === 401 || status === 403 || NO_KEY.test(text)) return "auth"
  if (status === 429) return "rate_limit"
  if (status === 529 || status === 503 || text.includes("overloaded")) return "overloaded"
  if (status === 413 || TOO_LONG.test(text)) return "context_length"
  if (status === 404 || /model_not_found/.test(text)) return "not_found"
  if (status >= 500 || status === 408) return "server"
  if (status >= 300 && status < 400) return "format"
  return /content_filter|content_policy/.test(said.code) ? "refusal" : "invalid_request"
}

const LONGEST_WAIT_MS = 3_600_000

/**
 * When to come back, ms from now, at most an hour: retry-after-ms, Retry-After in seconds or as a date, the delay in a Google error
 * body; when a limit was hit also the reset of the limit that is used up (x-ratelimit-*, OpenAI and those who copied it).
 */
export function retryAfter(headers: IncomingHttpHeaders, body = "", limited = false): number | undefined {
  const ms = seconds(one(headers, "retry-after-ms"))
  if (ms !== undefined && ms > 0) return Math.min(ms, LONGEST_WAIT_MS)
  const after = one(headers, "retry-after") ?? one(headers, "x-ratelimit-reset-after")
  const said = seconds(after) ?? until(after, headers)
  if (said !== undefined) return wait(said)
  const delay = /"retryDelay":\s*"([\d.]+)s"/.exec(body)
  if (delay) return wait(Number(delay[1]))
  return limited ? wait(resetOf(headers)) : undefined
}

function wait(forSeconds: number | undefined): number | undefined {
  return forSeconds === undefined ? undefined : Math.min(Math.max(0, Math.round(forSeconds * 1000)), LONGEST_WAIT_MS)
}

function one(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

function seconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : undefined
}

/** Seconds from the answer's own date, so that a clock that is wrong here does not matter. */
function until(value: string | undefined, headers: IncomingHttpHeaders): number | undefined {
  const at = Date.parse(value ?? "")
  const now = Date.parse(one(headers, "date") ?? "")
  return Number.isNaN(at) || Number.isNaN(now) ? undefined : (at - now) / 1000
}

/** The longest reset among the limits of which nothing is left; seconds. */
function resetOf(headers: IncomingHttpHeaders): number | undefined {
  const resets = ["requests", "tokens"].flatMap((what) => {
    const left = one(headers, `x-ratelimit-remaining-${what}`)
    const reset = duration(one(headers, `x-ratelimit-reset-${what}`))
    return reset === undefined || (left !== undefined && Number(left) > 0) ? [] : [reset]
  })
  return resets.length === 0 ? undefined : Math.max(...resets)
}

/** "1s", "6m0s", "20ms", "1h2m" in seconds. */
function duration(value: string | undefined): number | undefined {
  const units: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 0.001 }
  if (value === undefined || !/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(value)) return undefined
  let total = 0
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) total += Number(amount) * units[unit!]!
  return total
}

/** For calls that are not streams: the failure as a refusal. */
export function asRefusal(error: unknown, provider: string): unknown {
  if (!(error instanceof FailureError)) return error
  const { kind, message, retryAfterMs } = error.failure
  const codes = { aborted: "ABORTED", rate_limit: "RATE_LIMITED", stalled: "TIMEOUT" } as const
  const code = kind === "aborted" || kind === "rate_limit" || kind === "stalled" ? codes[kind] : "UNAVAILABLE"
  return new PincerError(code, `${provider}: ${message}`, {
    details: { kind },
    cause: error,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

// Refusals in the words of the OpenAI API: `{"error":{"message","type","param","code"}}` with the status of the one error table.
// What is not an expected refusal is logged and answered without its message.
import type { ServerResponse } from "node:http"
import { ERROR_TABLE, type ErrorCode, PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { Logger } from "../../base/log.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"

/** `code` of the error object, where OpenAI has a word for ours that clients look for. */
const WORDS: Partial<Record<ErrorCode, string>> = {
  AUTH_REQUIRED: "invalid_api_key",
  NOT_PAIRED: "invalid_api_key",
  RATE_LIMITED: "rate_limit_exceeded",
}
/** The same, for what a model service said. */
const KINDS: Readonly<Record<string, string>> = {
  rate_limit: "rate_limit_exceeded",
  billing: "insufficient_quota",
  context_length: "context_length_exceeded",
  not_found: "model_not_found",
}

export interface HttpRefusal {
  status: number
  headers: Record<string, string>
  body: { error: { message: string; type: string; param: string | null; code: string } }
}

/** A refusal that only HTTP knows: 405, 408, 415. `headers` go with the answer. */
export function httpRefusal(status: number, message: string, headers: Record<string, string> = {}): PincerError {
  return new PincerError("INVALID_PARAMS", message, { details: { http: status, headers } })
}

/** A 404 for a model name, as every OpenAI client knows it. */
export function unknownModel(name: string, cause?: unknown): PincerError {
  return new PincerError("NOT_FOUND", `Unknown model "${name}": GET /v1/models lists what there is`, {
    details: { code: "model_not_found", param: "model" },
    cause,
  })
}

/** A 400 that names the field. */
export function badField(param: string, problem: string): PincerError {
  return new PincerError("INVALID_PARAMS", `${param}: ${problem}`, { details: { param } })
}

/** Any thrown thing as what is sent. */
export function encodeRefusal(error: unknown, log: Logger): HttpRefusal {
  if (!(error instanceof PincerError)) {
    log.error({ err: error }, "A request failed unexpectedly")
    return encodeRefusal(new PincerError("INTERNAL_ERROR", "The gateway failed: its log says more"), log)
  }
  const { details = {}, retryAfterMs } = error
  const status = typeof details["http"] === "number" ? details["http"] : ERROR_TABLE[error.code].http
  const headers: Record<string, string> = {}
  if (isObject(details["headers"]))
    for (const [name, value] of Object.entries(details["headers"])) headers[name] = String(value)
  if (retryAfterMs !== undefined) headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)))
  if (status === 401) headers["www-authenticate"] = 'Bearer realm="pincer"'
  // A turn that has touched the world must not be sent again by a client's own retry loop; official clients honour this header.
  if (details["toolsRan"] === true) headers["x-should-retry"] = "false"
  const { message } = error
  return {
    status,
    headers,
    body: { error: { message, type: typeOf(error), param: paramOf(error), code: wordOf(error) } },
  }
}

function typeOf(error: PincerError): string {
  return error.details?.["kind"] === "billing" ? "insufficient_quota" : ERROR_TABLE[error.code].openai
}

function wordOf(error: PincerError): string {
  const { code, kind } = error.details ?? {}
  if (typeof kind === "string" && KINDS[kind] !== undefined) return KINDS[kind]
  if (typeof code === "string") return code
  return WORDS[error.code] ?? error.code.toLowerCase()
}

function paramOf(error: PincerError): string | null {
  const { param, issues } = error.details ?? {}
  if (typeof param === "string") return param
  const first: unknown = Array.isArray(issues) ? issues[0] : undefined
  return isObject(first) && typeof first["path"] === "string" && first["path"] !== "" ? first["path"] : null
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERROR_TABLE, code)
}

/** The refusal that an outcome becomes, or undefined when the turn gave an answer (a limit that cut one short is an answer). */
export function outcomeRefusal(outcome: TurnOutcome, toolsRan: boolean): PincerError | undefined {
  if (outcome.status === "completed") return undefined
  if (outcome.stop === "time_limit" && outcome.text !== "") return undefined
  if (outcome.status === "canceled")
    return new PincerError("ABORTED", "The turn was canceled before it was finished", { details: { toolsRan } })
  const { error } = outcome
  const fallback = outcome.status === "timeout" ? "TIMEOUT" : "INTERNAL_ERROR"
  const code = isErrorCode(error?.code) ? error.code : fallback
  return new PincerError(code, error?.message ?? "The turn failed", {
    details: { toolsRan, ...(error?.kind === undefined ? {} : { kind: error.kind }) },
    retryAfterMs: error?.retryAfterMs,
  })
}

/** Answers with JSON and an exact length. Nothing when the head is out or the peer is gone. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent || response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  })
  response.end(response.req.method === "HEAD" ? undefined : text)
}

export function sendRefusal(response: ServerResponse, error: unknown, log: Logger): void {
  const { status, headers, body } = encodeRefusal(error, log)
  sendJson(response, status, body, headers)
}

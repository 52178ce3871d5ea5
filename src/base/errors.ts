// The closed list of refusals, and what each is called on every wire. Values: R-8 of the feature inventory, protocol §9.8.
// An expected refusal is a PincerError; our own mistakes stay TypeError/RangeError and are never caught for flow.

/** What kind of refusal this is. Closed: every wire has a word for each (see ERROR_TABLE). */
export type ErrorCode =
  | "INVALID_PARAMS"
  | "METHOD_NOT_FOUND"
  | "AUTH_REQUIRED"
  | "NOT_PAIRED"
  | "PERMISSION_DENIED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "CONFLICT"
  | "RATE_LIMITED"
  | "TOO_LARGE"
  | "ABORTED"
  | "TIMEOUT"
  | "NOT_IMPLEMENTED"
  | "UNAVAILABLE"
  | "INTERNAL_ERROR"

export interface ErrorRow {
  /** HTTP status. */
  http: number
  /** JSON-RPC 2.0 error number. */
  rpc: number
  /** Control-plane word for protocol 3, protocol 4 and the simple (py) dialect. */
  claw3: string
  claw4: string
  py: string
  /** Process exit code of the CLI. */
  exit: number
  /** `type` of an OpenAI error object. */
  openai: string
}

export const ERROR_TABLE: Readonly<Record<ErrorCode, ErrorRow>> = {
  INVALID_PARAMS: row(400, -32602, "INVALID_REQUEST", "INVALID_REQUEST", "INVALID_PARAMS", 2, "invalid_request_error"),
  METHOD_NOT_FOUND: row(
    404,
    -32601,
    "INVALID_REQUEST",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    2,
    "invalid_request_error",
  ),
  AUTH_REQUIRED: row(401, -32001, "INVALID_REQUEST", "INVALID_REQUEST", "AUTH_REQUIRED", 1, "authentication_error"),
  NOT_PAIRED: row(401, -32001, "NOT_PAIRED", "NOT_PAIRED", "AUTH_REQUIRED", 1, "authentication_error"),
  PERMISSION_DENIED: row(403, -32003, "INVALID_REQUEST", "FORBIDDEN", "AUTH_REQUIRED", 5, "permission_error"),
  NOT_FOUND: row(404, -32004, "INVALID_REQUEST", "INVALID_REQUEST", "NOT_FOUND", 4, "invalid_request_error"),
  ALREADY_EXISTS: row(409, -32009, "INVALID_REQUEST", "INVALID_REQUEST", "ALREADY_EXISTS", 1, "invalid_request_error"),
  CONFLICT: row(409, -32009, "INVALID_REQUEST", "INVALID_REQUEST", "ALREADY_EXISTS", 1, "invalid_request_error"),
  RATE_LIMITED: row(429, -32029, "UNAVAILABLE", "UNAVAILABLE", "RATE_LIMITED", 1, "rate_limit_error"),
  TOO_LARGE: row(413, -32602, "INVALID_REQUEST", "INVALID_REQUEST", "INVALID_PARAMS", 2, "invalid_request_error"),
  ABORTED: row(499, -32800, "UNAVAILABLE", "UNAVAILABLE", "ABORTED", 130, "api_error"),
  TIMEOUT: row(504, -32008, "AGENT_TIMEOUT", "AGENT_TIMEOUT", "ABORTED", 3, "api_error"),
  NOT_IMPLEMENTED: row(501, -32010, "INVALID_REQUEST", "INVALID_REQUEST", "NOT_IMPLEMENTED", 1, "api_error"),
  UNAVAILABLE: row(503, -32011, "UNAVAILABLE", "UNAVAILABLE", "INTERNAL_ERROR", 1, "api_error"),
  INTERNAL_ERROR: row(500, -32603, "UNAVAILABLE", "UNAVAILABLE", "INTERNAL_ERROR", 1, "api_error"),
}

function row(
  http: number,
  rpc: number,
  claw3: string,
  claw4: string,
  py: string,
  exit: number,
  openai: string,
): ErrorRow {
  return { http, rpc, claw3, claw4, py, exit, openai }
}

export interface ErrorOptions {
  /** Machine-readable extras; never secrets. A `code` inside is a finer sub-code such as "MISSING_SCOPE". */
  details?: Record<string, unknown>
  retryable?: boolean
  retryAfterMs?: number
  cause?: unknown
}

/** An expected refusal. The message is one sentence that names the value and says what to do next. */
export class PincerError extends Error {
  override readonly name = "PincerError"
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
    this.retryable = options.retryable ?? (code === "RATE_LIMITED" || code === "UNAVAILABLE")
    this.retryAfterMs = options.retryAfterMs
  }
}

/** Anything thrown, as a PincerError: ours unchanged, the rest as INTERNAL_ERROR with the original as its cause. */
export function asPincerError(error: unknown): PincerError {
  if (error instanceof PincerError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new PincerError("INTERNAL_ERROR", message, { cause: error, retryable: false })
}

/** For the last branch of a switch over a closed union: the compiler proves it is never reached. */
export function unreachable(value: never): never {
  throw new TypeError(`Unexpected value: ${JSON.stringify(value)}`)
}

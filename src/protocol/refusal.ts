// Refusals as a client sees them: error shapes and close codes back into PincerErrors with a sentence and a next step.
import { ERROR_TABLE, type ErrorCode, PincerError } from "../base/errors.ts"
import type { ErrorShape } from "./frame.ts"

/** Words that are not our own codes, in all dialects (protocol §9.8). INVALID_REQUEST is refined by details.code. */
const WORDS: ReadonlyMap<string, ErrorCode> = new Map([
  ["INVALID_REQUEST", "INVALID_PARAMS"],
  ["FORBIDDEN", "PERMISSION_DENIED"],
  ["NOT_LINKED", "UNAVAILABLE"],
  ["AGENT_TIMEOUT", "TIMEOUT"],
  ["APPROVAL_NOT_FOUND", "NOT_FOUND"],
])

/** Finer words in details.code whose own word says too little. */
const FINER: readonly [RegExp, ErrorCode][] = [
  [/^(MISSING_SCOPE|AUTH_SCOPE_MISMATCH|ROLE_NOT_ALLOWED)$/, "PERMISSION_DENIED"],
  [/^(AUTH|DEVICE_AUTH|DEVICE_IDENTITY|CONTROL_UI)_/, "AUTH_REQUIRED"],
  [/^(UNKNOWN_[A-Z_]+|APPROVAL_NOT_FOUND)$/, "NOT_FOUND"],
]

function finerCode(word: unknown): ErrorCode | undefined {
  if (typeof word !== "string" || isErrorCode(word)) return undefined
  return FINER.find(([pattern]) => pattern.test(word))?.[1]
}

function isErrorCode(word: unknown): word is ErrorCode {
  return typeof word === "string" && Object.hasOwn(ERROR_TABLE, word)
}

/** What a response with ok:false says. The more precise of `details.code` and `code` decides. */
export function refusalOf(shape: ErrorShape): PincerError {
  const { details } = shape
  const finer = details?.["code"]
  const pairing = shape.code === "NOT_PAIRED" ? shape.code : undefined
  const code =
    [pairing, finer, finerCode(finer), shape.code, WORDS.get(shape.code)].find(isErrorCode) ?? "INTERNAL_ERROR"
  return new PincerError(code, shape.message, {
    details: details === undefined ? { word: shape.code } : { ...details, word: shape.code },
    retryable: shape.retryable,
    retryAfterMs: shape.retryAfterMs,
  })
}

/** Why a connection ended, in words (protocol §1.6). */
export function closeRefusal(code: number, reason: string, url: string): PincerError {
  const details = { closeCode: code, ...(reason === "" ? {} : { reason }) }
  const because = reason === "" ? "" : `: ${reason}`
  switch (code) {
    case 1000:
      return new PincerError("UNAVAILABLE", `The gateway at ${url} closed the connection${because}`, { details })
    case 1002:
      return new PincerError(
        "CONFLICT",
        `The gateway at ${url} speaks another protocol version${because}: update the older of the two`,
        {
          details,
        },
      )
    case 1008:
      if (/slow/i.test(reason))
        return new PincerError(
          "UNAVAILABLE",
          "The gateway closed the connection because events were not read fast enough",
          { details },
        )
      return new PincerError(
        "AUTH_REQUIRED",
        `The gateway at ${url} refused the connection${because}: check the token`,
        { details },
      )
    case 1009:
      return new PincerError("TOO_LARGE", `A message was larger than the gateway accepts${because}`, { details })
    case 1012:
      return new PincerError("UNAVAILABLE", "The gateway is restarting: try again in a moment", { details })
    case 1013:
      return new PincerError("UNAVAILABLE", "The gateway is still starting or full: try again in a moment", { details })
    case 4000:
      return new PincerError("UNAVAILABLE", `The gateway at ${url} gave no sign of life: run "pincer status"`, {
        details,
      })
    case 4001:
      return new PincerError(
        "AUTH_REQUIRED",
        `The gateway at ${url} no longer accepts this device or token: connect anew`,
        { details },
      )
    default:
      return new PincerError(
        "UNAVAILABLE",
        `The connection to the gateway at ${url} was lost${because}: run "pincer status"`,
        { details },
      )
  }
}

// JSON-RPC 2.0 messages: reading calls, notifications and batches; writing answers. Ids come back exactly as they came, with their type.
import { ERROR_TABLE, PincerError } from "../../base/errors.ts"
import { isObject, parseJson } from "../../base/json.ts"

export type RpcId = string | number | null

export interface RpcCall {
  /** Undefined for a notification: it is carried out and not answered. */
  id: RpcId | undefined
  method: string
  params: unknown
}

export interface RpcError {
  code: number
  message: string
  data?: unknown
}

export type RpcAnswer = { jsonrpc: "2.0"; id: RpcId; result: unknown } | { jsonrpc: "2.0"; id: RpcId; error: RpcError }

/** A frame: one call or several, and the answers to what in it is no call. */
export interface RpcFrame {
  batch: boolean
  calls: RpcCall[]
  refused: RpcAnswer[]
}

export const PARSE_ERROR = -32700
export const INVALID_REQUEST = -32600
export const INVALID_PARAMS = -32602
export const INTERNAL_ERROR = -32603

/** Calls in one batch. */
const MAX_BATCH = 100

export function failed(id: RpcId, code: number, message: string, data?: unknown): RpcAnswer {
  return { jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } }
}

export function answered(id: RpcId, result: unknown): RpcAnswer {
  return { jsonrpc: "2.0", id, result: result === undefined ? null : result }
}

/** What a text frame says. Never throws: what cannot be understood is answered as the specification wants. */
export function readFrame(text: string): RpcFrame {
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return refusing(failed(null, PARSE_ERROR, "Parse error"))
  }
  if (!Array.isArray(value)) return sorted([value], false)
  if (value.length === 0) return refusing(failed(null, INVALID_REQUEST, "Invalid Request: the batch is empty"))
  if (value.length > MAX_BATCH)
    return refusing(failed(null, INVALID_REQUEST, `Invalid Request: a batch holds at most ${MAX_BATCH} calls`))
  return sorted(value, true)
}

function refusing(answer: RpcAnswer): RpcFrame {
  return { batch: false, calls: [], refused: [answer] }
}

function sorted(items: readonly unknown[], batch: boolean): RpcFrame {
  const frame: RpcFrame = { batch, calls: [], refused: [] }
  for (const item of items) {
    const call = callOf(item)
    if ("method" in call) frame.calls.push(call)
    else frame.refused.push(call)
  }
  return frame
}

function callOf(item: unknown): RpcCall | RpcAnswer {
  const refuse = (why: string) => failed(idOf(item) ?? null, INVALID_REQUEST, `Invalid Request: ${why}`)
  if (!isObject(item)) return refuse("a call is an object")
  if (item["jsonrpc"] !== "2.0") return refuse('"jsonrpc" must be "2.0"')
  if (typeof item["method"] !== "string" || item["method"] === "") return refuse('"method" is missing')
  if (Object.hasOwn(item, "id") && idOf(item) === undefined) return refuse('"id" must be a string, a number or null')
  return { id: idOf(item), method: item["method"], params: item["params"] }
}

function idOf(item: unknown): RpcId | undefined {
  if (!isObject(item)) return undefined
  const { id } = item
  return typeof id === "string" || id === null || (typeof id === "number" && Number.isFinite(id)) ? id : undefined
}

/** A refusal as JSON-RPC has it: a session that is not there is a wrong parameter here (IM-WS-09). */
export function rpcError(error: unknown, method: string): RpcError {
  const known =
    error instanceof PincerError
      ? error
      : new PincerError("INTERNAL_ERROR", "The gateway failed at this request: its log says why")
  const aboutJob = known.code === "NOT_FOUND" && /^job\.(cancel|delete)$/.test(method)
  const aboutSession = known.code === "NOT_FOUND" && /^(session\.|ask)/.test(method)
  return {
    code: aboutSession ? INVALID_PARAMS : aboutJob ? INTERNAL_ERROR : ERROR_TABLE[known.code].rpc,
    message: known.message,
    data: {
      code: known.code,
      ...known.details,
      retryable: known.retryable,
      ...(known.retryAfterMs === undefined ? {} : { retryAfterMs: known.retryAfterMs }),
    },
  }
}

// From a request to its answer: method, right, params, handler, and the words of the caller's dialect.
import { ERROR_TABLE, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { parseWith } from "../base/schema.ts"
import { type ErrorShape, grants, type Scope } from "../protocol/frame.ts"
import { type Caller, type Method, type MethodContext, RawJson } from "./methods/method.ts"
import { shownError } from "./shown.ts"

export type MethodTable = ReadonlyMap<string, Method>

/** By name and alias. */
export function methodTable(methods: readonly Method[]): MethodTable {
  const table = new Map<string, Method>()
  for (const method of methods) for (const name of [method.name, ...(method.aliases ?? [])]) table.set(name, method)
  return table
}

/** Methods that the simple dialect's document names and answers with NOT_IMPLEMENTED, its clients' word for "not here" (PY-ERR-01). */
const ANNOUNCED: ReadonlySet<string> = new Set(["tts.speak", "push.send", "voicewake.status"])

/** Runs a method for a caller; the payload as its dialect has it, without secrets, like the refusal. Throws PincerError. */
export async function dispatch(
  table: MethodTable,
  name: string,
  params: unknown,
  context: MethodContext,
  strict = false,
): Promise<unknown> {
  const { redactor } = context.parts
  try {
    const result = await run(table, name, params, context, strict)
    return result instanceof RawJson || table.get(name)?.reveals ? result : redactor.value(result)
  } catch (error) {
    throw shownError(error, redactor)
  }
}

async function run(
  table: MethodTable,
  name: string,
  params: unknown,
  context: MethodContext,
  strict: boolean,
): Promise<unknown> {
  const { caller } = context
  const method = table.get(name)
  if (!method) {
    const code = ANNOUNCED.has(name) ? "NOT_IMPLEMENTED" : "METHOD_NOT_FOUND"
    throw new PincerError(code, `unknown method: ${name}`, { details: { method: name } })
  }
  requireRight(caller, method, method.scope)
  if (params !== undefined && !isObject(params))
    throw new PincerError("INVALID_PARAMS", `invalid ${name} params: must be an object`)
  const given = params ?? {}
  if (strict) refuseUnknown(method, given)
  const canonical = method.normalize ? method.normalize(given, caller) : given
  const parsed = parseWith(method.params, canonical, `invalid ${name} params`)
  if (method.demands) requireRight(caller, method, method.demands(parsed))
  if (method.limited) context.parts.limits?.take(method.limited, caller)
  const result = await method.run(parsed, context)
  if (caller.dialect === "py" && method.py && !(result instanceof RawJson) && !wantsObject(caller, given))
    return method.py(result)
  if (caller.dialect === "rpc" && method.rpc && !(result instanceof RawJson)) return method.rpc(result, context.parts)
  return result
}

/** A node may call what is meant for nodes, an operator what its scopes grant. */
function requireRight(caller: Caller, method: Method, scope: Scope): void {
  if (caller.role !== "operator") {
    if (method.nodes) return
    throw new PincerError("PERMISSION_DENIED", `unauthorized role: ${caller.role}`, {
      details: { code: "ROLE_NOT_ALLOWED" },
    })
  }
  if (grants(caller.scopes, scope)) return
  throw new PincerError("PERMISSION_DENIED", `missing scope: ${scope}`, {
    details: { code: "MISSING_SCOPE", missingScope: scope, requiredScopes: [scope] },
  })
}

/** The simple dialect's bare lists, unless its client asked for objects. */
function wantsObject(caller: Caller, params: Record<string, unknown>): boolean {
  return params["envelope"] === true || caller.caps.includes("lists:object")
}

function refuseUnknown(method: Method, params: Record<string, unknown>): void {
  const schema: unknown = method.params
  if (!isObject(schema) || !isObject(schema["shape"])) return
  const known = Object.keys(schema["shape"])
  const unknown = Object.keys(params).find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw new PincerError("INVALID_PARAMS", `invalid ${method.name} params: unexpected property '${unknown}'`)
}

/** An error in the words of a dialect (protocol §9.8). Unexpected errors keep their details to the log. */
export function errorShape(error: unknown, dialect: Caller["dialect"], protocol: Caller["protocol"]): ErrorShape {
  const known =
    error instanceof PincerError
      ? error
      : new PincerError("INTERNAL_ERROR", "The gateway failed at this request: its log says why", { retryable: false })
  const row = ERROR_TABLE[known.code]
  const finer = known.details?.["code"]
  const code =
    dialect === "py" ? row.py : protocol === 4 ? (finer === "APPROVAL_NOT_FOUND" ? finer : row.claw4) : row.claw3
  return {
    code,
    message: known.message,
    details: { code: known.code, ...known.details },
    retryable: known.retryable,
    ...(known.retryAfterMs === undefined ? {} : { retryAfterMs: known.retryAfterMs }),
  }
}

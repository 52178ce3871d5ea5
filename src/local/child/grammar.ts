// JSON schemas in the smaller language that node-llama-cpp makes grammars of. There every property has to be given: one that need not
// be may be null instead, and such nulls are taken out of what the model wrote. What a grammar cannot say is left out: arguments are
// checked strictly by whoever asked. Pure.
import { isObject } from "../../base/json.ts"

type Json = Record<string, unknown>

const MAX_DEPTH = 24
/** What a reference counts as: one that leads back to itself grows with every branch. */
const REFERENCE = 8
const ANY: Json = {
  oneOf: [
    { type: ["string", "number", "boolean", "null"] },
    { type: "array", items: { type: ["string", "number", "boolean", "null"] } },
    { type: "object", additionalProperties: { type: ["string", "number", "boolean", "null"] } },
  ],
}
const PRIMITIVES = ["string", "number", "integer", "boolean", "null"]

/** `params` of a function: an object even where the schema says nothing. */
export function grammarOf(schema: unknown): Json {
  const root = isObject(schema) ? schema : {}
  return convert(root, root, 0)
}

export function paramsOf(schema: unknown): Json {
  const converted = grammarOf(schema)
  return converted["type"] === "object" ? converted : { type: "object", properties: {} }
}

function convert(schema: unknown, root: Json, depth: number): Json {
  if (!isObject(schema) || depth > MAX_DEPTH) return ANY
  const target = resolve(schema, root)
  if (target === undefined) return ANY
  if (target !== schema) return convert(target, root, depth + REFERENCE)
  const said = typeof schema["description"] === "string" ? { description: schema["description"] } : {}
  if ("const" in schema) return isPlain(schema["const"]) ? { const: schema["const"], ...said } : ANY
  if (Array.isArray(schema["enum"])) return { enum: schema["enum"].filter(isPlain), ...said }
  const choices = schema["oneOf"] ?? schema["anyOf"]
  if (Array.isArray(choices) && choices.length > 0)
    return { oneOf: choices.map((one) => convert(one, root, depth + 1)), ...said }
  if (Array.isArray(schema["allOf"])) return convert(merged(schema, root), root, depth + 1)
  return { ...typed(schema, root, depth), ...said }
}

function typed(schema: Json, root: Json, depth: number): Json {
  const { type } = schema
  if (Array.isArray(type)) {
    if (type.every((one) => PRIMITIVES.includes(String(one)))) return { type }
    return { oneOf: type.map((one) => convert({ ...schema, type: one, description: undefined }, root, depth + 1)) }
  }
  if (type === "object" || (type === undefined && isObject(schema["properties"]))) return object(schema, root, depth)
  if (type === "array") {
    const items = convert(schema["items"], root, depth + 1)
    return { type, items, ...numbers(schema, ["minItems", "maxItems"]) }
  }
  if (type === "string") return { type, ...numbers(schema, ["minLength", "maxLength"]) }
  return typeof type === "string" && PRIMITIVES.includes(type) ? { type } : ANY
}

function object(schema: Json, root: Json, depth: number): Json {
  const required = Array.isArray(schema["required"]) ? schema["required"] : []
  const properties = Object.entries(isObject(schema["properties"]) ? schema["properties"] : {}).map(([key, value]) => {
    const converted = convert(value, root, depth + 1)
    return [key, required.includes(key) ? converted : orNull(converted)] as const
  })
  const more = schema["additionalProperties"]
  const open = isObject(more) || (more !== false && properties.length === 0)
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    ...(open ? { additionalProperties: isObject(more) ? convert(more, root, depth + 1) : ANY } : {}),
  }
}

function orNull(schema: Json): Json {
  const { description, ...rest } = schema
  const said = description === undefined ? {} : { description }
  if (Array.isArray(rest["oneOf"])) return { oneOf: [...rest["oneOf"], { type: "null" }], ...said }
  return { oneOf: [rest, { type: "null" }], ...said }
}

/** The schema that a reference means; undefined when there is none. */
function resolve(schema: Json, root: Json): Json | undefined {
  const ref = schema["$ref"]
  if (typeof ref !== "string") return schema
  let at: unknown = root
  for (const step of ref.replace(/^#\/?/, "").split("/").filter(Boolean))
    at = isObject(at) ? at[step.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined
  return isObject(at) && at !== schema ? at : undefined
}

function merged(schema: Json, root: Json): Json {
  const { allOf, ...rest } = schema
  const all = [rest, ...(Array.isArray(allOf) ? allOf : [])].filter(isObject).map((one) => resolve(one, root) ?? {})
  const properties = all.map((one) => (isObject(one["properties"]) ? one["properties"] : {}))
  const required = all.flatMap((one) => (Array.isArray(one["required"]) ? one["required"] : []))
  const joined: Json = Object.assign({}, ...all)
  delete joined["$ref"]
  delete joined["allOf"]
  return properties.some((one) => Object.keys(one).length > 0)
    ? { ...joined, properties: Object.assign({}, ...properties), required }
    : joined
}

function numbers(schema: Json, keys: readonly string[]): Json {
  return Object.fromEntries(keys.filter((key) => typeof schema[key] === "number").map((key) => [key, schema[key]]))
}

function isPlain(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value)
}

/** What the model wrote, without the nulls that stand for "not given". */
export function withoutNulls(value: unknown, schema: unknown, root: unknown = schema, depth = 0): unknown {
  if (!isObject(schema) || !isObject(root) || depth > MAX_DEPTH) return value
  const target = resolve(schema, root)
  if (Array.isArray(value)) return value.map((one) => withoutNulls(one, target?.["items"], root, depth + 1))
  if (!isObject(value) || !target) return value
  const known = isObject(target["properties"]) ? target["properties"] : {}
  const required = Array.isArray(target["required"]) ? target["required"] : []
  const kept = Object.entries(value).filter(([key, one]) => isSaid(one) || required.includes(key) || !(key in known))
  return Object.fromEntries(kept.map(([key, one]) => [key, withoutNulls(one, known[key], root, depth + 1)]))
}

/** A number that is too large to be one is as good as none. */
function isSaid(value: unknown): boolean {
  return value !== null && !(typeof value === "number" && !Number.isFinite(value))
}

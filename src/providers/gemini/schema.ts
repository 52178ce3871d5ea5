// JSON Schema as Gemini takes it: the keywords that its documentation lists, the rest translated or left out (our own check of
// the arguments still holds them). Source: ai.google.dev/gemini-api/docs/structured-output, "JSON schema support".
import { isObject } from "../../base/json.ts"

const KEPT = new Set([
  "$anchor",
  "$defs",
  "$id",
  "$ref",
  "additionalProperties",
  "anyOf",
  "description",
  "enum",
  "format",
  "items",
  "maxItems",
  "maximum",
  "minItems",
  "minimum",
  "prefixItems",
  "properties",
  "propertyOrdering",
  "required",
  "title",
  "type",
])

type Schema = Record<string, unknown>

/** A cleaned copy; what was given is not changed. */
export function cleanSchema(schema: Schema): Schema {
  const { $schema: _schema, $id: _id, ...rest } = schema
  return clean(rest)
}

function clean(schema: Schema): Schema {
  // A reference may not stand beside other keywords.
  if (typeof schema["$ref"] === "string") return { $ref: schema["$ref"].replace("#/definitions/", "#/$defs/") }
  const merged = mergeAllOf(schema)
  const cleaned: Schema = {}
  for (const [key, value] of Object.entries(merged)) {
    if (key === "properties" || key === "$defs" || key === "definitions")
      cleaned[key === "definitions" ? "$defs" : key] = isObject(value) ? mapValues(value) : {}
    else if (key === "oneOf" || key === "anyOf") cleaned["anyOf"] = Array.isArray(value) ? value.map(cleanAny) : value
    else if (key === "prefixItems") cleaned[key] = Array.isArray(value) ? value.map(cleanAny) : value
    else if (key === "items" || key === "additionalProperties") cleaned[key] = cleanAny(value)
    else if (key === "const") cleaned["enum"] = [value]
    else if (KEPT.has(key)) cleaned[key] = value
  }
  return cleaned
}

function cleanAny(value: unknown): unknown {
  return isObject(value) ? clean(value) : value
}

function mapValues(schemas: Schema): Schema {
  return Object.fromEntries(Object.entries(schemas).map(([name, value]) => [name, cleanAny(value)]))
}

/** allOf is not known there: its members' keywords become ours, properties and required lists joined. */
function mergeAllOf(schema: Schema): Schema {
  const { allOf, ...rest } = schema
  if (!Array.isArray(allOf)) return schema
  let merged: Schema = rest
  for (const member of allOf.filter(isObject).map(mergeAllOf)) {
    const required = [...list(merged["required"]), ...list(member["required"])]
    const properties = { ...object(member["properties"]), ...object(merged["properties"]) }
    merged = { ...member, ...merged }
    if (required.length > 0) merged["required"] = [...new Set(required)]
    if (Object.keys(properties).length > 0) merged["properties"] = properties
  }
  return merged
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function object(value: unknown): Schema {
  return isObject(value) ? value : {}
}

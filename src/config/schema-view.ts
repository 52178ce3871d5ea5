// The schema as other programs read it: JSON Schema, a hint for each place, and what stands at one path. "*" stands for a free name.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { nameKind } from "../base/redact.ts"
import { closest } from "./check.ts"
import { hintOf } from "./hints.ts"
import { configSchema } from "./schema.ts"

type Json = Record<string, unknown>

export interface UiHint {
  label: string
  group: string
  order: number
  help?: string
  sensitive?: true
  advanced?: true
}

/** What a place is, for one that is looked up. */
export interface SchemaPlace {
  path: string
  schema: Json
  hint: UiHint
  children: { key: string; path: string; type: string; help?: string }[]
}

let made: Json | undefined

/** draft 2020-12; what may be left out counts as such. */
export function jsonSchema(): Json {
  made ??= { ...z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any", reused: "inline" }) }
  return made
}

/** By path. */
export function uiHints(): Record<string, UiHint> {
  const hints: Record<string, UiHint> = {}
  let order = 0
  walk(jsonSchema(), "", (path) => {
    hints[path] = hintAt(path, order)
    order += 1
  })
  return hints
}

/** What may stand at a path; free names as they are or as "*". Throws NOT_FOUND naming what is near. */
export function lookUp(path: string): SchemaPlace {
  let here = jsonSchema()
  const walked: string[] = []
  for (const step of path === "" ? [] : path.split(".")) {
    const known = isObject(here["properties"]) ? here["properties"] : {}
    const next = known[step] ?? here["additionalProperties"] ?? (/^(?:\d+|\*)$/.test(step) ? here["items"] : undefined)
    if (!isObject(next)) throw unknownPlace(path, walked, step, Object.keys(known))
    walked.push(Object.hasOwn(known, step) ? step : "*")
    here = firstObject(next)
  }
  const at = walked.join(".")
  return { path: at, schema: here, hint: hintAt(at, 0), children: childrenOf(here, at) }
}

function unknownPlace(path: string, walked: readonly string[], step: string, known: readonly string[]): PincerError {
  const near = closest(step, known)
  const where = walked.length === 0 ? "The configuration" : walked.join(".")
  const meant = near === undefined ? `known there are ${known.join(", ") || "no keys"}` : `did you mean ${near}?`
  return new PincerError("NOT_FOUND", `${path}: ${where} has no key "${step}": ${meant}`)
}

function childrenOf(schema: Json, at: string): SchemaPlace["children"] {
  const properties = isObject(schema["properties"]) ? schema["properties"] : {}
  const free = isObject(schema["additionalProperties"]) ? { "*": schema["additionalProperties"] } : {}
  return Object.entries({ ...properties, ...free }).map(([key, inner]) => {
    const path = at === "" ? key : `${at}.${key}`
    const help = hintOf(path)
    return { key, path, type: typeOf(inner), ...(help === undefined ? {} : { help }) }
  })
}

function typeOf(schema: unknown): string {
  if (!isObject(schema)) return "any"
  if (typeof schema["type"] === "string") return schema["type"]
  const options = schema["anyOf"] ?? schema["oneOf"]
  if (Array.isArray(options)) return [...new Set(options.map(typeOf))].join(" | ")
  return Array.isArray(schema["enum"]) ? "string" : "any"
}

/** Of several ways to write a value the one with keys, if there is one: that is where a path goes on. */
function firstObject(schema: Json): Json {
  const options = schema["anyOf"] ?? schema["oneOf"]
  if (!Array.isArray(options)) return schema
  const found: unknown = options.find((one) => isObject(one) && one["type"] === "object" && isObject(one["properties"]))
  return isObject(found) && options.length === 2 && options.some((one) => isObject(one) && one["type"] === "null")
    ? found
    : schema
}

function hintAt(path: string, order: number): UiHint {
  const steps = path.split(".")
  const last = steps.findLast((step) => step !== "*") ?? "configuration"
  const words = last.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase()
  const help = hintOf(path)
  return {
    label: `${words.charAt(0).toUpperCase()}${words.slice(1)}`,
    group: steps[0] ?? "",
    order,
    ...(help === undefined ? {} : { help }),
    ...(nameKind(last) ? { sensitive: true as const } : {}),
    ...(steps.length > 3 ? { advanced: true as const } : {}),
  }
}

function walk(schema: Json, at: string, tell: (path: string) => void): void {
  if (at !== "") tell(at)
  const properties = isObject(schema["properties"]) ? schema["properties"] : {}
  const free = isObject(schema["additionalProperties"]) ? { "*": schema["additionalProperties"] } : {}
  for (const [key, inner] of Object.entries({ ...properties, ...free }))
    if (isObject(inner)) walk(firstObject(inner), at === "" ? key : `${at}.${key}`, tell)
}

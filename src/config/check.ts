// From a parsed document to a Config, or to the full list of what is wrong with it, each problem with its place and a next step.
// Values are never quoted unless the schema lists what may stand there: a mistyped secret must not end up in a log.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { mistakes } from "../base/spelling.ts"
import { type ConfigDocument, type ConfigIssue, formatPath, parseDocument } from "./document.ts"
import { type Config, configSchema } from "./schema.ts"

/** A configuration is judged once in a while: code made for the occasion would cost more than it saves. */
const ONCE = { jitless: true }

export type Checked = { ok: true; config: Config } | { ok: false; issues: ConfigIssue[] }

/** Parses and validates the text of a config file. */
export function checkText(text: string): Checked {
  return checkDocument(parseDocument(text))
}

/** Validates a parsed document: what its text does wrong and what the schema does not know, in the order of the lines. */
export function checkDocument(document: ConfigDocument): Checked {
  if (document.value === undefined) return { ok: false, issues: document.issues }
  const result = configSchema.safeParse(document.value, { ...ONCE, reportInput: true })
  const found = result.success ? [] : result.error.issues.flatMap((issue) => explain(issue, []))
  const issues = [...document.issues, ...found.map((one) => withPlace(one, document))]
  if (result.success && issues.length === 0) return { ok: true, config: result.data }
  return {
    ok: false,
    issues: issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
  }
}

/** The configuration that an absent file stands for. */
export function defaultConfig(): Config {
  return configSchema.parse({}, ONCE)
}

/** All problems, one per line, as one INVALID_PARAMS with `details.issues`. `where`: the file, or what else was being checked. */
export function invalidConfig(where: string, issues: readonly ConfigIssue[]): PincerError {
  const lines = issues.map((issue) => {
    const place = issue.line === undefined ? "" : `line ${issue.line}, column ${issue.column}: `
    return `${place}${issue.message}`
  })
  const [only] = lines
  const message =
    lines.length === 1
      ? `${where}: ${only}`
      : `${where} has ${lines.length} problems:\n${lines.map((line) => `  ${line}`).join("\n")}`
  return new PincerError("INVALID_PARAMS", message, { details: { issues: issues.map((issue) => ({ ...issue })) } })
}

interface Found {
  at: PropertyKey[]
  message: string
}

function withPlace(found: Found, document: ConfigDocument): ConfigIssue {
  return { path: formatPath(found.at), message: found.message, ...document.position(found.at) }
}

function explain(issue: z.core.$ZodIssue, before: readonly PropertyKey[]): Found[] {
  const at = [...before, ...issue.path]
  const where = formatPath(at) || "The configuration"
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({ at: [...at, key], message: unknownKey(at, key) }))
    case "invalid_key":
      return issue.issues.map((inner) => ({ at, message: `${where}: ${plain(inner.message)}` }))
    case "invalid_value": {
      const allowed = issue.values.map((value) => JSON.stringify(value)).join(", ")
      const given = typeof issue.input === "string" ? `"${issue.input.slice(0, 40)}"` : describe(issue.input)
      return [{ at, message: `${where}: ${given} is not one of ${allowed}` }]
    }
    case "invalid_type":
      return [{ at, message: `${where}: must be ${article(issue.expected)}, not ${describe(issue.input)}` }]
    default:
      return [{ at, message: `${where}: ${plain(issue.message)}` }]
  }
}

function plain(message: string): string {
  return message.replace(/^Invalid input: /, "")
}

const NOUNS: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "text in quotes",
  boolean: "true or false",
  object: "an object {…}",
  record: "an object {…}",
  array: "a list […]",
  null: "null",
}

function article(expected: string): string {
  return NOUNS[expected] ?? expected
}

function describe(value: unknown): string {
  if (value === null) return "null"
  if (value === undefined) return "missing"
  if (Array.isArray(value)) return "a list"
  switch (typeof value) {
    case "string":
      return "text"
    case "number":
    case "boolean":
      return String(value)
    default:
      return "an object"
  }
}

function unknownKey(parent: readonly PropertyKey[], key: string): string {
  const guess = nearestKey(parent, key)
  const full = formatPath([...parent, key])
  if (guess) return `Unknown key ${full}: did you mean ${guess}?`
  const known = keysOf(schemaAt(parent))
  return `Unknown key ${full}: ${known.length === 0 ? "nothing may stand here" : `known here are ${known.join(", ")}`}`
}

/** The key that was probably meant: a sibling spelled alike, else the only place where a key of this name exists. */
function nearestKey(parent: readonly PropertyKey[], key: string): string | undefined {
  const near = closest(key, keysOf(schemaAt(parent)))
  if (near) return formatPath([...parent, near])
  const elsewhere = allKeys(configSchema, []).filter((path) => fold(path.at(-1) ?? "") === fold(key))
  return elsewhere.length === 1 ? formatPath(elsewhere[0]!) : undefined
}

/** The candidate within a third of the word's length in typing mistakes; case, "_" and "-" do not count. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const steps = mistakes(fold(word), fold(candidate))
    if (steps < least) {
      least = steps
      best = candidate
    }
  }
  return best
}

function fold(word: string): string {
  return word.replace(/[-_]/g, "").toLowerCase()
}

function bare(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return bare(schema.unwrap())
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return bare(schema.unwrap())
  return schema
}

/** The schema of what may stand at a path; undefined where nothing may. */
export function schemaAt(path: readonly PropertyKey[]): unknown {
  let schema = bare(configSchema)
  for (const step of path) {
    if (schema instanceof z.ZodObject) schema = bare(schema.shape[String(step)])
    else if (schema instanceof z.ZodRecord) schema = bare(schema.valueType)
    else if (schema instanceof z.ZodArray) schema = bare(schema.element)
    else return undefined
  }
  return schema
}

function keysOf(schema: unknown): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

/** Every fixed key of the schema; what lies below free names (records) and in lists is left out. */
function allKeys(schema: unknown, at: readonly string[]): string[][] {
  const inner = bare(schema)
  return keysOf(inner).flatMap((key) => {
    const here = [...at, key]
    return [here, ...allKeys(schemaAt(here), here)]
  })
}

// What a step declares of its output, looked at along a path. Only what a schema says plainly counts; anything else may be anything.
import type { StepDefinition } from "../definition.ts"
import type { Reference } from "../language/reference.ts"

/** What can be named of a step's result. */
export const RESULT_FIELDS: readonly string[] = [
  "stdout",
  "json",
  "spilled",
  "approved",
  "approvedBy",
  "initiatedBy",
  "response",
  "subject",
  "skipped",
  "error",
  "errorMessage",
  "id",
]

type Schema = Record<string, unknown>

function schemaOf(step: StepDefinition | undefined): Schema | undefined {
  if (!step) return undefined
  return step.output?.schema ?? (step.body.type === "agent" ? step.body.schema : undefined)
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A schema that may be another one than its own words say. */
function isOpen(schema: Schema): boolean {
  return ["$ref", "anyOf", "oneOf", "allOf", "if", "patternProperties"].some((word) => word in schema)
}

/** The part of the path that the declared output lacks, with what it has there; undefined when nothing can be said. */
export function fieldsOf(step: StepDefinition, path: readonly string[]): { name: string; known: string[] } | undefined {
  let schema: unknown = schemaOf(step)
  for (const name of path) {
    if (!isSchema(schema) || isOpen(schema)) return undefined
    if (/^\d+$/.test(name) && ("items" in schema || "prefixItems" in schema)) {
      schema = schema["items"]
      continue
    }
    const properties = schema["properties"]
    if (!isSchema(properties)) return undefined
    if (Object.hasOwn(properties, name)) {
      schema = properties[name]
      continue
    }
    return schema["additionalProperties"] === true || isSchema(schema["additionalProperties"])
      ? undefined
      : { name, known: Object.keys(properties) }
  }
  return undefined
}

/** The types that a reference is declared to have; undefined when nobody says. */
export function kindIn({ path }: Reference, step: StepDefinition | undefined): string[] | undefined {
  const [first, ...rest] = path
  if (first === "stdout") return ["string"]
  if (first !== "json") return undefined
  let schema: unknown = schemaOf(step)
  for (const name of rest) {
    if (!isSchema(schema) || isOpen(schema)) return undefined
    const properties = schema["properties"]
    schema = isSchema(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined
  }
  if (!isSchema(schema) || isOpen(schema)) return undefined
  const { type } = schema
  if (typeof type === "string") return [type]
  return Array.isArray(type) ? type.filter((one) => typeof one === "string") : undefined
}

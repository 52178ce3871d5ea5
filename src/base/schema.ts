// zod at our edges: one way to parse, one way to say what was wrong, one way to JSON Schema.
import { z } from "zod"
import { PincerError } from "./errors.ts"

/** Parses `value`, or throws INVALID_PARAMS "<what>: <path> <problem>" with `details.issues`. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message }))
  const first = issues[0] ?? { path: "", message: "is not valid" }
  const where = first.path === "" ? "" : `${first.path}: `
  throw new PincerError("INVALID_PARAMS", `${what}: ${where}${first.message}`, { details: { issues } })
}

/** The JSON Schema (draft 2020-12) of what a schema accepts, without the `$schema` member. */
export function jsonSchema(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" })
  return rest
}

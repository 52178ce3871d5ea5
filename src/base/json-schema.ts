// JSON Schema of others, checked by ajv (zod is for what is ours). The library is loaded when the first schema is there.
import { createRequire } from "node:module"
import type { ErrorObject } from "ajv"

/** What is wrong with a value, as a short clause; undefined when nothing is. */
export type SchemaCheck = (value: unknown) => string | undefined

const require = createRequire(import.meta.url)

/** Throws an Error that says what is wrong with the schema itself. Draft 2020-12; words it does not know are refused. */
export function compileSchema(schema: Readonly<Record<string, unknown>>): SchemaCheck {
  const { Ajv2020 } = require("ajv/dist/2020.js") as typeof import("ajv/dist/2020.js")
  const validate = new Ajv2020({ strict: "log", strictTypes: false, logger: false, validateFormats: false }).compile(
    schema,
  )
  return (value) => (validate(value) ? undefined : problem(validate.errors?.[0]))
}

function problem(error: ErrorObject | undefined): string {
  return error ? `${error.instancePath || "the whole"} ${error.message ?? "is not valid"}` : "is not valid"
}

// JSON Schema of others, checked by ajv (zod is for what is ours). The library is loaded when the first schema is there.
import { createRequire } from "node:module"
import type { ErrorObject, Options } from "ajv"

/** What is wrong with a value, as a short clause; undefined when nothing is. */
export type SchemaCheck = (value: unknown) => string | undefined

const require = createRequire(import.meta.url)

/** Throws an Error that says what is wrong with the schema itself. Draft 2020-12; words it does not know are refused. */
export function compileSchema(schema: Readonly<Record<string, unknown>>): SchemaCheck {
  const { Ajv2020 } = require("ajv/dist/2020.js") as typeof import("ajv/dist/2020.js")
  return checkBy(new Ajv2020(OPTIONS).compile(schema))
}

/**
 * The same for a schema of somebody who is not trusted, in the draft that its `$schema` names (04 and 06 are read as 07). Patterns are
 * not tried: one alone can keep the process busy for hours. Where names of members are patterns, only the kind of value is checked.
 */
export function compileForeignSchema(schema: Readonly<Record<string, unknown>>): SchemaCheck {
  const { $schema: draft, $id: _, id: _id, ...rest } = schema
  const options: Options = { ...OPTIONS, code: { regExp: Object.assign(untried, { code: "untried" }) } }
  if (JSON.stringify(rest).includes('"patternProperties"'))
    return compileForeignSchema({ type: rest["type"] ?? "object" })
  if (typeof draft === "string" && /draft-0[467]/.test(draft)) {
    const { Ajv } = require("ajv") as typeof import("ajv")
    return checkBy(new Ajv(options).compile(rest))
  }
  const { Ajv2020 } = require("ajv/dist/2020.js") as typeof import("ajv/dist/2020.js")
  return checkBy(new Ajv2020(options).compile(rest))
}

const OPTIONS: Options = { strict: "log", strictTypes: false, logger: false, validateFormats: false }

/** Stands in for a regular expression: everything matches. */
function untried(): { test: () => boolean } {
  return { test: () => true }
}

function checkBy(validate: { (value: unknown): unknown; errors?: ErrorObject[] | null }): SchemaCheck {
  return (value) => (validate(value) ? undefined : problem(validate.errors?.[0]))
}

function problem(error: ErrorObject | undefined): string {
  return error ? `${error.instancePath || "the whole"} ${error.message ?? "is not valid"}` : "is not valid"
}

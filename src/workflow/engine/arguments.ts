// Arguments of a workflow: defaults below what the caller gave, checked against their schemas before anything runs.
import { PincerError } from "../../base/errors.ts"
import { compileSchema } from "../../base/json-schema.ts"
import { nearWords } from "../../base/spelling.ts"
import type { Definition } from "../definition.ts"

/** Throws INVALID_PARAMS naming every argument that is missing or does not fit. */
export function argumentsOf(
  definition: Pick<Definition, "args" | "strict">,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const problems: string[] = []
  const args: Record<string, unknown> = {}
  for (const [name, { default: value, required, schema }] of Object.entries(definition.args)) {
    const own = Object.hasOwn(given, name) ? given[name] : value
    if (own === undefined) {
      if (required) problems.push(`the argument "${name}" is missing`)
      continue
    }
    const problem = schema ? compileSchema(schema)(own) : undefined
    if (problem !== undefined) problems.push(`the argument "${name}": ${problem}`)
    Object.defineProperty(args, name, { value: own, enumerable: true, writable: true, configurable: true })
  }
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(definition.args, name)) continue
    const [near] = nearWords(name, Object.keys(definition.args))
    if (definition.strict)
      problems.push(`there is no argument "${name}"${near === undefined ? "" : `: did you mean "${near}"?`}`)
    Object.defineProperty(args, name, { value, enumerable: true, writable: true, configurable: true })
  }
  if (problems.length === 0) return args
  const text = problems.join("; ")
  throw new PincerError("INVALID_PARAMS", `${text[0]!.toUpperCase()}${text.slice(1)}`)
}

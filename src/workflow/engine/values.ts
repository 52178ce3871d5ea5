// Values of steps: what a text holds, what goes into a step, what comes out of a run (workflow-lobster.md §6.3). Pure.
import { UnreadableText } from "../failure.ts"
import { lookUp, referenceText, type StepResult, wholeReference } from "../language/reference.ts"
import { expand, type TemplateScope } from "../language/template.ts"

/** The value of a text that is JSON as a whole; undefined for any other. */
export function jsonOf(text: string): unknown {
  const trimmed = text.trim()
  if (trimmed === "") return undefined
  try {
    return JSON.parse(trimmed)
  } catch {
    // Text that is no JSON is just text.
    return undefined
  }
}

/** What a step read from its output. `mode`: how the file says that it is to be read. */
export function outputOf(id: string, stdout: string, mode?: "text" | "json"): StepResult {
  if (mode === "text") return { id, stdout }
  const json = jsonOf(stdout)
  if (json === undefined && mode === "json")
    throw new UnreadableText(`Step ${id} must give JSON, but its output is none`)
  return json === undefined ? { id, stdout } : { id, stdout, json }
}

/** Input of a step: a text that is one reference is that value, other texts are templates, everything else is as it is. */
export function inputOf(stdin: unknown, scope: TemplateScope): unknown {
  if (typeof stdin !== "string") return stdin
  const whole = wholeReference(stdin)
  if (!whole) return expand(stdin, scope)
  const { known, value } = lookUp(whole, scope.results)
  if (!known) throw new UnreadableText(`Unknown step reference ${referenceText(whole)}`)
  return value
}

/** Texts within a value, expanded; a text that is one reference becomes that value when `whole` is set. */
export function expandDeep(value: unknown, scope: TemplateScope, whole = false): unknown {
  if (typeof value === "string") {
    const found = whole ? wholeReference(value) : undefined
    if (found && scope.results.has(found.id)) return lookUp(found, scope.results).value ?? null
    return expand(value, scope)
  }
  if (Array.isArray(value)) return value.map((one) => expandDeep(one, scope, whole))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, expandDeep(one, scope, whole)]))
}

const WHOLE_ARGUMENT = /^\$\{([A-Za-z0-9_-]+)\}$/

/** What a loop goes over. Throws UnreadableText. */
export function listOf(source: string, scope: TemplateScope): unknown[] {
  const name = WHOLE_ARGUMENT.exec(source.trim())?.[1]
  let value = name !== undefined && Object.hasOwn(scope.args, name) ? scope.args[name] : inputOf(source.trim(), scope)
  if (typeof value === "string") value = jsonOf(value) ?? value
  if (Array.isArray(value)) return value
  throw new UnreadableText(`for_each ${source} must be a list, not ${value === null ? "null" : typeof value}`)
}

/** The items that a pipeline begins with. */
export function itemsOf(input: unknown): unknown[] {
  if (input === undefined || input === null) return []
  return Array.isArray(input) ? input : [input]
}

/** Input as a program reads it. */
export function textOf(input: unknown): string | undefined {
  if (input === undefined || input === null) return undefined
  return typeof input === "string" ? input : JSON.stringify(input)
}

/** What a step gives to whoever asks for its one value. */
export function valueOfResult(result: StepResult): unknown {
  return result.json === undefined ? result.stdout : result.json
}

/** The items that a run gives: those of its last completed step. */
export function itemsOfResult(result: StepResult | undefined): unknown[] {
  if (!result) return []
  if (result.json !== undefined) return Array.isArray(result.json) ? result.json : [result.json]
  if (result.response !== undefined) return Array.isArray(result.response) ? result.response : [result.response]
  return result.stdout === undefined || result.stdout === "" ? [] : [result.stdout]
}

/** `LOBSTER_ARG_<NAME>`, `LOBSTER_ARGS_JSON` and the same under PINCER. */
export function argumentVariables(args: Readonly<Record<string, unknown>>): Record<string, string> {
  const env: Record<string, string> = {}
  for (const prefix of ["LOBSTER", "PINCER"]) {
    env[`${prefix}_ARGS_JSON`] = JSON.stringify(args)
    for (const [name, value] of Object.entries(args)) {
      const word = name
        .toUpperCase()
        .replace(/[^A-Z0-9]+/g, "_")
        .replace(/^_+|_+$/g, "")
      if (word !== "") env[`${prefix}_ARG_${word}`] = String(value)
    }
  }
  return env
}

// A workflow file as a definition: every field of Lobster's format (workflow-lobster.md §6) and ours. Notes everything that is wrong at once, with
// places; what Lobster takes without a word is at most a warning here.
import type { ArgDefinition, Definition, Problem, SourcePlace, StepDefinition } from "../definition.ts"
import { ownEntries, readEnv } from "./env.ts"
import { type Field, type Members, readNodes } from "./nodes.ts"
import { readSteps } from "./read-step.ts"

export interface ReadFile {
  /** Undefined when it is so broken that nothing can be said of its steps. */
  definition: Definition | undefined
  problems: Problem[]
  /** Where the value under a JSON pointer stands. */
  locate(pointer: string): SourcePlace
}

/** `file`: absolute path, for messages and for what is relative to it. JSON when it ends in ".json", else YAML. */
export function readWorkflow(text: string, file?: string): ReadFile {
  const { book, root } = readNodes(text, file)
  const { problems } = book
  const locate = (pointer: string) => book.locate(pointer)
  if (problems.some((problem) => problem.code === "syntax")) return { definition: undefined, problems, locate }
  if (!root.isMap) {
    root.error("type", "A workflow file must hold an object with a list of steps")
    return { definition: undefined, problems, locate }
  }
  const members = root.members("The workflow")
  const strict = members.get("strict")?.flag("strict") ?? false
  const name = label(members, "name")
  const description = label(members, "description")
  const cwd = members.get("cwd")?.text("cwd")
  const timeoutMs = members.get("timeout_ms")?.integer("timeout_ms", 1)
  const costLimit = readCostLimit(members.get("cost_limit"), strict)
  const definition: Definition = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(file === undefined ? {} : { file }),
    args: readArgs(members.get("args"), strict),
    env: readEnv(members.get("env")),
    ...(cwd === undefined ? {} : { cwd }),
    ...(costLimit ? { costLimit } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    steps: stepsOf(members, root, strict),
    finally: optionalSteps(members.get("finally"), "finally", strict),
    onFailure: optionalSteps(members.get("on_failure"), "on_failure", strict),
    strict,
  }
  members.get("$schema")
  members.get("version")
  members.rest("The workflow", strict)
  uniqueIds(definition)
  return { definition, problems: inOrder(problems), locate }

  function uniqueIds({ steps, finally: last, onFailure }: Definition): void {
    const seen = new Map<string, StepDefinition>()
    for (const step of everyStep([...steps, ...last, ...onFailure])) {
      const first = seen.get(step.id)
      if (first)
        book.note(
          "error",
          "duplicate-id",
          `There are two steps "${step.id}"; the first is in line ${first.place.line}`,
          step.place,
          step.pointer,
        )
      else seen.set(step.id, step)
    }
  }
}

/** As they stand in the file. */
export function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted(
    ({ place: a }, { place: b }) => (a?.line ?? 0) - (b?.line ?? 0) || (a?.column ?? 0) - (b?.column ?? 0),
  )
}

/** Steps whose ids must differ: those of the file and branches of parallel steps. A loop's own steps are seen only in it. */
function everyStep(steps: readonly StepDefinition[]): StepDefinition[] {
  return steps.flatMap((step) => [step, ...(step.body.type === "parallel" ? step.body.branches : [])])
}

function stepsOf(members: Members, root: Field, strict: boolean): StepDefinition[] {
  const field = members.get("steps")
  if (!field) {
    root.error("no-steps", 'A workflow file needs "steps": a list with at least one step')
    return []
  }
  const steps = readSteps(field, "steps", strict)
  if (steps.length === 0 && field.isList && field.elements("steps").length === 0)
    field.error("no-steps", "steps must hold at least one step")
  return steps
}

function optionalSteps(field: Field | undefined, what: string, strict: boolean): StepDefinition[] {
  return field ? readSteps(field, what, strict) : []
}

/** Labels only: whatever is no text is passed over. */
function label(members: Members, name: string): string | undefined {
  const field = members.get(name)
  if (!field) return undefined
  if (typeof field.value === "string") return field.value
  field.warn("type", `${name} should be text; it is left out`)
  return undefined
}

function readArgs(field: Field | undefined, strict: boolean): Definition["args"] {
  if (!field) return {}
  if (!field.isMap) {
    field.warn("type", "args should be an object of arguments; it is left out")
    return {}
  }
  const args: [string, ArgDefinition][] = []
  for (const [name, one] of field.members("args").all()) {
    if (!one.isMap) {
      one.warn("type", `The argument ${name} should be an object with "default" or "type"; it has no default now`)
      args.push([name, {}])
      continue
    }
    const members = one.members(`The argument ${name}`)
    const value = members.get("default")
    const description = label(members, "description")
    const schema = readSchema(members, name)
    const required = members.get("required")?.flag(`required of ${name}`)
    const arg: ArgDefinition = {
      ...(value ? { default: value.value } : {}),
      ...(description === undefined ? {} : { description }),
      ...(schema ? { schema } : {}),
      ...(required === undefined ? {} : { required }),
    }
    args.push([name, arg])
    members.rest(`The argument ${name}`, strict)
  }
  return ownEntries(args)
}

const TYPES = ["string", "number", "integer", "boolean", "object", "array", "null"] as const

/** `schema`, or `type` with `enum` as its short form. */
function readSchema(members: Members, name: string): Record<string, unknown> | undefined {
  const schema = members.get("schema")?.record(`schema of ${name}`)
  const type = members.get("type")?.oneOf(`type of ${name}`, TYPES)
  const choices = members.get("enum")
  const short = { ...(type === undefined ? {} : { type }), ...(choices ? { enum: choices.value } : {}) }
  if (schema) return { ...schema, ...short }
  return Object.keys(short).length === 0 ? undefined : short
}

function readCostLimit(field: Field | undefined, strict: boolean): Definition["costLimit"] {
  if (!field) return undefined
  const members = field.members("cost_limit")
  const maxUsd = members.get("max_usd")
  if (!maxUsd && field.isMap) field.error("missing", "cost_limit needs max_usd")
  const limit = maxUsd?.number("cost_limit.max_usd", 0)
  const action = members.get("action")?.oneOf("cost_limit.action", ["warn", "stop"]) ?? "warn"
  members.rest("cost_limit", strict)
  return limit === undefined ? undefined : { maxUsd: limit, action }
}

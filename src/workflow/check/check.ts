// What can be said of a workflow before anything acts: names, references, types, shells. Everything at once, each with its place. The same check
// runs at every start; an error means that nothing is run.
import { readFileSync, realpathSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { compileSchema } from "../../base/json-schema.ts"
import { nearWords } from "../../base/spelling.ts"
import { cut } from "../../base/text.ts"
import type { Command } from "../command.ts"
import type { Definition, Problem, SourcePlace, StepDefinition } from "../definition.ts"
import { inOrder, type ReadFile, readWorkflow } from "../file/read.ts"
import { parseCondition, referencesIn } from "../language/condition.ts"
import { type Reference, referenceText, wholeReference } from "../language/reference.ts"
import { templatesIn } from "../language/template.ts"
import { checkPipeline } from "./pipelines.ts"
import { fieldsOf, kindIn, RESULT_FIELDS } from "./shapes.ts"

const MAX_DEPTH = 8
const MAX_MESSAGE = 1_000

export interface CheckWith {
  commands: ReadonlyMap<string, Command>
  cwd: string
  /** Whether the file of a sub-workflow may be looked at; default: every one. Those that may not are judged when they are run. */
  mayRead?: (real: string) => boolean
  /** Every name by which a step can call a tool now. Absent: nobody knows. */
  tools?: ReadonlySet<string>
}

/** Problems of reading and of checking, in the order of the file. */
export function checkWorkflow(
  read: ReadFile,
  how: CheckWith,
  around: readonly string[] = [],
  seen: Map<string, ReadFile> = new Map(),
): Problem[] {
  if (!read.definition) return read.problems
  const checker = new Checker(read.definition, read, how, around, seen)
  return inOrder([...read.problems, ...checker.run()])
}

/** What a step can see: ids of steps before it, and names that its loop gives. */
interface Sight {
  /** Steps that have ended when this one begins, and what is declared of them. */
  before: ReadonlyMap<string, StepDefinition | undefined>
  /** Every step of the file: one that comes later is a forward reference, not an unknown one. */
  all: ReadonlySet<string>
}

class Checker {
  readonly #definition: Definition
  readonly #read: ReadFile
  readonly #how: CheckWith
  readonly #around: readonly string[]
  /** Sub-workflows that were looked at, by their real path: each once, however often and from wherever it is named. */
  readonly #seen: Map<string, ReadFile>
  readonly #problems: Problem[] = []

  constructor(
    definition: Definition,
    read: ReadFile,
    how: CheckWith,
    around: readonly string[],
    seen: Map<string, ReadFile>,
  ) {
    this.#seen = seen
    this.#definition = definition
    this.#read = read
    this.#how = how
    this.#around = around
  }

  run(): Problem[] {
    const { args, finally: last, onFailure, steps } = this.#definition
    for (const [name, { default: value, schema }] of Object.entries(args)) {
      const check = schema && this.#schema(schema, `/args/${name}/schema`, `/args/${name}`)
      const problem = check && value !== undefined ? check(value) : undefined
      if (problem !== undefined)
        this.#note(
          "error",
          "type-clash",
          `The default of "${name}" does not fit its schema: ${problem}`,
          `/args/${name}/default`,
        )
    }
    this.#list(steps, new Map())
    const known = new Map(flatIds(steps).map((step) => [step.id, step] as const))
    this.#list(onFailure, known)
    this.#list(last, known)
    return this.#problems
  }

  #list(steps: readonly StepDefinition[], outer: ReadonlyMap<string, StepDefinition | undefined>): void {
    const all = new Set([...outer.keys(), ...flatIds(steps).map((step) => step.id)])
    const graph = steps.some((step) => step.needs !== undefined)
    if (graph) this.#needs(steps)
    const before = new Map(outer)
    for (const [i, step] of steps.entries()) {
      const sight = graph ? new Map([...outer, ...reachable(steps, i)]) : before
      this.#step(step, { before: sight, all })
      for (const one of flatIds([step])) before.set(one.id, one)
    }
  }

  #needs(steps: readonly StepDefinition[]): void {
    const ids = steps.map((step) => step.id)
    for (const [i, step] of steps.entries()) {
      for (const id of step.needs ?? []) {
        if (ids.includes(id)) continue
        this.#note(
          "error",
          "unknown-reference",
          `Step ${step.id} needs "${id}", which is no step here${near(id, ids)}`,
          `${step.pointer}/needs`,
        )
      }
      if (reachable(steps, i).has(step.id))
        this.#note("error", "circle", `Step ${step.id} needs itself, through others`, `${step.pointer}/needs`)
    }
  }

  #step(step: StepDefinition, sight: Sight): void {
    const { body, pointer } = step
    this.#when(step, sight)
    if (typeof step.stdin === "string") this.#input(step.stdin, `${pointer}/stdin`, sight)
    for (const [name, text] of Object.entries(step.env)) this.#text(text, `${pointer}/env/${name}`, sight)
    if (step.idempotencyKey !== undefined) this.#text(step.idempotencyKey, `${pointer}/idempotency_key`, sight)
    if (step.output?.schema) this.#schema(step.output.schema, `${pointer}/output/schema`, `${pointer}/output`)
    if (step.gate?.type === "input")
      this.#schema(step.gate.responseSchema, `${pointer}/input/responseSchema`, `${pointer}/input`)
    switch (body.type) {
      case "shell":
        this.#text(body.line, this.#bodyPointer(step, "run", "command"), sight)
        if (!body.quote) this.#injection(step, body.line, sight)
        break
      case "argv":
        for (const [i, word] of body.argv.entries()) this.#text(word, `${pointer}/argv/${i}`, sight)
        break
      case "pipeline":
        this.#text(body.text, `${pointer}/pipeline`, sight)
        for (const { code, level, message } of checkPipeline(body.text, this.#how.commands))
          this.#note(level, code, `Step ${step.id}: ${message}`, `${pointer}/pipeline`)
        break
      case "for_each":
        this.#loop(step, body, sight)
        break
      case "parallel":
        for (const branch of body.branches) this.#step(branch, sight)
        break
      case "workflow":
        this.#text(body.path, `${pointer}/workflow`, sight)
        this.#deep(body.args, `${pointer}/workflow_args`, sight)
        this.#sub(step, body)
        break
      case "tool":
        this.#tool(step, body.name)
        this.#deep(body.args, `${pointer}/tool_args`, sight)
        break
      case "agent":
        this.#text(body.message, `${pointer}/agent`, sight)
        if (body.schema) this.#schema(body.schema, `${pointer}/agent/schema`, `${pointer}/agent`)
        break
      case "http":
        this.#text(body.url, `${pointer}/http`, sight)
        this.#deep(body.body, `${pointer}/http/body`, sight)
        break
      case "none":
        break
    }
  }

  /** A warning: what is not there now may be there when its turn comes. */
  #tool(step: StepDefinition, name: string): void {
    const { tools } = this.#how
    if (!tools || tools.has(name) || templatesIn(name).length > 0) return
    const [near] = nearWords(name, [...tools])
    const hint = near === undefined ? "" : `: did you mean "${near}"?`
    const what = /^mcp(?::|__)/.test(name) ? "no MCP server offers the tool" : "there is no tool"
    this.#note(
      "warning",
      "unknown-tool",
      `Step ${step.id}: ${what} "${name}" now${hint}`,
      this.#bodyPointer(step, "tool"),
    )
  }

  #bodyPointer({ pointer }: StepDefinition, ...names: string[]): string {
    const places = names.map((name) => `${pointer}/${name}`)
    const own = this.#read.locate(pointer)
    return places.find((place) => differs(this.#read.locate(place), own)) ?? pointer
  }

  #when(step: StepDefinition, sight: Sight): void {
    const { pointer, when } = step
    const place = this.#bodyPointer(step, "when", "condition")
    if (when === false)
      this.#note("warning", "unreachable", `Step ${step.id} is never run: its condition is false`, place)
    if (typeof when !== "string") return
    try {
      const condition = parseCondition(when)
      for (const found of referencesIn(condition)) this.#reference(found, place, sight, "error")
      if (condition.type === "literal" && !condition.value)
        this.#note("warning", "unreachable", `Step ${step.id} is never run: its condition is ${when}`, place)
    } catch (error) {
      this.#note(
        "error",
        "condition",
        `Step ${step.id}: ${error instanceof Error ? error.message : String(error)}`,
        place,
      )
    }
    void pointer
  }

  #input(text: string, pointer: string, sight: Sight): void {
    const whole = wholeReference(text)
    if (whole) this.#reference(whole, pointer, sight, "error")
    else this.#text(text, pointer, sight)
  }

  #loop(step: StepDefinition, body: Extract<StepDefinition["body"], { type: "for_each" }>, sight: Sight): void {
    const pointer = `${step.pointer}/for_each`
    this.#input(body.source, pointer, sight)
    const whole = wholeReference(body.source)
    const kind = whole && kindIn(whole, sight.before.get(whole.id))
    if (kind !== undefined && !kind.includes("array"))
      this.#note(
        "error",
        "type-clash",
        `Step ${step.id} goes over ${body.source}, which is declared as ${kind.join(" or ")}, not as an array`,
        pointer,
      )
    const inner = new Map(sight.before).set(body.itemVar, undefined).set(body.indexVar, undefined)
    this.#list(body.steps, inner)
  }

  #text(text: string, pointer: string, sight: Sight): void {
    const names = Object.keys(this.#definition.args)
    for (const found of templatesIn(text)) {
      if (found.type === "reference") this.#reference(found, pointer, sight, "warning")
      else if (!names.includes(found.name)) {
        const [close] = nearWords(found.name, names)
        // A shell has variables of its own that look the same.
        if (close !== undefined)
          this.#note(
            "warning",
            "unknown-argument",
            `There is no argument "${found.name}": did you mean "${close}"?`,
            pointer,
          )
        else if (this.#definition.strict)
          this.#note("warning", "unknown-argument", `The argument "${found.name}" is not declared under args`, pointer)
      }
    }
  }

  #deep(value: unknown, pointer: string, sight: Sight): void {
    if (typeof value === "string") this.#text(value, pointer, sight)
    else if (typeof value === "object" && value !== null)
      for (const [key, one] of Object.entries(value)) this.#deep(one, `${pointer}/${key}`, sight)
  }

  /** `level` of a name that is unknown: where it stays as it is, it may be meant so. */
  #reference(found: Reference, pointer: string, { all, before }: Sight, level: "error" | "warning"): void {
    const text = referenceText(found)
    if (!before.has(found.id)) {
      const later = all.has(found.id)
      // "$1.50" and "$name.json" are for the shell: in texts only what is near a step's name is told of, and what asks for a step's own fields.
      const hint = found.id.length < 3 && level === "warning" ? "" : near(found.id, [...all])
      const isMeant = level === "error" || hint !== "" || STEP_WORDS.includes(found.path[0] ?? "")
      if (later) this.#note(level, "forward-reference", `${text} names a step that has not run by then`, pointer)
      else if (isMeant) this.#note(level, "unknown-reference", `${text} names no step${hint}`, pointer)
      return
    }
    const [first, ...rest] = found.path
    const step = before.get(found.id)
    if (first !== undefined && !RESULT_FIELDS.includes(first)) {
      this.#note("error", "unknown-field", `${text}: a step has no "${first}"${near(first, RESULT_FIELDS)}`, pointer)
      return
    }
    const missing = step && first === "json" ? fieldsOf(step, rest) : undefined
    if (missing)
      this.#note(
        "error",
        "unknown-field",
        `${text}: the declared output of ${found.id} has no "${missing.name}"${near(missing.name, missing.known)}`,
        pointer,
      )
  }

  /** Whatever is pasted into a shell is read by the shell. */
  #injection(step: StepDefinition, line: string, { before }: Sight): void {
    for (const found of templatesIn(line)) {
      const text = found.type === "argument" ? `\${${found.name}}` : referenceText(found)
      const known = found.type === "argument" ? Object.hasOwn(this.#definition.args, found.name) : before.has(found.id)
      if (!known) continue
      const variable = found.type === "argument" ? ` or "$LOBSTER_ARG_${found.name.toUpperCase()}"` : ""
      const message = `Step ${step.id}: ${text} becomes part of the shell's text: use argv, "quote: true"${variable}`
      this.#note("warning", "injection", message, this.#bodyPointer(step, "run", "command"))
    }
  }

  #schema(
    schema: Record<string, unknown>,
    pointer: string,
    otherwise: string,
  ): ((value: unknown) => string | undefined) | undefined {
    try {
      return compileSchema(schema)
    } catch (error) {
      const place = differs(this.#read.locate(pointer), this.#read.locate(otherwise)) ? pointer : otherwise
      this.#note(
        "error",
        "schema",
        `The schema is none: ${error instanceof Error ? error.message : String(error)}`,
        place,
      )
      return undefined
    }
  }

  #sub(step: StepDefinition, body: Extract<StepDefinition["body"], { type: "workflow" }>): void {
    const pointer = `${step.pointer}/workflow`
    if (templatesIn(body.path).length > 0 || this.#around.length >= MAX_DEPTH) return
    const file = resolve(
      this.#definition.file === undefined ? this.#how.cwd : dirname(this.#definition.file),
      body.path,
    )
    let real: string
    let text: string
    try {
      real = realpathSync(file)
      if (this.#how.mayRead?.(real) === false) return
      text = readFileSync(real, "utf8")
    } catch {
      this.#note("error", "no-file", `Step ${step.id}: there is no workflow file ${file}`, pointer)
      return
    }
    const around = [...this.#around, this.#definition.file ?? ""]
    if (around.includes(real)) {
      this.#note("error", "circle", `Step ${step.id}: ${body.path} holds this workflow itself`, pointer)
      return
    }
    const read = this.#seen.get(real) ?? readWorkflow(text, real)
    if (!this.#seen.has(real)) {
      this.#seen.set(real, read)
      for (const problem of checkWorkflow(read, this.#how, around, this.#seen)) this.#problems.push(problem)
    }
    const unused = read.definition ? leftOut(read.definition) : []
    if (unused.length > 0)
      this.#note(
        "warning",
        "left-out",
        `Step ${step.id}: ${unused.join(" and ")} of ${body.path} count only where that file is started by itself`,
        pointer,
      )
    for (const [name, arg] of Object.entries(read.definition?.args ?? {})) {
      const given = Object.hasOwn(body.args, name)
      if (arg.required && !given && arg.default === undefined)
        this.#note("error", "missing", `Step ${step.id}: the argument "${name}" of ${body.path} is missing`, pointer)
      const value = body.args[name]
      if (!given || !arg.schema || (typeof value === "string" && templatesIn(value).length > 0)) continue
      const problem = compileSchema(arg.schema)(value)
      if (problem !== undefined)
        this.#note(
          "error",
          "type-clash",
          `Step ${step.id}: the argument "${name}" of ${body.path}: ${problem}`,
          `${step.pointer}/workflow_args/${name}`,
        )
    }
  }

  #note(level: Problem["level"], code: string, message: string, pointer: string): void {
    const { file } = this.#definition
    this.#problems.push({
      level,
      code,
      message: cut(message, MAX_MESSAGE),
      ...(file === undefined ? {} : { file }),
      place: this.#read.locate(pointer),
      pointer,
    })
  }
}

/** Fields of results that no file name ends in. */
const STEP_WORDS: readonly string[] = ["stdout", "response", "approved", "approvedBy", "skipped", "errorMessage"]

/** What a file within a file has no say about. */
function leftOut({ costLimit, timeoutMs }: Definition): string[] {
  return [...(timeoutMs === undefined ? [] : ["timeout_ms"]), ...(costLimit ? ["cost_limit"] : [])]
}

function differs(a: SourcePlace, b: SourcePlace): boolean {
  return a.line !== b.line || a.column !== b.column
}

function near(word: string, words: readonly string[]): string {
  const [close] = nearWords(word, words)
  return close === undefined ? "" : `: did you mean "${close}"?`
}

/** Steps of a list whose results others can name: the list's own, and the branches of its parallel steps. */
function flatIds(steps: readonly StepDefinition[]): StepDefinition[] {
  return steps.flatMap((step) => [step, ...(step.body.type === "parallel" ? flatIds(step.body.branches) : [])])
}

/** Steps that have ended before step `i` begins, by its needs. */
function reachable(steps: readonly StepDefinition[], i: number): Map<string, StepDefinition> {
  const byId = new Map(steps.map((step, at) => [step.id, { step, at }]))
  const found = new Map<string, StepDefinition>()
  const open = needsOf(steps, i)
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const entry = byId.get(id)
    if (!entry || found.has(id)) continue
    for (const one of flatIds([entry.step])) found.set(one.id, one)
    open.push(...needsOf(steps, entry.at))
  }
  return found
}

function needsOf(steps: readonly StepDefinition[], i: number): string[] {
  return [...(steps[i]?.needs ?? (i === 0 ? [] : [steps[i - 1]!.id]))]
}

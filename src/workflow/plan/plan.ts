// The plan of a workflow: what would run, without running any of it. Files within the file are opened up, loops stand once as a template. What only a
// run can know is named, never guessed.
import { dirname, resolve } from "node:path"
import { cut, estimateTokens } from "../../base/text.ts"
import type { PlannedStep, WorkflowPlan } from "../../protocol/workflow-plan.ts"
import type { Command } from "../command.ts"
import type { Definition, StepDefinition } from "../definition.ts"
import { argumentsOf } from "../engine/arguments.ts"
import { effectOf } from "../engine/effects.ts"
import { commandOf } from "../engine/pipeline.ts"
import { listOf } from "../engine/values.ts"
import { holds, parseCondition, referencesIn } from "../language/condition.ts"
import { parsePipeline } from "../language/grammar.ts"
import { expandArguments } from "../language/template.ts"

const MAX_STEPS = 2_000
const MAX_DEPTH = 8
const MAX_TEXT = 2_000

export interface PlanRoom {
  commands: ReadonlyMap<string, Command>
  cwd: string
  /** A workflow file by its absolute path; undefined: it cannot be read, or may not be. */
  load(file: string): { definition: Definition; real: string } | undefined
  /** US dollars for what goes into a model; null: nobody knows. */
  price?(of: { model: string; inputTokens: number; outputTokens: number }): Promise<number | null>
}

/** Throws INVALID_PARAMS for arguments that do not fit. */
export async function planOf(
  definition: Definition,
  given: Readonly<Record<string, unknown>>,
  room: PlanRoom,
): Promise<WorkflowPlan> {
  const planner = new Planner(room)
  const args = argumentsOf(definition, given)
  const place: Place = { args, prefix: "", file: definition.file, around: definition.file ? [definition.file] : [] }
  const steps = await planner.list(definition.steps, place)
  const onFailure = await planner.list(definition.onFailure, place)
  const last = await planner.list(definition.finally, place)
  const { costLimit, name, timeoutMs } = definition
  return {
    title: name ?? definition.file ?? "workflow",
    args,
    ...{ steps, onFailure, finally: last },
    ...(costLimit ? { costLimit } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    counts: planner.counts,
    usd: planner.usd,
    cut: planner.counts.steps >= MAX_STEPS,
  }
}

/** Each command is a step. */
export async function planOfPipeline(text: string, { commands }: Pick<PlanRoom, "commands">): Promise<WorkflowPlan> {
  const stages = parsePipeline(text)
  const steps = stages.map((stage, i): PlannedStep => {
    const effect = commandOf(stage, commands).effect
    return { path: `pipeline|${i}`, kind: "pipeline", does: cut(stage.raw, MAX_TEXT), runs: "yes", effect }
  })
  const gates = stages.filter((stage) => commandOf(stage, commands).gates).length
  const acting = steps.filter(({ effect }) => effect !== "read").length
  const counts = { steps: steps.length, acting, gates, models: 0 }
  return { title: cut(text, MAX_TEXT), args: {}, steps, onFailure: [], finally: [], counts, usd: 0, cut: false }
}

interface Place {
  args: Readonly<Record<string, unknown>>
  prefix: string
  file: string | undefined
  around: readonly string[]
}

class Planner {
  readonly #room: PlanRoom
  readonly counts = { steps: 0, acting: 0, gates: 0, models: 0 }
  usd = 0

  constructor(room: PlanRoom) {
    this.#room = room
  }

  async list(steps: readonly StepDefinition[], place: Place): Promise<PlannedStep[]> {
    const planned: PlannedStep[] = []
    for (const step of steps) if (this.counts.steps < MAX_STEPS) planned.push(await this.#step(step, place))
    return planned
  }

  async #step(step: StepDefinition, place: Place): Promise<PlannedStep> {
    const path = place.prefix + step.id
    const filled = (text: string) => cut(expandArguments(text, place.args), MAX_TEXT)
    this.counts.steps += 1
    if (step.gate) this.counts.gates += 1
    const effect = actsItself(step)
      ? step.idempotencyKey === undefined
        ? effectOf(step, this.#room.commands)
        : "idempotent"
      : undefined
    if (effect !== undefined && effect !== "read") this.counts.acting += 1
    const cost = await this.#cost(step, place)
    const inside = await this.#inside(step, path, place)
    const { gate, idempotencyKey, needs, onError, retry, stdin, timeoutMs, when } = step
    return {
      path,
      kind: step.kind,
      does: filled(textOf(step)),
      runs: runsOf(when),
      ...(when === undefined ? {} : { when: String(when) }),
      ...(effect === undefined ? {} : { effect }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey: filled(idempotencyKey) }),
      ...(stdin === undefined ? {} : { stdin: filled(typeof stdin === "string" ? stdin : JSON.stringify(stdin)) }),
      ...(gate ? { gate: gateOf(gate) } : {}),
      ...(step.body.type === "for_each" ? { each: eachOf(step.body, place) } : {}),
      ...(needs === undefined ? {} : { needs }),
      ...(retry && retry.max > 1 ? { retry: retry.max } : {}),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(onError === "stop" ? {} : { onError }),
      ...(cost ? { cost } : {}),
      ...inside,
    }
  }

  async #inside(
    step: StepDefinition,
    path: string,
    place: Place,
  ): Promise<Pick<PlannedStep, "steps" | "onFailure" | "finally" | "note">> {
    const { body } = step
    if (body.type === "parallel") return { steps: await this.list(body.branches, place) }
    if (body.type === "for_each") return { steps: await this.list(body.steps, { ...place, prefix: `${path}[*].` }) }
    if (body.type !== "workflow") return {}
    const given = expandArguments(body.path, place.args)
    if (/\$[A-Za-z_{]/.test(given)) return { note: "which file it is, only the run knows" }
    const file = resolve(place.file === undefined ? this.#room.cwd : dirname(place.file), given)
    if (place.around.length > MAX_DEPTH) return { note: "too many files within files to be opened up" }
    const found = this.#room.load(file)
    if (!found) return { note: `${file} cannot be looked at` }
    if (place.around.includes(found.real)) return { note: "it holds this workflow itself" }
    try {
      const args = argumentsOf(found.definition, filledDeep(body.args, place.args) as Record<string, unknown>)
      const around = [...place.around, found.real]
      const inner: Place = { args, prefix: `${path}.`, file: found.real, around }
      const steps = await this.list(found.definition.steps, inner)
      const onFailure = await this.list(found.definition.onFailure, inner)
      const last = await this.list(found.definition.finally, inner)
      return {
        steps,
        ...(onFailure.length > 0 ? { onFailure } : {}),
        ...(last.length > 0 ? { finally: last } : {}),
      }
    } catch (error) {
      return { note: error instanceof Error ? error.message : String(error) }
    }
  }

  /** Agents and models that are named: what they are asked is known, what they answer is not. */
  async #cost({ body }: StepDefinition, place: Place): Promise<PlannedStep["cost"]> {
    const ask = body.type === "agent" ? { model: body.model, text: body.message } : modelStage(body)
    if (!ask) return undefined
    this.counts.models += 1
    if (ask.model === undefined) return undefined
    const model = expandArguments(ask.model, place.args)
    const inputTokens = estimateTokens(expandArguments(ask.text, place.args))
    const usd = (await this.#room.price?.({ model, inputTokens, outputTokens: 0 })) ?? null
    this.usd += usd ?? 0
    return { model, inputTokens, usd }
  }
}

/** A stage of a pipeline that asks a model. */
function modelStage(body: StepDefinition["body"]): { model: string | undefined; text: string } | undefined {
  if (body.type !== "pipeline") return undefined
  try {
    const stage = parsePipeline(body.text).find(({ name }) => name === "llm.invoke" || name === "llm_task.invoke")
    if (!stage) return undefined
    const { model, prompt } = stage.args
    return { model: typeof model === "string" ? model : undefined, text: typeof prompt === "string" ? prompt : "" }
  } catch {
    // It becomes readable only once its templates are filled in.
    return undefined
  }
}

function actsItself({ body }: StepDefinition): boolean {
  return body.type !== "none" && body.type !== "for_each" && body.type !== "parallel" && body.type !== "workflow"
}

function runsOf(when: StepDefinition["when"]): PlannedStep["runs"] {
  if (when === undefined || typeof when === "boolean") return when === false ? "no" : "yes"
  try {
    const condition = parseCondition(when)
    if (referencesIn(condition).length > 0) return "depends"
    return holds(condition, new Map()) ? "yes" : "no"
  } catch {
    // The check has told it.
    return "depends"
  }
}

function gateOf(gate: NonNullable<StepDefinition["gate"]>): PlannedStep["gate"] {
  const { prompt, timeoutMs, type } = gate
  const approver = type === "approval" ? gate.requiredApprover : undefined
  return {
    ...{ type, prompt },
    ...(approver === undefined ? {} : { approver }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
}

function eachOf(body: Extract<StepDefinition["body"], { type: "for_each" }>, place: Place): PlannedStep["each"] {
  const over = cut(expandArguments(body.source, place.args), MAX_TEXT)
  const each = { over, atOnce: body.concurrency }
  try {
    return { ...each, items: listOf(body.source, { args: place.args, results: new Map() }).length }
  } catch {
    // It goes over what a step will have said.
    return each
  }
}

function filledDeep(value: unknown, args: Place["args"]): unknown {
  if (typeof value === "string") return expandArguments(value, args)
  if (Array.isArray(value)) return value.map((one) => filledDeep(one, args))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filledDeep(one, args)]))
}

function textOf({ body, gate }: StepDefinition): string {
  switch (body.type) {
    case "none":
      return gate?.type === "input" ? "asks for data" : "asks for approval"
    case "shell":
      return body.line
    case "argv":
      return body.argv.map((word) => (/^[^\s"']+$/.test(word) ? word : JSON.stringify(word))).join(" ")
    case "pipeline":
      return body.text
    case "workflow":
      return body.path
    case "for_each":
      return `for each of ${body.source}`
    case "parallel":
      return body.wait === "any" ? "side by side, until one succeeds" : "side by side"
    case "tool":
      return `${body.name} ${JSON.stringify(body.args)}`
    case "agent":
      return body.message
    case "http":
      return `${body.method} ${body.url}`
  }
}

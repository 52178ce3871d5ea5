// A workflow as nodes and edges: what follows what, and where values go. With the steps of a run, each node has its status.
import type { RunStep, RunStepStatus, StepKind } from "../../protocol/workflow.ts"
import type { Definition, StepDefinition } from "../definition.ts"
import { parseCondition, referencesIn } from "../language/condition.ts"
import { wholeReference } from "../language/reference.ts"
import { templatesIn } from "../language/template.ts"

export interface GraphNode {
  id: string
  kind: StepKind
  /** What it does, in a line: "run: echo hi". */
  text: string
  isGate: boolean
  status?: RunStepStatus
  /** Branches and the steps of loops. */
  children?: GraphNode[]
}

export interface GraphEdge {
  from: string
  to: string
  /** "next", "needs", "stdin", "for_each", "value", or the condition. */
  label: string
}

export interface Graph {
  title: string
  nodes: GraphNode[]
  edges: GraphEdge[]
}

export function graphOf(definition: Definition, ran: readonly RunStep[] = []): Graph {
  const status = new Map(ran.map((step) => [step.path, step.status]))
  const { steps } = definition
  const ids = new Set(steps.map((step) => step.id))
  const isGraph = steps.some((step) => step.needs !== undefined)
  const edges: GraphEdge[] = []
  for (const [i, step] of steps.entries()) {
    const add = (from: string, label: string) => {
      if (ids.has(from) && from !== step.id) edges.push({ from, to: step.id, label })
    }
    const before = isGraph && step.needs !== undefined ? step.needs : i === 0 ? [] : [steps[i - 1]!.id]
    for (const id of before) add(id, isGraph && step.needs !== undefined ? "needs" : "next")
    for (const { from, label } of valuesOf(step)) add(from, label)
  }
  return { title: definition.name ?? "workflow", nodes: steps.map((step) => nodeOf(step, "", status)), edges }
}

function valuesOf(step: StepDefinition): { from: string; label: string }[] {
  const found: { from: string; label: string }[] = []
  const { body, stdin, when } = step
  if (typeof stdin === "string") for (const from of namesIn(stdin)) found.push({ from, label: "stdin" })
  if (body.type === "for_each") for (const from of namesIn(body.source)) found.push({ from, label: "for_each" })
  if (typeof when === "string") {
    const label = `when: ${when}`
    for (const from of new Set(conditionNames(when))) found.push({ from, label })
  }
  return found
}

function namesIn(text: string): string[] {
  const whole = wholeReference(text)
  if (whole) return [whole.id]
  return [...new Set(templatesIn(text).flatMap((one) => (one.type === "reference" ? [one.id] : [])))]
}

function conditionNames(when: string): string[] {
  try {
    return referencesIn(parseCondition(when)).map((one) => one.id)
  } catch {
    // A condition that cannot be read has a place in the check, not an edge in the picture.
    return []
  }
}

function nodeOf(step: StepDefinition, prefix: string, status: ReadonlyMap<string, RunStepStatus>): GraphNode {
  const path = prefix + step.id
  const { body } = step
  const state = status.get(path)
  const inner = body.type === "parallel" ? body.branches : body.type === "for_each" ? body.steps : []
  const children = inner.map((one) => nodeOf(one, body.type === "parallel" ? prefix : `${path}.`, status))
  return {
    id: step.id,
    kind: step.kind,
    text: textOf(step),
    isGate: step.gate?.type === "approval",
    ...(state ? { status: state } : {}),
    ...(children.length > 0 ? { children } : {}),
  }
}

function textOf({ body, gate }: StepDefinition): string {
  switch (body.type) {
    case "none":
      return gate?.type === "input" ? "input request" : "approval gate"
    case "shell":
      return `run: ${body.line}`
    case "argv":
      return `argv: ${body.argv.join(" ")}`
    case "pipeline":
      return `pipeline: ${body.text}`
    case "workflow":
      return `workflow: ${body.path}`
    case "for_each":
      return `for_each: ${body.source}`
    case "parallel":
      return `parallel (${body.wait})`
    case "tool":
      return `tool: ${body.name}`
    case "agent":
      return `agent: ${body.message}`
    case "http":
      return `http: ${body.method} ${body.url}`
  }
}

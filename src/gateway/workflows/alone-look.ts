// Looking at workflows without a gateway: read, checked, drawn. Readers of files and the check are loaded when a file is there to look at.
import { readFileSync, realpathSync } from "node:fs"
import type { WorkflowPlan } from "../../protocol/workflow-plan.ts"
import { commands } from "../../workflow/commands/index.ts"
import type { Definition } from "../../workflow/definition.ts"
import { commandOf, commandTable } from "../../workflow/engine/pipeline.ts"
import { RunStopped } from "../../workflow/engine/signals.ts"
import { envelopeError } from "../../workflow/failure.ts"
import type { GraphFormat } from "../../workflow/graph/draw.ts"
import type { GraphNode } from "../../workflow/graph/graph.ts"
import { parsePipeline } from "../../workflow/language/grammar.ts"

export interface LookedAt {
  definition: Definition | undefined
  /** One sentence when it may not be run. */
  refusal: string | undefined
  warnings: string[]
}

/** Throws what the file system throws. */
export async function lookAt(file: string, cwd: string): Promise<LookedAt> {
  const [{ checkWorkflow }, { readWorkflow }] = await Promise.all([
    import("../../workflow/check/check.ts"),
    import("../../workflow/file/read.ts"),
  ])
  const read = readWorkflow(readFileSync(file, "utf8"), realpathSync(file))
  const problems = checkWorkflow(read, { commands: commandTable(commands), cwd })
  const errors = problems.filter(({ level }) => level === "error")
  const { definition } = read
  const refusal = errors.length > 0 || !definition ? (errors[0]?.message ?? "The workflow cannot be read") : undefined
  const warnings = problems.filter(({ level }) => level !== "error").map(({ message }) => message)
  return { definition, refusal, warnings }
}

/** The commands of a pipeline. Throws when its text cannot be read, or names a command that is not there. */
export function stagesOf(text: string): string[] {
  const stages = parsePipeline(text)
  for (const stage of stages) commandOf(stage, commandTable(commands))
  return stages.map(({ raw }) => raw)
}

/** A workflow as text. Arguments stand in the labels; those that nobody gave are as they are written. */
export async function drawing(
  definition: Definition,
  format: GraphFormat,
  args: Readonly<Record<string, unknown>>,
): Promise<string> {
  const [{ draw }, { graphOf }] = await Promise.all([
    import("../../workflow/graph/draw.ts"),
    import("../../workflow/graph/graph.ts"),
  ])
  const graph = graphOf(definition)
  const filled = (text: string) =>
    text.replace(/\$\{([A-Za-z0-9_-]+)\}/g, (whole, name: string) => {
      const value = Object.hasOwn(args, name) ? args[name] : definition.args[name]?.default
      if (value === undefined) return whole
      return typeof value === "string" ? value : JSON.stringify(value)
    })
  const shown = (node: GraphNode): GraphNode => ({
    ...node,
    text: filled(node.text),
    ...(node.children ? { children: node.children.map(shown) } : {}),
  })
  return draw({ ...graph, nodes: graph.nodes.map(shown) }, format)
}

/** What it would do. Throws INVALID_PARAMS for arguments that do not fit. */
export async function plan(
  definition: Definition,
  args: Readonly<Record<string, unknown>>,
  cwd: string,
): Promise<WorkflowPlan> {
  const [{ planned }, { priceOf }] = await Promise.all([import("./planned.ts"), import("./alone.ts")])
  return planned({ definition }, args, { cwd, commands, price: priceOf })
}

/** A failure before the run began, as the envelope tells it. */
export const failureOf = envelopeError

/** Why a run is stopped from outside. */
export function stopped(why: string): Error {
  return new RunStopped("canceled", why)
}

export { commands }

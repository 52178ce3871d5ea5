// A line of commands: lazy, one item at a time, up to a gate. Commands that may stop for a human get their items whole, so that they can be
// begun again from there with the same ones.
import { PincerError } from "../../base/errors.ts"
import { nearWords } from "../../base/spelling.ts"
import { excerpt } from "../../base/text.ts"
import type { Command, CommandContext, PipelineStage, StageInput } from "../command.ts"
import { collected, Listed } from "../commands/items.ts"

export interface PipelineEnd {
  items: unknown[]
  /** A command wrote for people and yielded nothing. */
  rendered: boolean
  /** A command stopped the line. */
  halted: boolean
}

export interface PipelineRun {
  stages: readonly PipelineStage[]
  commands: ReadonlyMap<string, Command>
  /** Index of the first stage to run, and its items. */
  from: number
  items: readonly unknown[]
  /** Told the items of a stage that may wait, before it runs. */
  beforeGate(stage: number, items: unknown[]): Promise<void>
  context(stage: number): CommandContext
}

/** Every name by which commands are called. */
export function commandTable(commands: readonly Command[]): Map<string, Command> {
  return new Map(commands.flatMap((one) => [one.name, ...(one.aliases ?? [])].map((name) => [name, one] as const)))
}

/** The command of a stage. Throws NOT_FOUND with the nearest name. */
export function commandOf(stage: PipelineStage, commands: ReadonlyMap<string, Command>): Command {
  const command = commands.get(stage.name)
  if (command) return command
  const [near] = nearWords(stage.name, [...commands.keys()])
  const hint = near === undefined ? 'run "commands.list" for all' : `did you mean "${near}"?`
  throw new PincerError("NOT_FOUND", `Unknown command: ${excerpt(stage.name, 100)}: ${hint}`)
}

export async function runPipeline(run: PipelineRun): Promise<PipelineEnd> {
  const { stages, from } = run
  // Nothing runs before every name is known.
  const found = stages.map((stage) => commandOf(stage, run.commands))
  let items: AsyncIterable<unknown> = stream(run.items)
  let rendered = false
  for (let i = from; i < stages.length; i++) {
    const command = found[i]!
    const input: StageInput = { items, args: stages[i]!.args }
    if (command.gates) {
      const whole = await collected(items)
      await run.beforeGate(i, whole)
      input.items = stream(whole)
    }
    const result = await command.run(input, run.context(i))
    if (result.rendered) rendered = true
    items = stream(result.items ?? [])
    if (result.halt) return { items: await collected(items), rendered, halted: true }
  }
  return { items: await collected(items), rendered, halted: false }
}

/** Handed on as it is where it can be: each hop costs every item a turn. */
function stream(items: Iterable<unknown> | AsyncIterable<unknown>): AsyncIterable<unknown> {
  if (Array.isArray(items)) return new Listed(items)
  return Symbol.asyncIterator in items ? items : oneByOne(items)
}

async function* oneByOne(items: Iterable<unknown>): AsyncGenerator<unknown> {
  for (const item of items) yield item
}

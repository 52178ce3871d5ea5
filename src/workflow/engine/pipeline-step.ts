// A pipeline within a run: its stages before a gate are not done again, since the gate's items are in the journal.
import { resolve } from "node:path"
import type { CommandContext, GateAnswer, PipelineStage } from "../command.ts"
import { parsePipeline } from "../language/grammar.ts"
import type { StepResult } from "../language/reference.ts"
import { charge } from "./cost.ts"
import { answerAt } from "./gate-step.ts"
import { runPipeline } from "./pipeline.ts"
import { addressOf, type RunContext } from "./run-context.ts"
import { jsonOf } from "./values.ts"

export interface PipelinePlace {
  id: string
  env: Readonly<Record<string, string>>
  cwd: string
  items: readonly unknown[]
  signal: AbortSignal
}

export interface PipelineDone {
  /** Made when it is asked for: the text of many items is long. */
  result(): StepResult
  items: unknown[]
  rendered: boolean
}

interface Mark {
  stage: number
  items: unknown[]
  printed: string
}

/** Text of a pipeline with its templates filled in. Throws UnreadableText, GateWaits, and whatever a command throws. */
export async function runPipelineText(
  run: RunContext,
  text: string,
  path: string,
  place: PipelinePlace,
): Promise<PipelineDone> {
  const key = `${path}!stage`
  const marks = await run.log.known<Mark & { text: string }>(key)
  // What stands in the journal is the line as it was when it stopped.
  const stages = parsePipeline(marks?.text ?? text)
  const mark: Mark = marks ?? { stage: 0, items: [...place.items], printed: "" }
  let printed = mark.printed
  const end = await runPipeline({
    stages,
    commands: run.commands,
    from: mark.stage,
    items: mark.items,
    beforeGate: async (stage, items) => {
      if (marks?.stage === stage) return
      run.log.settle(key, "once", { stage, items, printed, text }, [])
    },
    context: (stage) =>
      contextOf(run, stages[stage]!, `${path}|${stage}`, place, (more) => {
        printed += more
        run.print(more)
      }),
  })
  return { ...end, result: () => resultOf(place.id, end.items, printed, end.rendered) }
}

function resultOf(id: string, items: unknown[], printed: string, rendered: boolean): StepResult {
  if (rendered && items.length === 0) {
    const json = jsonOf(printed)
    return json === undefined ? { id, stdout: printed } : { id, stdout: printed, json }
  }
  const json = items.length === 1 ? items[0] : items
  const stdout =
    printed !== "" ? printed : items.every((item) => typeof item === "string") ? items.join("\n") : JSON.stringify(json)
  return { id, stdout, json }
}

function contextOf(
  run: RunContext,
  stage: PipelineStage,
  path: string,
  { cwd, env, signal }: PipelinePlace,
  print: (text: string) => void,
): CommandContext {
  const { ports } = run
  const address = addressOf(run, path)
  let asked = 0
  return {
    env,
    cwd,
    clock: ports.clock,
    signal,
    print,
    warn: (text) => run.warn(`${stage.name}: ${text}`),
    run: (program) => ports.run(program, address, signal, run.warn),
    readText: (path) => ports.readText(resolve(cwd, path), address, signal),
    fetch: (request) => ports.fetch(request, address, signal),
    state: { get: (key) => ports.runs.getState(key), set: (key, value) => ports.runs.setState(key, value) },
    gate: (request): Promise<GateAnswer> => answerAt(run, `${path}:${asked++}`, request),
    model: async (request) => {
      const answer = await ports.model(request, address, signal)
      if (answer.usage) await charge(run, [{ ...answer.usage, model: answer.model }], env)
      return answer
    },
    charge: (spent) => charge(run, [spent], env),
    tool: (name, args) => ports.tool(name, args, address, signal),
    agent: async (request) => {
      const { usage, ...answer } = await ports.agent(request, address, signal)
      if (usage) await charge(run, [usage], env)
      return answer
    },
    commands: () => ports.commands,
  }
}

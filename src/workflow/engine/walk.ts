// Walking through steps: in order, or as their needs allow. Holds nothing that the journal lacks, so a walk can begin again at the top at any
// time: what is done is answered from there.
import type { StepDefinition } from "../definition.ts"
import { holds, parseCondition } from "../language/condition.ts"
import type { StepResult } from "../language/reference.ts"
import { withAttempts } from "./attempts.ts"
import { runBody } from "./body.ts"
import { passGate } from "./gate-step.ts"
import { keep } from "./recall.ts"
import { belowOf, ended, type RunContext, type StepFrame, stopIfTold } from "./run-context.ts"
import { GateWaits, isBeyond, RestSkipped } from "./signals.ts"

/** Steps of one list that run at once, when needs allow it. */
const MAX_AT_ONCE = 8

/** Runs a list of steps. Throws GateWaits once nothing more can go on, and what ended it otherwise. */
export async function runSteps(run: RunContext, steps: readonly StepDefinition[], frame: StepFrame): Promise<void> {
  try {
    if (steps.some((step) => step.needs !== undefined)) await runGraph(run, steps, frame)
    else for (const step of steps) await runStep(run, step, frame)
  } catch (error) {
    if (!(error instanceof RestSkipped)) throw error
  }
}

/** Each step as soon as what it needs has ended. A failure lets what runs come to its end and begins nothing more. */
async function runGraph(run: RunContext, steps: readonly StepDefinition[], frame: StepFrame): Promise<void> {
  const left = new Map(steps.map((step, i) => [step.id, step.needs ?? (i === 0 ? [] : [steps[i - 1]!.id])]))
  const ended = new Set<string>()
  const running = new Map<string, Promise<void>>()
  const waits: GateWaits[] = []
  const failures: unknown[] = []
  for (;;) {
    for (const step of steps) {
      const needs = left.get(step.id)
      if (failures.length > 0 || running.size >= MAX_AT_ONCE) break
      if (!needs?.every((id) => ended.has(id))) continue
      left.delete(step.id)
      const ending = runStep(run, step, frame).then(
        () => void ended.add(step.id),
        (error: unknown) => void (error instanceof GateWaits ? waits.push(error) : failures.push(error)),
      )
      running.set(
        step.id,
        ending.finally(() => running.delete(step.id)),
      )
    }
    if (running.size === 0) break
    await Promise.race(running.values())
  }
  if (failures.length > 0) throw failures[0]
  if (waits.length > 0) throw new GateWaits(waits.flatMap((one) => one.gates))
}

/** Runs one step with its condition, gate, repetitions and what is to happen when it fails; its result is in the frame then. */
export async function runStep(run: RunContext, step: StepDefinition, frame: StepFrame): Promise<void> {
  stopIfTold(run)
  const path = frame.prefix + step.id
  const known = await run.log.known<StepResult>(path)
  if (known && step.gate === undefined) {
    keep(frame, known)
    if (known.error && step.onError === "skip_rest") throw new RestSkipped()
    return
  }
  const failure = known ? undefined : await run.log.failure(path)
  if (failure !== undefined) throw new Error(failure)
  if (!known && !isWanted(step, frame)) {
    const skipped: StepResult = { id: step.id, skipped: true }
    run.log.settle(path, "read", skipped, [ended(path, step.kind, "skipped", 0)])
    frame.results.set(step.id, skipped)
    return
  }
  if (known && (known.skipped || known.error)) {
    keep(frame, known)
    if (known.error && step.onError === "skip_rest") throw new RestSkipped()
    return
  }
  const { clock } = run.ports
  const startedAt = clock.now()
  try {
    const own = known ?? (step.body.type === "none" ? undefined : await withAttempts(run, step, path, frame, runBody))
    const result = step.gate ? await passGate(run, step, step.gate, path, frame, own) : (own ?? { id: step.id })
    keep(frame, result)
  } catch (error) {
    if (isBeyond(error)) throw error
    await failed(run, step, path, frame, error, clock.now() - startedAt)
  }
}

function isWanted(step: StepDefinition, frame: StepFrame): boolean {
  const { when } = step
  if (when === undefined || typeof when === "boolean") return when ?? true
  return holds(parseCondition(when), frame.results)
}

async function failed(
  run: RunContext,
  step: StepDefinition,
  path: string,
  frame: StepFrame,
  error: unknown,
  durationMs: number,
): Promise<void> {
  const message = error instanceof Error ? error.message : String(error)
  const fact = ended(path, step.kind, "failed", durationMs, message)
  if (step.onError === "stop") {
    // What holds this step ends, and says in the same write what becomes of it.
    if (run.signal.aborted) await run.log.tell([fact])
    else await run.log.fail(path, message, belowOf(step, frame.prefix), [fact])
    throw error
  }
  const result: StepResult = { id: step.id, error: true, errorMessage: message }
  run.log.settle(path, "once", result, [fact])
  frame.results.set(step.id, result)
  if (step.onError === "skip_rest") throw new RestSkipped()
}

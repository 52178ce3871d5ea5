// A step's attempts: the intent on disk, the act within its time, the outcome on disk; again after a failure, where the file says so. A step that
// may have acted before a crash is not done again by itself: somebody is asked.
import { compileSchema } from "../../base/json-schema.ts"
import type { Effect } from "../../store/steps.ts"
import type { RetryDefinition, StepDefinition } from "../definition.ts"
import { UnreadableText } from "../failure.ts"
import type { StepResult } from "../language/reference.ts"
import { expand } from "../language/template.ts"
import { charge, chargesOf, checkCost } from "./cost.ts"
import { effectOf } from "./effects.ts"
import { askWhatHappened } from "./gate-step.ts"
import { belowOf, ended, type RunContext, type StepFrame, stopIfTold } from "./run-context.ts"
import { GateWaits, isBeyond, RunStopped } from "./signals.ts"
import { valueOfResult } from "./values.ts"

export type Body = (
  run: RunContext,
  step: StepDefinition,
  path: string,
  frame: StepFrame,
  attempt: Attempt,
) => Promise<StepResult>

export interface Attempt {
  signal: AbortSignal
  /** Template of the file, expanded. */
  idempotencyKey: string | undefined
  /** To be waited for right before whatever acts: that it may have acted is on disk then. */
  begin(): Promise<void>
}

export async function withAttempts(
  run: RunContext,
  step: StepDefinition,
  path: string,
  frame: StepFrame,
  body: Body,
): Promise<StepResult> {
  const key = step.idempotencyKey === undefined ? undefined : expand(step.idempotencyKey, frame)
  const effect = key === undefined ? effectOf(step, run.commands) : "idempotent"
  const earlier = key === undefined ? undefined : await run.log.keyed(key)
  if (earlier !== undefined) return reuse(run, step, path, earlier as StepResult)
  const state = await run.log.state(path)
  if (state.type === "intended" && state.effect === "once") {
    const known = await askWhatHappened(run, step, path)
    if (known) {
      run.log.settle(path, effect, known, [ended(path, step.kind, "completed", 0)])
      return known
    }
  }
  const { clock } = run.ports
  const max = step.retry?.max ?? 1
  for (let n = 1; ; n++) {
    stopIfTold(run)
    const startedAt = clock.now()
    await run.log.tell([{ type: "step.started", path, kind: step.kind, attempt: n }])
    const begin = () => run.log.intend(path, effect)
    try {
      const act = (signal: AbortSignal) => body(run, step, path, frame, { signal, idempotencyKey: key, begin })
      const result = await inTime(run, step, act)
      checkOutput(step, result)
      run.ports.checkpoint("step.acted")
      await charge(run, chargesOf(step, result, frame), frame.env)
      const fact = ended(path, step.kind, "completed", clock.now() - startedAt)
      run.log.settle(path, effect, result, [{ ...fact, ...spilledOf(result) }], key)
      await checkCost(run)
      return result
    } catch (error) {
      // A gate inside: nothing of this step is under way any more, and it goes on from there.
      if (error instanceof GateWaits && effect !== "read") await run.log.forget(path)
      if (isBeyond(error) || n >= max) throw error
      const message = error instanceof Error ? error.message : String(error)
      const pauseMs = pauseOf(step.retry!, n)
      run.warn(`Step ${path}: attempt ${n} of ${max} failed (${message}); again in ${pauseMs} ms`)
      await clock.sleep(pauseMs, run.signal)
      await run.log.forgetOpen(belowOf(step, frame.prefix))
    }
  }
}

function spilledOf({ spilled }: StepResult): Pick<StepResult, "spilled"> {
  return spilled ? { spilled } : {}
}

async function reuse(run: RunContext, step: StepDefinition, path: string, earlier: StepResult): Promise<StepResult> {
  const result = { ...earlier, id: step.id }
  run.log.settle(path, "read", result, [
    ended(path, step.kind, "completed", 0, "A run before this one did it under the same idempotency key"),
  ])
  return result
}

/** A time limit of a step is a failure of this attempt, not of the run. */
async function inTime(
  run: RunContext,
  step: StepDefinition,
  act: (signal: AbortSignal) => Promise<StepResult>,
): Promise<StepResult> {
  const { timeoutMs } = step
  if (timeoutMs === undefined) return act(run.signal)
  const limit = new AbortController()
  const late = new Error(`Step '${step.id}' timed out after ${timeoutMs}ms`)
  const stop = run.ports.clock.after(timeoutMs, () => limit.abort(late))
  const overdue = new Promise<never>((_, reject) =>
    limit.signal.addEventListener("abort", () => reject(late), { once: true }),
  )
  overdue.catch(() => undefined)
  const acting = act(AbortSignal.any([run.signal, limit.signal]))
  try {
    // A workflow ends when it is told to, and what runs at its end is waited for.
    return await (step.body.type === "workflow" ? acting : Promise.race([acting, overdue]))
  } catch (error) {
    if (step.body.type === "workflow") throw error
    if (limit.signal.aborted && !run.signal.aborted && !(error instanceof RunStopped)) throw late
    throw error
  } finally {
    stop()
  }
}

function checkOutput({ id, output }: StepDefinition, result: StepResult): void {
  if (!output?.schema) return
  const problem = compileSchema(output.schema)(valueOfResult(result))
  if (problem !== undefined) throw new UnreadableText(`The output of step ${id} does not fit its schema: ${problem}`)
}

/** Pause after the n-th attempt, ms. */
export function pauseOf(retry: RetryDefinition, n: number, random: () => number = Math.random): number {
  const { backoff, delayMs, jitter, maxDelayMs } = retry
  const base = backoff === "exponential" ? Math.min(maxDelayMs, delayMs * 2 ** (n - 1)) : delayMs
  return Math.round(jitter ? base * (0.9 + random() * 0.2) : base)
}

export type { Effect }

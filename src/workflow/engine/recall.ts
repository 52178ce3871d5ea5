// Results of steps in the frame in which others name them: kept as each ends, and read again from the journal for what runs at the end.
import type { StepDefinition } from "../definition.ts"
import type { StepResult } from "../language/reference.ts"
import { passedKey } from "./gate-step.ts"
import type { RunContext, StepFrame } from "./run-context.ts"

/** Results of a list that was left for good, so that what runs at the end can name them. Begins nothing. */
export async function recall(run: RunContext, steps: readonly StepDefinition[], frame: StepFrame): Promise<void> {
  for (const step of steps) {
    const path = frame.prefix + step.id
    const own = await run.log.known<StepResult>(path)
    const isWhole = step.gate === undefined || own?.skipped || own?.error
    const known = isWhole ? own : await run.log.known<StepResult>(passedKey(path))
    if (known) keep(frame, known)
    if (step.body.type === "parallel") await recall(run, step.body.branches, frame)
  }
}

export function keep(frame: StepFrame, result: StepResult): void {
  frame.results.set(result.id, result)
  if (!result.skipped && !result.error) frame.last.result = result
}

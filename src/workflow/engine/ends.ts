// What runs at the end of a workflow, also of one within another: on_failure after a failure, finally whatever came of it. That the end has begun is
// written down before the first of these steps: whoever takes the run up goes on there, and nowhere before.

import { FAILED, RunFenced } from "../../store/runs.ts"
import type { Definition } from "../definition.ts"
import { envelopeError } from "../failure.ts"
import { recall } from "./recall.ts"
import type { RunContext, StepFrame } from "./run-context.ts"
import { GateWaits, Refused, RunLimit, RunStopped, type WaitingGate } from "./signals.ts"

/** How a workflow was left for what runs at its end. */
export type Over = { type: "completed" } | { type: "failed" | "refused" | "limit"; message: string }

/** Undefined: it was not left for good. */
export function overAfter(error: unknown): Exclude<Over, { type: "completed" }> | undefined {
  if (error instanceof GateWaits || error instanceof RunFenced || error instanceof RunStopped) return undefined
  const { message } = envelopeError(error)
  return { type: error instanceof Refused ? "refused" : error instanceof RunLimit ? "limit" : "failed", message }
}

/** What it was left with, for whoever takes it up at its end. */
export function errorOf({ message, type }: Exclude<Over, { type: "completed" }>): Error {
  if (type === "refused") return new Refused(message)
  return type === "limit" ? new RunLimit(message) : new Error(message)
}

/** All that runs at the end. Throws GateWaits when one of these steps waits for somebody. */
export async function runEnds(
  run: RunContext,
  { finally: last, onFailure }: Pick<Definition, "finally" | "onFailure">,
  type: Over["type"],
  frame: StepFrame,
): Promise<void> {
  const first = type === "failed" || type === "limit" ? onFailure : []
  const waits = (await aftermath(run, first, frame)) ?? (await aftermath(run, last, frame))
  if (waits) throw waits
}

/** Steps that run whatever came of the others; their failures are warnings. Gives the gates that they wait at, also those of steps cut off. */
async function aftermath(
  run: RunContext,
  steps: Definition["finally"],
  frame: StepFrame,
): Promise<GateWaits | undefined> {
  const waits: WaitingGate[] = []
  for (const step of steps) {
    try {
      await run.walk.steps(run, [step], { ...frame, last: { result: undefined } })
    } catch (error) {
      if (error instanceof RunFenced || (error instanceof RunStopped && error.kind !== "timeout")) throw error
      if (error instanceof GateWaits) waits.push(...error.gates)
      run.warn(`Step ${frame.prefix}${step.id}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return waits.length === 0 ? undefined : new GateWaits(waits)
}

/**
 * Walks a workflow within another to its end. `signal`: what cuts off its steps. What runs at its end is cut off only with what is around it, which
 * then has nothing more done.
 */
export async function walkWithEnds(
  run: RunContext,
  definition: Definition,
  frame: StepFrame,
  signal: AbortSignal,
  isNew: boolean,
): Promise<void> {
  const { finally: last, onFailure, steps } = definition
  const ends = [...onFailure, ...last].map(({ id }) => frame.prefix + id)
  if (ends.length === 0) return run.walk.steps({ ...run, signal }, steps, frame)
  const key = `${frame.prefix}${FAILED}`
  const known = await run.log.known<Over>(key)
  let over = known
  if (!over) {
    // It is tried again: what ran at its end before runs at this one, too.
    if (!isNew) await run.log.forgetAll(ends)
    over = await overOf(run, () => run.walk.steps({ ...run, signal }, steps, frame), signal)
    run.log.settle(key, "read", over, [])
  } else await recall(run, steps, frame)
  await runEnds(run, definition, over.type, frame)
  if (over.type !== "completed") throw errorOf(over)
}

/** Throws what leaves it without an end. */
async function overOf(run: RunContext, walk: () => Promise<void>, signal: AbortSignal): Promise<Over> {
  try {
    await walk()
    return { type: "completed" }
  } catch (error) {
    if (run.signal.aborted) throw error
    // Its own time is over: that is the failure, whatever its last step says of it.
    const over = overAfter(signal.aborted ? signal.reason : error)
    if (!over) throw error
    return over
  }
}

// Loops and branches: many at once up to a limit. What waits at a gate does not keep the others from going on.
import type { StepBody, StepDefinition } from "../definition.ts"
import type { StepResult } from "../language/reference.ts"
import { type RunContext, type StepFrame, stopIfTold } from "./run-context.ts"
import { GateWaits, isBeyond } from "./signals.ts"
import { listOf, valueOfResult } from "./values.ts"

const MAX_ITEMS = 100_000

export async function runLoop(
  run: RunContext,
  step: StepDefinition,
  body: Extract<StepBody, { type: "for_each" }>,
  path: string,
  frame: StepFrame,
  signal: AbortSignal,
): Promise<StepResult> {
  const inner: RunContext = { ...run, signal }
  const items = listOf(body.source, frame)
  if (items.length > MAX_ITEMS)
    throw new Error(`for_each of step ${step.id} goes over ${items.length} items: at most ${MAX_ITEMS}`)
  const out: unknown[] = []
  const { batchSize, concurrency, indexVar, itemVar, pauseMs, steps } = body
  await inPool(inner, items.length, concurrency, async (i) => {
    if (pauseMs > 0 && i > 0 && i % batchSize === 0 && !(await run.log.known(`${path}[${i}]!paused`))) {
      await run.ports.clock.sleep(pauseMs, signal)
      run.log.settle(`${path}[${i}]!paused`, "read", true, [])
    }
    const item = items[i]
    const own: StepFrame = {
      ...frame,
      results: new Map(frame.results)
        .set(itemVar, { id: itemVar, json: item, stdout: typeof item === "string" ? item : JSON.stringify(item) })
        .set(indexVar, { id: indexVar, json: i, stdout: String(i) }),
      prefix: `${path}[${i}].`,
      last: { result: undefined },
    }
    await run.walk.steps(inner, steps, own)
    const row: [string, unknown][] = [
      [itemVar, item],
      [indexVar, i],
    ]
    for (const { id } of steps) {
      const result = own.results.get(id)
      if (result && !result.skipped)
        row.push([
          id,
          result.error
            ? { error: true, errorMessage: result.errorMessage }
            : (valueOfResult(result) ?? result.response ?? null),
        ])
    }
    out[i] = Object.fromEntries(row)
  })
  return { id: step.id, json: out }
}

export async function runParallel(
  run: RunContext,
  step: StepDefinition,
  body: Extract<StepBody, { type: "parallel" }>,
  _path: string,
  frame: StepFrame,
  signal: AbortSignal,
): Promise<StepResult> {
  const { branches, concurrency, timeoutMs, wait } = body
  const limit = new AbortController()
  const late = new Error(`Parallel step ${step.id} timed out after ${timeoutMs}ms`)
  const stop = timeoutMs === undefined ? undefined : run.ports.clock.after(timeoutMs, () => limit.abort(late))
  const inner: RunContext = { ...run, signal: AbortSignal.any([signal, limit.signal]) }
  const won = Promise.withResolvers<void>()
  const failures = new Map<string, unknown>()
  try {
    await inPool(inner, branches.length, concurrency, async (i) => {
      const branch = branches[i]!
      try {
        await run.walk.step(inner, branch, { ...frame, last: { result: undefined } })
      } catch (error) {
        if (isBeyond(error) || wait === "all") throw named(error, wait)
        failures.set(branch.id, error)
        return
      }
      if (wait === "any") {
        won.resolve()
        limit.abort(new AnotherWon("Stopped: another branch was enough"))
      }
    })
  } catch (error) {
    if (limit.signal.reason instanceof AnotherWon) return merged(step, branches, frame)
    throw limit.signal.aborted && !signal.aborted ? late : error
  } finally {
    stop?.()
  }
  if (wait === "any" && failures.size === branches.length && branches.length > 0) {
    const told = branches.map(({ id }) => `${id}: ${messageOf(failures.get(id))}`)
    throw new Error(`Parallel branch failed: ${told.join("; ")}`)
  }
  return merged(step, branches, frame)
}

/** The first branch that came to a good end was enough: the others are stopped. */
class AnotherWon extends Error {
  override readonly name = "AnotherWon"
}

function named(error: unknown, wait: "all" | "any"): unknown {
  return wait === "any" || isBeyond(error)
    ? error
    : new Error(`Parallel branch failed: ${messageOf(error)}`, { cause: error })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function merged(step: StepDefinition, branches: readonly StepDefinition[], { results }: StepFrame): StepResult {
  const entries = branches.flatMap(({ id }) => {
    const result = results.get(id)
    const value = result && !result.skipped && !result.error ? (valueOfResult(result) ?? result.response) : undefined
    return value === undefined ? [] : [[id, value] as const]
  })
  return { id: step.id, json: Object.fromEntries(entries) }
}

/** Runs `act` for 0 … count-1. The first failure in this order is thrown once all that began has come to its end; then gates that wait. */
async function inPool(
  run: RunContext,
  count: number,
  atOnce: number,
  act: (i: number) => Promise<void>,
): Promise<void> {
  const failures: { i: number; error: unknown }[] = []
  const waits: { i: number; error: GateWaits }[] = []
  let next = 0
  const worker = async () => {
    while (next < count && failures.length === 0) {
      const i = next
      next += 1
      try {
        stopIfTold(run)
        await act(i)
      } catch (error) {
        if (error instanceof GateWaits) waits.push({ i, error })
        else failures.push({ i, error })
        // One after another means just that: what follows may build on this one.
        if (atOnce === 1) return
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker))
  const first = failures.sort((a, b) => a.i - b.i)[0]
  if (first) throw first.error
  if (waits.length > 0) throw new GateWaits(waits.sort((a, b) => a.i - b.i).flatMap(({ error }) => error.gates))
}

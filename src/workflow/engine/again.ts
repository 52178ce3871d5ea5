// Which steps of a run are done anew when it is tried again from one of them: that one, and whatever comes after it. What holds it is opened again,
// and keeps what else it holds.
import type { StepDefinition } from "../definition.ts"

export interface Again {
  /** With all that lies below. */
  whole: string[]
  /** Only its own outcome. */
  own: string[]
}

export function againFrom(steps: readonly StepDefinition[], from: string): Again {
  const again: Again = { whole: [from], own: [] }
  collect(steps, from, "", again)
  return again
}

/** Whether the step was found here, or below. */
function collect(steps: readonly StepDefinition[], from: string, prefix: string, again: Again): boolean {
  const holder = steps.find((step) => holds(step, from, prefix, again))
  if (!holder) return false
  const path = prefix + holder.id
  if (path !== from) again.own.push(path)
  again.whole.push(...after(steps, holder.id).map((id) => prefix + id))
  return true
}

function holds({ body, id }: StepDefinition, from: string, prefix: string, again: Again): boolean {
  const path = prefix + id
  if (from === path) return true
  if (body.type === "parallel") return collect(body.branches.map(alone), from, prefix, again)
  if (body.type === "for_each" && from.startsWith(`${path}[`)) {
    const item = /^\[\d+\]\./.exec(from.slice(path.length))?.[0]
    if (item !== undefined) collect(body.steps, from, path + item, again)
    return true
  }
  // What a file of its own holds is known only while it runs.
  return body.type === "workflow" && from.startsWith(`${path}.`)
}

/** Branches do not wait for each other. */
function alone(branch: StepDefinition): StepDefinition {
  return { ...branch, needs: [] }
}

/** Ids of the steps that wait for this one, and for those. */
function after(steps: readonly StepDefinition[], id: string): string[] {
  const isGraph = steps.some((step) => step.needs !== undefined)
  if (!isGraph) return steps.slice(steps.findIndex((step) => step.id === id) + 1).map((step) => step.id)
  const found = new Set([id])
  for (let size = 0; size < found.size; ) {
    size = found.size
    for (const [i, step] of steps.entries()) {
      const needs = step.needs ?? (i === 0 ? [] : [steps[i - 1]!.id])
      if (needs.some((need) => found.has(need))) found.add(step.id)
    }
  }
  found.delete(id)
  return [...found]
}

// A plan as lines for people.
import { excerpt } from "../base/text.ts"
import type { PlannedStep, WorkflowPlan } from "../protocol/workflow-plan.ts"

const MAX_LINE = 160

export function planLines(plan: WorkflowPlan): string[] {
  const { args, counts, costLimit, cut, timeoutMs, usd } = plan
  const facts = [
    count(counts.steps, "step"),
    `${counts.acting} of them ${counts.acting === 1 ? "acts" : "act"}`,
    count(counts.gates, "gate"),
    ...(counts.models > 0 ? [`${count(counts.models, "model call")}${usd > 0 ? `, from ${money(usd)} on` : ""}`] : []),
    ...(costLimit ? [`${costLimit.action === "stop" ? "stops" : "warns"} at $${costLimit.maxUsd}`] : []),
    ...(timeoutMs === undefined ? [] : [`at most ${timeoutMs} ms`]),
  ]
  const given = Object.entries(args).map(([name, value]) => `  ${name} = ${excerpt(JSON.stringify(value) ?? "", 100)}`)
  return [
    `${plan.title}: ${facts.join(", ")}`,
    ...given,
    ...stepLines(plan.steps, "", ""),
    ...endLines(plan, "", ""),
    ...(cut ? ["There are more steps than are shown."] : []),
  ]
}

/** What is done at the end of a workflow, or of one within it. */
function endLines(
  { finally: last = [], onFailure = [] }: Pick<PlannedStep, "finally" | "onFailure">,
  number: string,
  indent: string,
): string[] {
  const part = (title: string, steps: readonly PlannedStep[], mark: string) =>
    steps.length === 0 ? [] : [`${indent}${title}`, ...stepLines(steps, `${number}${mark}`, indent)]
  return [...part("When it fails:", onFailure, "f"), ...part("In the end, whatever came of it:", last, "e")]
}

function stepLines(steps: readonly PlannedStep[], number: string, indent: string): string[] {
  return steps.flatMap((step, i) => {
    const own = `${number}${i + 1}`
    const id = step.path.slice(step.path.lastIndexOf(".") + 1)
    const notes = notesOf(step)
    return [
      excerptKept(`${indent}${own}. ${id} (${step.kind}): ${excerpt(step.does, MAX_LINE)}`),
      ...(notes.length > 0 ? [`${indent}   ${notes.join("; ")}`] : []),
      ...stepLines(step.steps ?? [], `${own}.`, `${indent}   `),
      ...endLines(step, `${own}.`, `${indent}   `),
    ]
  })
}

function excerptKept(line: string): string {
  return line.replace(/[\r\n]+/g, " ")
}

const EFFECTS = {
  read: "only reads",
  idempotent: "may be done again",
  once: "acts: never done again unasked",
} as const

function notesOf(step: PlannedStep): string[] {
  const { cost, each, effect, gate, idempotencyKey, needs, note, onError, retry, runs, stdin, timeoutMs, when } = step
  return [
    ...(runs === "no" ? ["left out"] : []),
    ...(when !== undefined && runs !== "yes" ? [`when ${excerpt(when, 80)}`] : []),
    ...(effect === undefined ? [] : [EFFECTS[effect]]),
    ...(idempotencyKey === undefined ? [] : [`key ${excerpt(idempotencyKey, 60)}`]),
    ...(gate
      ? [`${gate.type} “${excerpt(gate.prompt, 80)}”${gate.approver === undefined ? "" : ` by ${gate.approver}`}`]
      : []),
    ...(each
      ? [`${each.items === undefined ? "items not known yet" : count(each.items, "item")}, ${each.atOnce} at once`]
      : []),
    ...(needs === undefined ? [] : [`after ${needs.join(", ") || "nothing"}`]),
    ...(stdin === undefined ? [] : [`reads ${excerpt(stdin, 60)}`]),
    ...(retry === undefined ? [] : [`up to ${retry} attempts`]),
    ...(timeoutMs === undefined ? [] : [`at most ${timeoutMs} ms`]),
    ...(onError === undefined
      ? []
      : [onError === "continue" ? "goes on after a failure" : "ends well after a failure"]),
    ...(cost
      ? [
          `${cost.model}: ${cost.inputTokens} tokens in${cost.usd === null ? ", price not known" : `, ${money(cost.usd)}`}`,
        ]
      : []),
    ...(note === undefined ? [] : [note]),
  ]
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`
}

function money(usd: number): string {
  return usd > 0 && usd < 0.0001 ? "less than $0.0001" : `$${usd.toFixed(4)}`
}

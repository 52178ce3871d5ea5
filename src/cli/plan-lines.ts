// Plans and changed files as lines, and as they come from the gateway. A plan is shown again only when it reads differently.
import { isObject } from "../base/json.ts"
import type { Plan, PlanEntry } from "../protocol/plan.ts"
import { inertLine } from "./inert.ts"

export interface FileChange {
  path: string
  added: number
  removed: number
}

const MARKS: Readonly<Record<PlanEntry["status"], string>> = { completed: "☑", in_progress: "◐", pending: "☐" }
/** Plans that are remembered. */
const MAX_PLANS = 100

export class PlanLines {
  readonly #shown = new Map<string, string>()

  /** One line an entry; none when nothing of it is new. */
  changed(planId: string, plan: Plan | null): string[] {
    const lines = plan ? linesOf(plan) : []
    const text = lines.join("\n")
    if (text === (this.#shown.get(planId) ?? "")) return []
    this.#shown.set(planId, text)
    if (this.#shown.size > MAX_PLANS) this.#shown.delete(this.#shown.keys().next().value!)
    return lines
  }
}

function linesOf({ entries, file, markdown }: Plan): string[] {
  if (entries.length > 0) return entries.map(({ content, status }) => `${MARKS[status]} ${inertLine(content)}`)
  const text = markdown ?? (file === undefined ? "" : `Plan: ${file}`)
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map(inertLine)
}

export function changeWords({ added, path, removed }: FileChange): string {
  return `${inertLine(path)}  +${added}/-${removed}`
}

export function planOf(value: unknown): Plan | null {
  if (!isObject(value)) return null
  const { entries, file, markdown, planId } = value
  return {
    planId: typeof planId === "string" ? planId : "",
    entries: Array.isArray(entries) ? entries.flatMap(entryOf) : [],
    ...(typeof markdown === "string" ? { markdown } : {}),
    ...(typeof file === "string" ? { file } : {}),
  }
}

function entryOf(value: unknown): PlanEntry[] {
  if (!isObject(value) || typeof value["content"] !== "string") return []
  const { content, priority, status } = value
  return [
    {
      content,
      priority: priority === "high" || priority === "low" ? priority : "medium",
      status: status === "completed" || status === "in_progress" ? status : "pending",
    },
  ]
}

export function changesOf(value: unknown): FileChange[] {
  if (!Array.isArray(value)) return []
  return value.filter(isObject).flatMap(({ added, path, removed }) => {
    if (typeof path !== "string" || typeof added !== "number" || typeof removed !== "number") return []
    return [{ path, added, removed }]
  })
}

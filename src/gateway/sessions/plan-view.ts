// A stored plan as it is shown: its goal, its steps, how it stands. Pure but for the look at what runs.
import { excerpt } from "../../base/text.ts"
import { textOf } from "../../protocol/message.ts"
import type { Plan, PlanEntry } from "../../protocol/plan.ts"
import type { PlanRow } from "../../store/store.ts"
import type { Parts } from "../parts.ts"

export type PlanStatus = "pending" | "running" | "paused" | "completed" | "failed"

export interface PlanStep {
  /** From 1. */
  id: string
  description: string
  status: PlanEntry["status"]
  priority: PlanEntry["priority"]
}

export interface PlanView {
  id: string
  goal: string
  status: PlanStatus
  steps: PlanStep[]
  /** Of the first step that is not done; the number of steps when all are. */
  currentStepIndex: number
  /** How often it was told. */
  iterationCount: number
  createdAt: number
  updatedAt: number
  sessionKey: string
  agentId: string
  runId: string
  /** As the agent keeps it, where it keeps it as text. */
  markdown?: string
  file?: string
}

const GOAL_CHARS = 200

export async function planView(row: PlanRow, parts: Parts): Promise<PlanView> {
  const { plan } = row
  const steps = stepsOf(plan).map((one, i): PlanStep => {
    const { content: description, priority, status } = one
    return { id: String(i + 1), description, status, priority }
  })
  const open = steps.findIndex(({ status }) => status !== "completed")
  return {
    id: row.id,
    goal: await goalOf(row, parts),
    status: await statusOf(row, steps, parts),
    steps,
    currentStepIndex: open < 0 ? steps.length : open,
    iterationCount: row.revision,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    sessionKey: row.sessionKey,
    agentId: row.agentId,
    runId: row.turnId,
    ...(plan.markdown === undefined ? {} : { markdown: plan.markdown }),
    ...(plan.file === undefined ? {} : { file: plan.file }),
  }
}

const CHECKBOX = /^\s*(?:[-*+]|\d+[.)])\s+\[([ xX~-])\]\s+(.+)$/

/** Entries, or the boxes to tick in a plan that is kept as Markdown. */
export function stepsOf({ entries, markdown = "" }: Plan): PlanEntry[] {
  if (entries.length > 0) return entries
  return markdown.split("\n").flatMap((line): PlanEntry[] => {
    const [, mark, content] = CHECKBOX.exec(line) ?? []
    if (mark === undefined || content === undefined) return []
    const status = /x/i.test(mark) ? "completed" : mark === " " ? "pending" : "in_progress"
    return [{ content: content.trim(), priority: "medium", status }]
  })
}

async function statusOf(row: PlanRow, steps: readonly PlanStep[], { lanes, store }: Parts): Promise<PlanStatus> {
  if (row.done || (steps.length > 0 && steps.every(({ status }) => status === "completed"))) return "completed"
  if (lanes.active(row.sessionKey).some(({ status }) => status !== "queued")) return "running"
  const [last] = await store.turns.list({ sessionKey: row.sessionKey, limit: 1 })
  if (last?.turnId === row.turnId && (last.status === "failed" || last.status === "timeout")) return "failed"
  return steps.length > 0 && steps.every(({ status }) => status === "pending") ? "pending" : "paused"
}

/** What the user had asked for when it was declared; else what the session is called. */
async function goalOf({ sessionKey, turnId }: PlanRow, { store }: Parts): Promise<string> {
  const turn = await store.turns.get(turnId)
  const said = turn ? textOf(turn.request.input).trim() : ""
  if (said !== "" && !said.startsWith(GO_ON)) return excerpt(said, GOAL_CHARS)
  const session = await store.sessions.get(sessionKey)
  return session?.label ?? session?.name ?? session?.title ?? ""
}

const GO_ON = "Go on with the plan."

/** What the agent is told when somebody takes the plan up again. */
export function goOnText(view: PlanView): string {
  const left = view.steps.filter(({ status }) => status !== "completed")
  const done = view.steps.length - left.length
  const intro = done === 0 ? GO_ON : `${GO_ON} ${done} of its ${view.steps.length} steps are done.`
  if (left.length === 0) return `${intro}\n\n${view.markdown ?? view.file ?? ""}`.trim()
  const list = left.map(({ description, status }) => `- ${description}${status === "in_progress" ? " (begun)" : ""}`)
  return `${intro} What is left:\n${list.join("\n")}`
}

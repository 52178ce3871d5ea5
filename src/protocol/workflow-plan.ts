// What a workflow would do, said before it does anything: its steps with their texts filled in as far as that can be known, what they do to the
// world, where people are asked, what it may cost.
import type { StepKind } from "./workflow.ts"

export interface PlannedStep {
  /** Where it will stand in a run; "[*]" stands for each item of a loop. */
  path: string
  kind: StepKind
  /** What it does; arguments are filled in, values of steps are named. */
  does: string
  /** "depends": its condition looks at values that are not known yet. */
  runs: "yes" | "no" | "depends"
  when?: string
  /** What doing it twice would mean; absent for what only holds other steps. */
  effect?: "read" | "idempotent" | "once"
  idempotencyKey?: string
  stdin?: string
  gate?: { type: "approval" | "input"; prompt: string; approver?: string; timeoutMs?: number }
  /** Of a loop: what it goes over, how many items that are when it is known, how many at once. */
  each?: { over: string; items?: number; atOnce: number }
  needs?: string[]
  retry?: number
  timeoutMs?: number
  onError?: "continue" | "skip_rest"
  /** What is known of its price: what goes in; the answer comes on top. */
  cost?: { model: string; inputTokens: number; usd: number | null }
  /** What cannot be said, and why. */
  note?: string
  /** Of a loop once, as a template; branches; the steps of a file within the file. */
  steps?: PlannedStep[]
  /** Of a file within the file: what is done after its failure, and in its end. */
  onFailure?: PlannedStep[]
  finally?: PlannedStep[]
}

export interface WorkflowPlan {
  title: string
  args: Record<string, unknown>
  steps: PlannedStep[]
  onFailure: PlannedStep[]
  finally: PlannedStep[]
  costLimit?: { maxUsd: number; action: "warn" | "stop" }
  timeoutMs?: number
  /** Of all steps, those within others included. */
  counts: { steps: number; acting: number; gates: number; models: number }
  /** Of the steps whose price is known, each once: what goes in. */
  usd: number
  /** There are more steps than are shown. */
  cut: boolean
}

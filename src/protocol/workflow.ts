// Workflow runs as the wire knows them: the tool envelope that Lobster's callers read, and what is told beside it.

export const RUN_STATUSES = [
  "running",
  /** A gate waits: an approval or an input. */
  "waiting",
  "completed",
  "failed",
  "canceled",
  /** A step that may have acted was cut off: somebody must say whether it did. */
  "uncertain",
] as const
export type RunStatus = (typeof RUN_STATUSES)[number]

/** Nothing more happens, unless somebody has it tried again. */
export function isFinalRun(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "canceled"
}

export const STEP_STATUSES = [
  "pending",
  "running",
  "waiting",
  "completed",
  "skipped",
  "failed",
  "canceled",
  "uncertain",
] as const
export type RunStepStatus = (typeof STEP_STATUSES)[number]

/** One line of what happened: every step that began, in the order in which they began. */
export interface RunStep {
  /** "fetch", "each[3].send", "both.left": where it stands, by ids. */
  path: string
  kind: StepKind
  status: RunStepStatus
  attempts: number
  startedAt: number | null
  endedAt: number | null
  /** Why it failed, was skipped or is uncertain. */
  message?: string
  /** Where its output lies when it was too long to be kept in the result. */
  spilled?: Spilled
}

export interface Spilled {
  file: string
  bytes: number
}

export const STEP_KINDS = [
  "shell",
  "argv",
  "pipeline",
  "workflow",
  "for_each",
  "parallel",
  "approval",
  "input",
  "tool",
  "agent",
  "http",
] as const
export type StepKind = (typeof STEP_KINDS)[number]

/** What is known of one run. */
export interface RunRecord {
  runId: string
  /** Name of the workflow, its file, or the pipeline's text. */
  title: string
  /** Absolute path of the file it was started from; absent for a pipeline. */
  file?: string
  status: RunStatus
  args: Record<string, unknown>
  cwd: string
  startedAt: number
  endedAt: number | null
  /** Times it was started or resumed. */
  attempt: number
  steps: RunStep[]
  /** Who started it. */
  startedBy: string
  error?: EnvelopeError
}

export interface ApprovalRequest {
  type: "approval_request"
  prompt: string
  items: unknown[]
  preview?: string
  initiatedBy?: string
  requiredApprover?: string
  requireDifferentApprover?: boolean
  resumeToken: string
  /** Eight hex digits: a token that people can type. */
  approvalId?: string
}

export interface InputRequest {
  type: "input_request"
  prompt: string
  responseSchema: unknown
  defaults?: unknown
  subject?: unknown
  resumeToken: string
  approvalId?: string
}

export interface EnvelopeError {
  type: "parse_error" | "runtime_error" | "doctor_error"
  message: string
}

/** What tool mode prints: Lobster's fields unchanged, ours beside them (`runId`, `steps`, `counts`, `problems`). */
export type Envelope =
  | ({
      protocolVersion: 1
      ok: true
      status: "ok" | "needs_approval" | "needs_input" | "cancelled"
      output: unknown[]
      requiresApproval: ApprovalRequest | null
      requiresInput: InputRequest | null
    } & EnvelopeExtras)
  | ({ protocolVersion: 1; ok: false; error: EnvelopeError } & EnvelopeExtras)

export interface EnvelopeExtras {
  runId?: string
  steps?: Pick<RunStep, "path" | "kind" | "status" | "attempts" | "message">[]
  /** Steps by status. */
  counts?: Partial<Record<RunStepStatus, number>>
  /** Outputs that were too long: where the whole text lies. */
  spilled?: { path: string; bytes: number; file: string }[]
}

/** Facts of a run, for whoever watches. `seq` counts per run, from 1. */
export type RunEvent = { runId: string; seq: number; at: number } & (
  | { type: "run.started"; title: string; attempt: number }
  | { type: "step.started"; path: string; kind: StepKind; attempt: number }
  | {
      type: "step.ended"
      path: string
      kind: StepKind
      status: RunStepStatus
      durationMs: number
      message?: string
      spilled?: Spilled
    }
  | { type: "run.waiting"; path: string; gate: "approval" | "input"; prompt: string; expiresAt: number | null }
  | { type: "run.ended"; status: RunStatus; error?: EnvelopeError }
)

/** What the facts of a run say of its steps, in the order in which each first began. */
export function foldSteps(events: readonly RunEvent[]): RunStep[] {
  const steps = new Map<string, RunStep>()
  for (const event of events) {
    if (event.type === "run.waiting") {
      const step = steps.get(event.path)
      if (step) steps.set(event.path, { ...step, status: "waiting" })
    }
    if (event.type !== "step.started" && event.type !== "step.ended") continue
    const { path, kind, at } = event
    const known = steps.get(path) ?? { path, kind, status: "pending", attempts: 0, startedAt: null, endedAt: null }
    if (event.type === "step.started") {
      const { message: _, spilled: __, ...rest } = known
      steps.set(path, {
        ...rest,
        status: "running",
        attempts: event.attempt,
        startedAt: known.startedAt ?? at,
        endedAt: null,
      })
    } else
      steps.set(path, {
        ...known,
        status: event.status,
        startedAt: known.startedAt ?? at - event.durationMs,
        endedAt: at,
        ...(event.message === undefined ? {} : { message: event.message }),
        ...(event.spilled === undefined ? {} : { spilled: event.spilled }),
      })
  }
  return [...steps.values()]
}

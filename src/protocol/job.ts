// Jobs: durable work that nobody waits for (IM-JOB). A job owns one or more attempts, each of them a turn; what happened is the
// job's own few facts and the recorded events of those turns. Words of the wire: snake_case, times in RFC 3339.
import type { Permissions } from "./permission.ts"
import type { Sampling } from "./turn.ts"

export const JOB_STATUSES = ["queued", "running", "completed", "failed", "canceled"] as const
export type JobStatus = (typeof JOB_STATUSES)[number]

/** What may follow what (IM-JOB-02). Running becomes queued again when another attempt was asked for beforehand. */
const NEXT: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  queued: ["running", "canceled"],
  running: ["completed", "failed", "canceled", "queued"],
  completed: [],
  failed: ["queued"],
  canceled: [],
}

export function mayBecome(from: JobStatus, to: JobStatus): boolean {
  return NEXT[from].includes(to)
}

/** Nothing happens to it any more, unless somebody retries it. */
export function isJobEnd(status: JobStatus): status is "completed" | "failed" | "canceled" {
  return status === "completed" || status === "failed" || status === "canceled"
}

/** What becomes of a job that a crash or restart cut off: it has failed, or its turn goes on from what is recorded. */
export const JOB_INTERRUPTS = ["fail", "resume"] as const
export type JobInterrupt = (typeof JOB_INTERRUPTS)[number]

/** Everything a job needs, as plain data; the prompt is kept beside it. */
export interface JobRequest {
  agentId: string
  sessionKey: string
  /** The session was made for this job and goes with it. */
  ownSession: boolean
  model?: string
  thinking?: Sampling["thinking"]
  cwd?: string
  /** Wall time of one attempt; 0 for none, absent for the agent's. */
  timeoutMs?: number
  priority: number
  maxAttempts: number
  /** Pause before the second attempt; doubled for each further one. */
  backoffMs: number
  onInterrupt: JobInterrupt
  permissions?: Permissions
  /** As in TurnRequest. */
  agentCommand?: string[]
  hosted?: { idleMs?: number }
  callback?: { url: string; secret: string }
  /** As in Submission (jobs/job.ts). */
  door?: "schedule"
  clientId: string
}

export interface JobError {
  /** ErrorCode word. */
  code: string
  message: string
  /** "interrupted", "timeout", or the kind of a model service's failure. */
  reason?: string
}

/** What happened to a job beside its turns, numbered from 1 within the job. */
export type JobFact =
  | { type: "job.queued"; why: "submitted" | "retried" }
  /** An attempt failed and another one follows. */
  | { type: "job.queued"; why: "attempt-failed"; attempt: number; error: JobError; notBefore: number }
  /** `seq`: the last event of that session before the attempt; its own come after it. */
  | { type: "job.started"; attempt: number; turnId: string; sessionId: string | null; seq: number }
  | { type: "job.completed" }
  | { type: "job.failed"; error: JobError }
  | { type: "job.canceled" }

export interface RecordedFact {
  n: number
  at: number
  fact: JobFact
}

/** What is stored of a job. */
export interface JobRecord {
  id: string
  /** Order of submission. */
  n: number
  /** Order of work among those that have not ended. */
  rank: number
  status: JobStatus
  prompt: string
  request: JobRequest
  /** Attempts that were begun. */
  attempt: number
  /** Attempts that were begun when somebody last retried it: those before do not count any more. */
  roundFrom: number
  /** Not to be begun before; null for at once. */
  notBefore: number | null
  idempotencyKey: string | null
  createdAt: number
  startedAt: number | null
  finishedAt: number | null
  error: JobError | null
  callback: { state: "none" | "waiting" | "delivered" | "given-up"; tries: number }
}

/** The turn that is an attempt of a job. */
export function attemptTurn(jobId: string, attempt: number): string {
  return `${jobId}.${attempt}`
}

/** A line of a job's log as the wire has it (IM-JOB-07). */
export interface JobLogLine {
  timestamp: string
  level: "info" | "warn" | "error"
  message: string
}

/** A job as the wire has it. Lists leave result, error and logs out. */
export interface WireJob {
  id: string
  status: JobStatus
  prompt: string
  prompt_truncated?: true
  agent_name: string
  session_key: string
  priority: number
  attempt: number
  max_attempts: number
  timeout?: number
  idempotency_key?: string
  created_at: string
  started_at?: string
  finished_at?: string
  /** Of a job that waits before another attempt. */
  not_before?: string
  result?: string
  /** Characters of the whole result; more than `result` has when that was cut. */
  result_size?: number
  result_truncated?: true
  error?: string
  error_code?: string
  error_reason?: string
  callback?: { url: string; state: string; tries: number; secret?: string }
  logs?: JobLogLine[]
}

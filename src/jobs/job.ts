// The contract of this room: what a door may ask of jobs, and what the room needs from outside.
import type { Lanes } from "../agent/agent.ts"
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Redactor } from "../base/redact.ts"
import type { JobInterrupt, JobRecord } from "../protocol/job.ts"
import type { Permissions } from "../protocol/permission.ts"
import type { Sampling, TurnRequest } from "../protocol/turn.ts"
import type { Books } from "../store/open.ts"

/** What somebody asks for. The door has checked agent, model, folder and permissions. */
export interface Submission {
  prompt: string
  agentId: string
  /** Absent: a session of its own. */
  sessionKey?: string
  model?: string
  thinking?: Sampling["thinking"]
  cwd?: string
  /** Wall time of one attempt; 0 for none. */
  timeoutMs?: number
  priority?: number
  maxAttempts?: number
  onInterrupt?: JobInterrupt
  permissions?: Permissions
  callback?: { url: string; secret?: string }
  agentCommand?: string[]
  hosted?: TurnRequest["hosted"]
  idempotencyKey?: string
  /** The clock handed it in, and nobody is there to be asked. Default: whoever the client is. */
  door?: "schedule"
  clientId: string
}

export interface JobSettings {
  maxConcurrent: number
  maxQueued: number
  maxAttempts: number
  backoffMs: number
  maxBackoffMs: number
  onInterrupt: JobInterrupt
  /** What an agent allows of its own accord; the caller's word goes before. */
  agents: Readonly<Record<string, { onInterrupt?: JobInterrupt; maxAttempts?: number }>>
  keepDays: number
  callback: CallbackSettings
}

export interface CallbackSettings {
  timeoutMs: number
  maxTries: number
  backoffMs: number
  /** "host" or "host:port" entries that may be private addresses. */
  allowHosts: readonly string[]
}

export interface JobPorts {
  books: Pick<Books, "jobs" | "turns" | "sessions">
  lanes: Lanes
  settings: JobSettings
  clock: Clock
  log: Logger
  /** For what is told outside: callbacks. Doors see to their own. */
  redactor: Redactor
}

/** Since the start of the gateway, and now. */
export interface JobFigures {
  submitted: number
  completed: number
  failed: number
  canceled: number
  /** Attempts that failed and were followed by another one, and retries that were asked for. */
  retried: number
  callbacksDelivered: number
  callbacksGivenUp: number
  queued: number
  running: number
  /** From the beginning of the first attempt to the end, ms; jobs that have ended. */
  durationMs: { count: number; sum: number }
}

export interface Submitted {
  record: JobRecord
  duplicate: boolean
}

// A run, its gates and its holder as the tables have them, and as everybody else does.
import { type EnvelopeError, foldSteps, type RunEvent, type RunRecord, type RunStatus } from "../protocol/workflow.ts"
import type { Row } from "./database.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"

/** A RunEvent before it has its number. */
export type RunFact = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, "runId" | "seq" | "at"> : never) : never

export interface NewRun {
  runId: string
  title: string
  file?: string
  args: Record<string, unknown>
  cwd: string
  startedBy: string
  /** Whatever the engine needs to go on with it in another process. */
  settings: Record<string, unknown>
  definition: unknown
}

/** The process that runs it: a process id alone may be somebody else's by now. */
export interface Holder {
  pid: number
  /** When that process was born, in whatever words the system has. */
  birth: string
}

export interface RunFence {
  readonly runId: string
  readonly epoch: number
}

export interface StoredRun {
  record: RunRecord
  settings: Record<string, unknown>
  definition: unknown
  output: unknown[] | null
  holder: Holder | null
}

export interface GateRow {
  /** Eight hex digits. */
  id: string
  token: string
  runId: string
  path: string
  status: "waiting" | "answered" | "expired" | "canceled"
  request: Record<string, unknown>
  answer: Record<string, unknown> | null
  createdAt: number
  expiresAt: number | null
  answeredAt: number | null
}

export interface RunFilter {
  status?: readonly RunStatus[]
  /** Part of the title, the file or the id. */
  search?: string
  limit: number
  offset?: number
}

export function decodeRecord(row: Row, events: readonly RunEvent[]): RunRecord {
  const file = textOrNull(row, "file")
  return {
    runId: text(row, "id"),
    title: text(row, "title"),
    ...(file === null ? {} : { file }),
    status: text(row, "status") as RunStatus,
    args: json(row, "args"),
    cwd: text(row, "cwd"),
    startedAt: int(row, "started_at"),
    endedAt: intOrNull(row, "ended_at"),
    attempt: int(row, "attempt"),
    steps: foldSteps(events),
    startedBy: text(row, "started_by"),
    ...(row["error"] === null ? {} : { error: json<EnvelopeError>(row, "error") }),
  }
}

export function decodeGate(row: Row): GateRow {
  return {
    id: text(row, "id"),
    token: text(row, "token"),
    runId: text(row, "run_id"),
    path: text(row, "path"),
    status: text(row, "status") as GateRow["status"],
    request: json(row, "request"),
    answer: row["answer"] === null ? null : json(row, "answer"),
    createdAt: int(row, "created_at"),
    expiresAt: intOrNull(row, "expires_at"),
    answeredAt: intOrNull(row, "answered_at"),
  }
}

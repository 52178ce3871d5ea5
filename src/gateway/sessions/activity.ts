// What agents did, as metadata alone: runs that began and ended, from the turns, and calls of tools, from the audit. Two lists, each read
// from its end, told as one; a place in both is where a next page goes on. Bounded by what is looked at, not only by what is found.
import { PincerError } from "../../base/errors.ts"
import type { AuditRecord } from "../../protocol/audit.ts"
import type { TurnStatus } from "../../protocol/turn.ts"
import type { TurnTrace } from "../../store/store.ts"
import type { Parts } from "../parts.ts"

export const ACTIVITY_STATUSES = [
  "started",
  "succeeded",
  "failed",
  "cancelled",
  "timed_out",
  "blocked",
  "unknown",
] as const
export type ActivityStatus = (typeof ACTIVITY_STATUSES)[number]
export const ACTIVITY_KINDS = ["agent_run", "tool_action"] as const

export interface ActivityFilter {
  agentId?: string | undefined
  sessionKey?: string | undefined
  runId?: string | undefined
  kind?: (typeof ACTIVITY_KINDS)[number] | "message" | undefined
  status?: ActivityStatus | undefined
  /** ms since 1970, both exclusive. */
  after?: number | undefined
  before?: number | undefined
  cursor?: string | undefined
  limit: number
}

export interface Deed {
  eventType: (typeof ACTIVITY_KINDS)[number]
  schemaVersion: 1
  eventId: string
  sequence: number
  sourceSequence: number
  occurredAt: number
  kind: (typeof ACTIVITY_KINDS)[number]
  action: "agent.run.started" | "agent.run.finished" | "tool.action.finished"
  status: ActivityStatus
  errorCode?: string
  actor: { type: "agent" | "system"; id: string }
  agentId: string
  sessionKey?: string
  sessionId?: string
  runId: string
  toolCallId?: string
  toolName?: string
  redaction: "metadata_only"
}

const PAGE = 200
/** Turns and records that one page looks at. */
const MAX_LOOKED_AT = 5_000

/** What one turn or record tells, newest first, and the place after it. */
interface Step {
  at: number
  events: Deed[]
  turn?: number
  record?: number
}

export async function activityOf(
  filter: ActivityFilter,
  { store }: Pick<Parts, "store">,
): Promise<{ events: Deed[]; nextCursor?: string }> {
  const place = placeOf(filter.cursor)
  const { kind } = filter
  const lists = [
    ...(kind === undefined || kind === "agent_run" ? [turnSteps(filter, place.turn, store)] : []),
    ...(kind === undefined || kind === "tool_action" ? [recordSteps(filter, place.record, store)] : []),
  ]
  const heads = await Promise.all(lists.map((list) => list.next()))
  const events: Deed[] = []
  for (let looked = 0; ; looked++) {
    const at = newest(heads)
    if (at === undefined) return { events }
    const step = heads[at]!.value as Step
    const wanted = step.events.filter((event) => fits(event, filter))
    const full = events.length > 0 && events.length + wanted.length > filter.limit
    if (full || looked === MAX_LOOKED_AT) return { events, nextCursor: `${place.turn}.${place.record}` }
    events.push(...wanted)
    place.turn = step.turn ?? place.turn
    place.record = step.record ?? place.record
    heads[at] = await lists[at]!.next()
  }
}

function newest(heads: readonly IteratorResult<Step, undefined>[]): number | undefined {
  let found: number | undefined
  for (const [i, head] of heads.entries())
    if (!head.done && (found === undefined || head.value.at > (heads[found]!.value as Step).at)) found = i
  return found
}

/** Throws INVALID_PARAMS for one that was not given out. */
function placeOf(cursor: string | undefined): { turn: number; record: number } {
  if (cursor === undefined) return { turn: Number.MAX_SAFE_INTEGER, record: Number.MAX_SAFE_INTEGER }
  const [, turn, record] = /^(\d{1,16})\.(\d{1,16})$/.exec(cursor) ?? []
  if (turn === undefined || record === undefined)
    throw new PincerError("INVALID_PARAMS", `cursor "${cursor}" is none that was given out: leave it out`)
  return { turn: Number(turn), record: Number(record) }
}

function fits(event: Deed, { after, agentId, before, runId, sessionKey, status }: ActivityFilter): boolean {
  if (agentId !== undefined && event.agentId !== agentId) return false
  if (sessionKey !== undefined && event.sessionKey !== sessionKey) return false
  if (runId !== undefined && event.runId !== runId) return false
  if (status !== undefined && event.status !== status) return false
  return (after === undefined || event.occurredAt > after) && (before === undefined || event.occurredAt < before)
}

async function* turnSteps(
  { sessionKey }: ActivityFilter,
  from: number,
  store: Parts["store"],
): AsyncGenerator<Step, undefined> {
  for (let before = from; ; ) {
    const page = await store.turns.traces({ before, limit: PAGE, ...(sessionKey === undefined ? {} : { sessionKey }) })
    for (const turn of page) yield { at: turn.endedAt ?? turn.startedAt ?? 0, events: runEvents(turn), turn: turn.n }
    if (page.length < PAGE) return undefined
    before = page.at(-1)!.n
  }
}

const ENDS: Partial<Readonly<Record<TurnStatus, ActivityStatus>>> = {
  completed: "succeeded",
  failed: "failed",
  canceled: "cancelled",
  timeout: "timed_out",
}
const RUN_ERRORS: Partial<Readonly<Record<ActivityStatus, string>>> = {
  failed: "run_failed",
  cancelled: "run_cancelled",
  timed_out: "run_timed_out",
}

function runEvents({ agentId, endedAt, n, sessionId, sessionKey, startedAt, status, turnId }: TurnTrace): Deed[] {
  const base = {
    ...{ eventType: "agent_run" as const, schemaVersion: 1 as const, kind: "agent_run" as const },
    ...{ actor: { type: "agent" as const, id: agentId }, agentId, sessionKey, sessionId, runId: turnId },
    redaction: "metadata_only" as const,
  }
  const event = (action: Deed["action"], at: number, end: ActivityStatus, number: number): Deed => ({
    ...base,
    ...{
      eventId: `${action}:${turnId}`,
      sequence: number,
      sourceSequence: number,
      occurredAt: at,
      action,
      status: end,
    },
    ...(RUN_ERRORS[end] === undefined ? {} : { errorCode: RUN_ERRORS[end] }),
  })
  return [
    ...(endedAt === null ? [] : [event("agent.run.finished", endedAt, ENDS[status] ?? "unknown", 2 * n + 1)]),
    ...(startedAt === null ? [] : [event("agent.run.started", startedAt, "started", 2 * n)]),
  ]
}

async function* recordSteps(
  { sessionKey }: ActivityFilter,
  from: number,
  store: Parts["store"],
): AsyncGenerator<Step, undefined> {
  for (let before = from; ; ) {
    const page = await store.audit.list({
      before,
      limit: PAGE,
      newest: true,
      ...(sessionKey === undefined ? {} : { sessionKey }),
    })
    for (const record of page) yield { at: record.at, events: callEvents(record), record: record.seq }
    if (page.length < PAGE) return undefined
    before = page.at(-1)!.seq
  }
}

const OUTCOMES: Readonly<Record<NonNullable<AuditRecord["outcome"]>, ActivityStatus>> = {
  done: "succeeded",
  failed: "failed",
  canceled: "cancelled",
  refused: "blocked",
  uncertain: "unknown",
}
const CALL_ERRORS: Partial<Readonly<Record<ActivityStatus, string>>> = {
  failed: "tool_failed",
  cancelled: "tool_cancelled",
  blocked: "tool_blocked",
  unknown: "tool_outcome_unknown",
}

/** What ran, and what was not let run. */
function callEvents(record: AuditRecord): Deed[] {
  const { agentId, at, callId, outcome, seq, sessionKey, tool, turnId, type, verdict } = record
  const status =
    type === "effect" && outcome ? OUTCOMES[outcome] : type === "decision" && verdict === "deny" ? "blocked" : undefined
  if (status === undefined || tool === "" || turnId === "") return []
  return [
    {
      ...{ eventType: "tool_action", schemaVersion: 1, kind: "tool_action", action: "tool.action.finished" },
      ...{ eventId: `tool.action.finished:${seq}`, sequence: seq, sourceSequence: seq, occurredAt: at, status },
      ...(CALL_ERRORS[status] === undefined ? {} : { errorCode: CALL_ERRORS[status] }),
      ...{ actor: { type: "agent", id: agentId }, agentId, sessionKey, runId: turnId, toolName: tool },
      ...(callId === "" ? {} : { toolCallId: callId }),
      redaction: "metadata_only",
    },
  ]
}

// What the store offers, noun by noun. Functions return promises, so that a server database can stand behind them.
// Writes are grouped: what is asked for in one tick is committed together, and a promise resolves when its write is on disk.
import type { Approval, ApprovalDecision } from "../protocol/approval.ts"
import type { AuditFilter, AuditRecord, AuditVerification } from "../protocol/audit.ts"
import type { Ways } from "../protocol/conversation.ts"
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import type { Message, Usage } from "../protocol/message.ts"
import type { Plan } from "../protocol/plan.ts"
import type { SessionFacts } from "../protocol/session-facts.ts"
import type { TurnOutcome, TurnRecord, TurnRequest, TurnStatus } from "../protocol/turn.ts"
import type { DeviceCodes, Devices } from "./device-rows.ts"

export interface SessionRow {
  key: string
  /** Changes on reset. */
  id: string
  agentId: string
  /** Unique among sessions, or null. */
  label: string | null
  /** What people call it; need not be unique. */
  name: string | null
  tags: string[]
  /** When it was put away, or null. It can still be used; lists leave it out unless asked. */
  archivedAt: number | null
  /** Working directory of tools, absolute, or null for the agent's. */
  cwd: string | null
  /** `provider/model` override, or null. */
  model: string | null
  /** Further settings that sessions.patch keeps (thinkingLevel, verboseLevel, …). */
  settings: Record<string, string>
  createdAt: number
  updatedAt: number
  /** Tokens and money of the current transcript. */
  usage: Usage
  /** Recorded events so far (= last seq). */
  lastSeq: number
  messageCount: number
  /** First user words, for lists. */
  title: string | null
  /** What an external agent calls it. */
  toldTitle: string | null
  abortedLastTurn: boolean
}

export type SessionPatch = Partial<
  Pick<SessionRow, "label" | "name" | "tags" | "archivedAt" | "cwd" | "model" | "settings">
>

export interface SessionFilter {
  agentId?: string
  /** Part of key, label, name, tags or titles, or words that one message holds; Chinese as well. */
  search?: string
  label?: string
  /** The first characters of its id. */
  idPrefix?: string
  tag?: string
  /** In this group. */
  category?: string
  /** Working in this folder: by its own setting, or as one of `agentIds` does. */
  cwd?: { path: string; agentIds: readonly string[] }
  /** Only archived ones, or only others; absent: all. */
  archived?: boolean
  updatedAfter?: number
  limit?: number
  offset?: number
}

export interface Sessions {
  get(key: string): Promise<SessionRow | undefined>
  byId(id: string): Promise<SessionRow | undefined>
  byLabel(label: string): Promise<SessionRow | undefined>
  /** Newest first. `total` counts all that match. */
  list(filter: SessionFilter): Promise<{ sessions: SessionRow[]; total: number }>
  /** Creates the session when it is not there. */
  ensure(
    key: string,
    agentId: string,
    fields?: Partial<Pick<SessionRow, "cwd" | "model" | "label">>,
  ): Promise<SessionRow>
  /** Throws NOT_FOUND; ALREADY_EXISTS when the label is taken. */
  patch(key: string, fields: SessionPatch): Promise<SessionRow>
  /** Same key, new id, empty transcript; settings stay. Throws NOT_FOUND. */
  reset(key: string): Promise<SessionRow>
  /** Takes these settings away, and the chosen model when "model" is among them. False when the session is gone. */
  unset(key: string, names: readonly string[]): Promise<boolean>
  /** False when there was none. Events, turns and notes go with it. */
  delete(key: string): Promise<boolean>
  /** Deletes sessions of these kinds (the part of the key after the agent), or all but main ones, last used before `before`; how many. */
  prune(kinds: readonly string[] | "all", before: number): Promise<number>
}

export interface SessionGroup {
  name: string
  /** From 0. */
  position: number
  /** Where new sessions of it work unless they say otherwise. Absolute. */
  cwd: string | null
}

/** What people sort their sessions into. Which group a session is in stands in its settings (`category`). */
export interface SessionGroups {
  /** In order; those that are only named by sessions last. */
  list(): Promise<{ groups: SessionGroup[]; sections: string[] }>
  /** Exactly these, in this order; sessions of others are in none any more. Returns the keys of those. */
  put(names: readonly string[], sections?: readonly string[]): Promise<string[]>
  /** Throws NOT_FOUND, ALREADY_EXISTS. Returns the keys of the sessions that moved with it. */
  rename(name: string, to: string): Promise<string[]>
  /** Throws NOT_FOUND. */
  setFolder(name: string, cwd: string | null): Promise<void>
  /** Throws NOT_FOUND. Returns the keys of the sessions that are in none any more. */
  delete(name: string): Promise<string[]>
}

/** Which messages are to count. Told the ways as they are in the very moment of the write. */
export type WayPlan = (ways: Ways, messages: ReadonlyMap<string, Message>) => readonly string[]

export interface Transcript {
  /** Messages of the session's current transcript that still count, oldest first. `limit`: the newest so many. */
  messages(key: string, options?: { limit?: number }): Promise<Message[]>
  /** Recorded events after `afterSeq`, oldest first; of the log with id `log`, also when a reset put it away, else of the current one. */
  events(key: string, options: { afterSeq: number; limit: number; log?: string }): Promise<RecordedEnvelope[]>
  /** The session with exactly these events, in one write: made when it is not there, else emptied first (its old log is kept aside). */
  restore(
    key: string,
    agentId: string,
    entries: readonly { turnId: string; at: number; event: RecordedEvent }[],
    fields: SessionPatch,
  ): Promise<SessionRow>
  /** The ways that the conversation took, with every message that is part of one. Undefined when there is no such session. */
  ways(key: string): Promise<{ ways: Ways; messages: ReadonlyMap<string, Message> } | undefined>
  /** Lets exactly the messages that `plan` names count, in one write; what it throws stops it. Throws NOT_FOUND. */
  goTo(key: string, plan: WayPlan): Promise<RecordedEnvelope[]>
  /**
   * A new session with the transcript, names and settings of another, in one write; what it was allowed for a while is not taken along.
   * A turn that runs is taken as far as it is recorded. Throws NOT_FOUND, ALREADY_EXISTS.
   */
  fork(
    key: string,
    newKey: string,
    agentId: string,
    fields?: Pick<SessionPatch, "cwd"> & { plan?: WayPlan },
  ): Promise<SessionRow>
  /** Appends what belongs to no turn; the session is made when it is not there. */
  add(key: string, agentId: string, events: readonly RecordedEvent[]): Promise<RecordedEnvelope[]>
  /** Bytes that the recorded events of these session ids take, for listings. Ids without events are left out. */
  bytes(sessionIds: readonly string[]): Promise<Map<string, number>>
  /** What an external agent has said of the session so far, later words over earlier ones; undefined when it never said anything. */
  facts(key: string): Promise<SessionFacts | undefined>
}

/** One attempt of one turn; every write through it is refused once a newer attempt has begun. */
export interface Fence {
  readonly turnId: string
  readonly sessionKey: string
  readonly epoch: number
}

/** What became of a turn, without what was said in it. `n`: later ones have higher numbers. */
export interface TurnTrace {
  n: number
  turnId: string
  sessionKey: string
  sessionId: string
  agentId: string
  status: TurnStatus
  startedAt: number | null
  endedAt: number | null
}

export interface Turns {
  get(turnId: string): Promise<TurnRecord | undefined>
  /** Newest first. */
  list(filter: { sessionKey?: string; status?: TurnStatus[]; limit: number }): Promise<TurnRecord[]>
  /** Newest first, of those before number `before`. */
  traces(filter: { sessionKey?: string; before?: number; limit: number }): Promise<TurnTrace[]>
}

export interface ApprovalHistoryFilter {
  kinds?: readonly string[]
  before?: { createdAt: number; id: string }
  limit: number
}

export interface Approvals {
  get(id: string): Promise<Approval | undefined>
  /** Undecided ones, oldest first. */
  pending(): Promise<Approval[]>
  /** Those that are decided, newest first; `before`: only older ones than this. */
  history(filter: ApprovalHistoryFilter): Promise<Approval[]>
}

/** A plan as it stands. */
export interface PlanRow {
  id: string
  sessionKey: string
  /** The log that it was declared in. */
  sessionId: string
  agentId: string
  /** The turn that spoke of it last. */
  turnId: string
  plan: Plan
  /** Every entry is completed. */
  done: boolean
  /** How often it was told. */
  revision: number
  createdAt: number
  updatedAt: number
}

export interface PlanFilter {
  sessionKey?: string
  agentId?: string
  /** Only those that are not done. */
  open?: boolean
  limit: number
}

/** What agents declared that they mean to do. */
export interface Plans {
  get(id: string): Promise<PlanRow | undefined>
  /** Last told first. `total` counts all that match. */
  list(filter: PlanFilter): Promise<{ plans: PlanRow[]; total: number }>
  /** False when there was none. */
  delete(id: string): Promise<boolean>
}

export interface UsageDay {
  /** UTC date, YYYY-MM-DD. */
  date: string
  provider: string
  model: string
  turns: number
  usage: Usage
}

export interface UsageLedger {
  /** Days from `since` (ms), oldest first. */
  days(since: number): Promise<UsageDay[]>
  /** Hours of the day (UTC) in which turns ended since then, and the tokens of those; hours without are left out. */
  hours(since: number): Promise<{ hour: number; turns: number; tokens: number }[]>
}

/** Where an OpenAI Responses id points: the session, and the last event that belongs to the response. */
export interface ResponseRow {
  id: string
  sessionKey: string
  turnId: string
  seq: number
  createdAt: number
  /** The response object as it was sent. */
  body: Record<string, unknown>
}

export interface Responses {
  put(row: ResponseRow): Promise<void>
  get(id: string): Promise<ResponseRow | undefined>
  delete(id: string): Promise<boolean>
}

/** The chain of what was decided and done. */
export interface Audit {
  list(filter: AuditFilter): Promise<AuditRecord[]>
  get(seq: number): Promise<AuditRecord | undefined>
  verify(): Promise<AuditVerification>
  /** Removes records from before `before` (ms), leaving a signed mark and a record of it. */
  prune(before: number, who: string): Promise<{ removed: number; through: number }>
}

export type { Approval, ApprovalDecision, RecordedEvent, TurnOutcome, TurnRequest }

export interface Store {
  readonly sessions: Sessions
  readonly groups: SessionGroups
  readonly transcript: Transcript
  readonly turns: Turns
  readonly approvals: Approvals
  readonly devices: Devices
  readonly deviceCodes: DeviceCodes
  readonly plans: Plans
  readonly usage: UsageLedger
  readonly responses: Responses
  readonly audit: Audit
  /** Bytes on disk, for status. */
  size(): number
  /** To be called when nothing goes on: gives memory back. */
  rest(): void
  close(): Promise<void>
}

// The contract that doors see of this room: submit a turn, watch it, cancel it, answer its questions.

import type { Approval, ApprovalDecision, ApprovalKind, RuleOffer } from "../protocol/approval.ts"
import type { Placement, TaintMark } from "../protocol/decision.ts"
import type { McpServer } from "../protocol/mcp-server.ts"
import type { UserQuestion } from "../protocol/question.ts"
import type { Sampling, TurnLimits, TurnRecord, TurnRequest } from "../protocol/turn.ts"
import type { GrantFilter, GrantRow } from "../store/grants.ts"

export interface Accepted {
  record: TurnRecord
  /** True when this turn id was accepted before (now or in an earlier life of the gateway); nothing was started. */
  duplicate: boolean
}

/** A turn that has not ended, as far as memory knows it. */
export interface ActiveTurn {
  turnId: string
  sessionKey: string
  agentId: string
  status: "queued" | "running" | "waiting"
  /** The answer so far, of the message being written now. */
  text: string
  thinking: string
  startedAt: number | null
}

export interface Lanes {
  /**
   * Accepts a turn: resolves once it is on disk. Repeating a turnId returns the first one.
   * Throws CONFLICT when that turnId belongs to another session, NOT_FOUND for an unknown agent, UNAVAILABLE while
   * draining, RATE_LIMITED when the session's queue is full, INVALID_PARAMS for a bad request.
   */
  submit(request: TurnRequest): Promise<Accepted>
  /** Cancels one turn, or all that run in a session (`waiting: true`: queued ones too). Resolves with the ids once they have ended. */
  cancel(target: { turnId: string } | { sessionKey: string; queued?: boolean }): Promise<string[]>
  /** Resolves when the turn has ended; undefined when `timeoutMs` passes or the signal aborts first. Throws NOT_FOUND. */
  wait(turnId: string, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<TurnRecord | undefined>
  /** Turns of a session that have not ended, the running one first. */
  active(sessionKey: string): ActiveTurn[]
  /** Set once it takes no new turns. */
  readonly draining: boolean
  /** `held`: those of them that this life of the gateway does not begin. */
  counts(): { running: number; queued: number; waiting: number; held?: number }
  /**
   * Takes up what an earlier life of the gateway left: queued turns run; interrupted ones resume or are marked. With `hold` they
   * stay as they are, for the next life; their sessions take no new turns, and each can be canceled.
   */
  start(options?: { hold?: boolean }): Promise<void>
  /** No new turns; running ones get `graceMs`, then are recorded as interrupted. */
  drain(graceMs: number): Promise<void>
}

/** How and for what somebody answers an approval. */
export interface Resolver {
  /** Given with "deny"; the model sees it. */
  reason?: string
  /** To a question, with "allow-once"; as its schema says. */
  answer?: Record<string, unknown>
  /** Refuses the answer unless the approval belongs to this session. */
  sessionKey?: string
  /** Which door the answer came through, for the audit; default "control". */
  door?: string
}

/** What somebody other than a turn asks a human for. */
export interface Asking {
  kind: Exclude<ApprovalKind, "tool">
  sessionKey: string
  agentId: string
  /** What it is about, where a tool would be named: "elevated", a workflow, a device. */
  tool: string
  args: Record<string, unknown>
  summary: string
  reason: string
  rule?: string
  /** What "allow-always" would write. */
  offer?: RuleOffer
  cwd?: string
  /** Of kind "question", or what a workflow asks a person for. */
  question?: UserQuestion
  placement?: Placement
  argv?: string[][]
  taint?: readonly TaintMark[]
  /** Minted when absent. */
  id?: string
  timeoutMs: number
}

export interface ApprovalDesk {
  /** Asks for something that no turn waits for. Throws CONFLICT for an id that was used. */
  ask(question: Asking): Promise<Approval>
  pending(): Promise<Approval[]>
  get(id: string): Promise<Approval | undefined>
  /**
   * First answer wins. Throws NOT_FOUND "unknown approval id", CONFLICT "approval already resolved" with who decided what, and
   * INVALID_PARAMS for "allow-always" without an offered rule, or for an approval of another session than the one that is named.
   */
  resolve(id: string, decision: ApprovalDecision, by: string, resolver?: Resolver): Promise<Approval>
  /** Withdraws what a session asked for aside from its turns. */
  withdraw(sessionKey: string, by: string): Promise<void>
  /** What answers allowed beyond one call, oldest first. */
  rules(filter?: GrantFilter): Promise<GrantRow[]>
  /** Allows something for good that nobody was asked about. The same rule is kept once. */
  addRule(rule: RuleOffer, by: string): Promise<void>
  /** What was removed. Throws NOT_FOUND. */
  removeRule(id: string, by: string): Promise<GrantRow>
  /** The desk asks this before it asks a human: can one be reached now? Set by the gateway. */
  canAsk: (sessionKey: string) => boolean
}

/** A configured mind. */
export interface AgentProfile {
  id: string
  name: string
  /** `provider/model` or undefined for the discovered default. */
  model: string | undefined
  fallbacks: string[]
  workspace: string
  systemPrompt: string | undefined
  /** Canonical names of the tools it has; undefined for all. */
  tools: readonly string[] | undefined
  sampling: Sampling
  limits: TurnLimits
  /** Set when an external agent runs its turns (agent/harness.ts) instead of a model service. */
  hosted?: HostedProfile
}

/** How an external agent is found, started and kept. */
export interface HostedProfile {
  /** Its name in the table of known agents; absent for a command of the owner's own. */
  known?: string
  /** Program and arguments; absent: as the table of known agents says. */
  command?: readonly string[]
  /** Added to the small clean environment that it gets, secrets resolved when it starts. */
  env: () => Record<string, string>
  /** Protocol version that is asked for first. */
  protocol: 1 | 2
  /** Its own process runs in the sandbox, too. */
  confined: boolean
  /** It is ended after so long without a turn, ms; 0: never. */
  idleMs: number
  /** Credentials by id of the log-in method. */
  credential: (methodId: string) => string | undefined
  /** MCP servers that are handed to it with every session. */
  mcpServers: readonly McpServer[]
}

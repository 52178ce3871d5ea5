// A turn: from one input until the agent rests. TurnRequest is the one way in; TurnRecord is what is known of it.
import type { TaintMark } from "./decision.ts"
import type { Message, Part, Usage } from "./message.ts"
import type { Permissions } from "./permission.ts"

/** Which door the input came through, and who stood there. Set by the door, never by the peer. */
export interface Origin {
  door: "control" | "openai" | "cli" | "rpc" | "job" | "acp" | "channel" | "schedule" | "workflow" | "mcp" | "test"
  clientId?: string
  connId?: string
  deviceId?: string
  /** Of a message from a chat platform: which one, who sent it, and whether that is somebody the owner does not know. */
  channel?: string
  sender?: string
  stranger?: boolean
  /** The turn that started this one (a sub-agent's). */
  parentTurnId?: string
}

export interface TurnLimits {
  /** Model calls in one turn. */
  maxModelCalls: number
  /** Wall time from the first start, ms; waiting for a human does not count. */
  maxTimeMs: number
  /** Input and output tokens of all model calls together; null for no limit. */
  maxTokens: number | null
  /** US dollars; null for no limit. */
  maxCostUsd: number | null
}

export interface ToolSpec {
  name: string
  description: string
  /** JSON Schema of the arguments (an object schema). */
  inputSchema: Record<string, unknown>
  strict?: boolean
}

export type ToolChoice = "auto" | "none" | "required" | { name: string }

/** How the model is asked; every field is optional and passed on only where the service has it. */
export interface Sampling {
  temperature?: number
  topP?: number
  maxOutputTokens?: number
  stop?: string[]
  seed?: number
  presencePenalty?: number
  frequencyPenalty?: number
  thinking?: "off" | "minimal" | "low" | "medium" | "high" | "xhigh"
  toolChoice?: ToolChoice
  parallelToolCalls?: boolean
  responseFormat?:
    | { type: "json_object" }
    | { type: "json_schema"; name: string; schema: Record<string, unknown>; strict?: boolean }
}

export type TurnTask =
  /** The model summarises the older messages of the session; at most `keep` of the newest messages stay as they are. */
  | { type: "compact"; keep?: number }
  /** Somebody calls a tool by hand: judged, asked about and recorded like a call of the model. */
  | { type: "call"; tool: string; args: Record<string, unknown> }

/** Everything a turn needs, as plain data: it is stored before it is acknowledged and read back after a restart. */
export interface TurnRequest {
  /** Turn id = run id on the wire = idempotency key. Minted by the door when the caller gave none. At most 256 characters. */
  turnId: string
  sessionKey: string
  agentId: string
  /**
   * What the user says. `tool.result` parts first, when the caller answers calls to its own tools; they become tool messages.
   * Empty only with replay "resend", or when `history` ends in tool results.
   */
  input: Part[]
  /** Earlier messages that a stateless caller supplies. Used only when the session holds no messages yet. */
  history?: Message[]
  /**
   * The turn asks nothing of the agent: it does this one thing in its session. For "compact" `input` says what the summary should dwell on.
   */
  task?: TurnTask
  /** Takes back the last exchange before this turn runs: "resend" keeps its user message, "edit" replaces it by `input`. */
  replay?: "resend" | "edit"
  /** `provider/model`, or a bare model id; overrides session and agent. */
  model?: string
  provider?: string
  /** Added to the agent's system prompt for this turn. */
  systemPrompt?: string
  sampling?: Sampling
  /** Working directory of the tools; absolute. */
  cwd?: string
  /** Tools that the caller runs itself: a call to one ends the turn with stop reason "tool_calls". */
  clientTools?: ToolSpec[]
  limits?: Partial<TurnLimits>
  /** What the caller wants of the six dimensions; the door has checked that it may ask for so much. */
  permissions?: Permissions
  /** "enqueue" waits for its turn in the lane; "interrupt" cancels what runs and waits in this session first (abortPrevious). */
  queue?: "enqueue" | "interrupt"
  /**
   * After a crash: "resume" goes on from what is recorded, "mark" only records that it was interrupted; "mark-begun" does so only
   * with a turn that had begun, one that still waited for its lane runs. Default from the config.
   */
  recovery?: "resume" | "mark" | "mark-begun"
  /** Set by the lanes: somebody who could approve was connected when it was accepted, and may come back after a restart. */
  attended?: boolean
  /** Whose editor and MCP servers it may use: an id that a client lends them under (`client.lend`). */
  lender?: string
  /** A command of the owner's own that runs this turn as an external agent, instead of the agent's runtime. The door has checked the right. */
  agentCommand?: string[]
  /** How the external agent that runs it is kept: `idleMs` until it is ended, 0 for never. */
  hosted?: { idleMs?: number }
  /** What of `input` is text from outside although the user sent it: a prompt that an MCP server wrote. */
  outside?: TaintMark[]
  origin: Origin
}

export type TurnStatus =
  | "queued"
  | "running"
  /** Parked: waits for a human. */
  | "waiting"
  /** Cut off by a crash or a shutdown and not yet resumed. */
  | "interrupted"
  | "completed"
  | "failed"
  | "canceled"
  | "timeout"

export type FinalStatus = Extract<TurnStatus, "completed" | "failed" | "canceled" | "timeout">

export function isFinal(status: TurnStatus): status is FinalStatus {
  return status === "completed" || status === "failed" || status === "canceled" || status === "timeout"
}

/** Why a turn ended. "tool_calls": the caller is to run its own tools and come back. */
export type TurnStop =
  | "end_turn"
  | "tool_calls"
  | "max_output_tokens"
  | "content_filter"
  | "refusal"
  | "max_model_calls"
  | "time_limit"
  | "token_limit"
  | "cost_limit"
  | "aborted"
  | "interrupted"
  | "error"

export interface TurnError {
  /** ErrorCode word. */
  code: string
  message: string
  /** Finer kind when a model service failed: rate_limit, auth, billing, overloaded, network, timeout, context_length, format, unknown. */
  kind?: string
  retryAfterMs?: number
  /** HTTP status that the model service gave. */
  status?: number
}

/** How a turn ended. */
export interface TurnOutcome {
  status: FinalStatus
  stop: TurnStop
  /** Text of the last assistant message. */
  text: string
  usage: Usage
  error?: TurnError
  provider?: string
  model?: string
}

/** What is stored of a turn. */
export interface TurnRecord {
  turnId: string
  sessionKey: string
  sessionId: string
  agentId: string
  status: TurnStatus
  request: TurnRequest
  /** Times it was started. */
  attempt: number
  acceptedAt: number
  startedAt: number | null
  endedAt: number | null
  outcome: TurnOutcome | null
}

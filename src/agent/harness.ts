// External agents as the runtime of turns: what the agent room asks of whoever hosts them (src/acp/host), and what it gives. The host
// knows the wire; this room records, decides and asks. Everything an agent says of itself is a claim, never evidence.
import type { Message, Part, Usage } from "../protocol/message.ts"
import type { Plan } from "../protocol/plan.ts"
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import type { SessionFacts } from "../protocol/session-facts.ts"
import type { ToolView } from "../protocol/tool-view.ts"
import type { TurnError, TurnRequest, TurnStop } from "../protocol/turn.ts"
import type { SessionRow } from "../store/store.ts"
import type { AgentProfile } from "./agent.ts"

export interface Harness {
  /**
   * Runs one turn until the agent rests. Always resolves; what went wrong is in the end. When `turn.signal` aborts, the agent is
   * told to stop and has a few seconds for its last words before its processes are ended.
   */
  run(turn: HostedTurn): Promise<HostedEnd>
}

/** One turn of an external agent. Every method may be called while others are open. */
export interface HostedTurn {
  readonly request: TurnRequest
  readonly session: SessionRow
  readonly profile: AgentProfile
  /** Absolute, symlinks resolved. */
  readonly cwd: string
  /** The session so far, this turn's input last: for an agent that remembers nothing of it. */
  readonly messages: readonly Message[]
  readonly signal: AbortSignal
  /** What the host keeps about this session across turns and restarts; JSON-able. */
  readonly memory: { get(): unknown; set(value: unknown): Promise<void> }
  /** Whether the user's log-in may be asked for, or the turn goes on (skip) or ends (fail) without. */
  readonly authPolicy: "skip" | "fail"
  /** What the agent says, in order. Resolves once it is kept: an agent that talks faster is made to wait. */
  hear(event: HostedEvent): Promise<void> | undefined
  /** The agent wants leave for a call. Waits for a human where policy says so. Never throws. */
  leave(call: HostedCall): Promise<HostedLeave>
  /** fs/read_text_file: judged like a Read of ours. `line` from 1. Throws PincerError. */
  readText(path: string, range: { line?: number; limit?: number }): Promise<string>
  /** fs/write_text_file: judged like a Write of ours. Throws PincerError. */
  writeText(path: string, text: string): Promise<void>
  /** terminal/create: judged like a Bash of ours and confined like one. Throws PincerError. */
  openTerminal(command: HostedCommand): Promise<HostedTerminal>
  /** A question to the user. `declined` when nobody can be asked. */
  ask(question: UserQuestion): Promise<UserAnswer>
}

export type HostedEvent =
  /** More of a message or a thought. Another `messageId`, or none after a call, begins a new one. */
  | { type: "text"; of: "answer" | "thought"; text: string; messageId?: string }
  /** A piece of an answer that is no text. */
  | { type: "part"; part: Part; messageId?: string }
  /** An upsert: the first one with this id begins the call. `name`: the agent's own name of the tool, where it says one. */
  | { type: "tool"; callId: string; name?: string; view: ToolView }
  | { type: "plan"; planId: string; plan: Plan | null }
  /** `changed`: the agent has changed it by itself, over what was chosen. */
  | { type: "facts"; facts: SessionFacts; changed?: true }
  | { type: "context"; usedTokens: number; windowTokens: number | null; costUsd: number | null }
  | { type: "notice"; level: "info" | "warning"; code: string; text: string }
  /** An update that the house has no word for. */
  | { type: "other"; update: Record<string, unknown> }

/** What an agent wants to do. Its facts are worked out from here by us. */
export interface HostedCall {
  callId: string
  name?: string
  view: ToolView
  /** What the agent would be told for "always": absent when it offers none. */
  offersAlways: boolean
}

export type HostedLeave =
  | { type: "allowed"; always: boolean }
  /** `reason`: for people. `always`: for good in this session. */
  | { type: "denied"; reason: string; always: boolean }
  /** The turn ended before anybody answered. */
  | { type: "canceled" }

export interface HostedCommand {
  command: string
  args: readonly string[]
  env: Readonly<Record<string, string>>
  /** Absolute; default the turn's. */
  cwd?: string
  /** Bytes of output that are kept, the newest; default 1 MiB, at most 10 MiB. */
  outputByteLimit?: number
}

/** A command of an external agent, run by us. Released with its turn at the latest. */
export interface HostedTerminal {
  readonly id: string
  output(): { output: string; truncated: boolean; exit: TerminalExit | undefined }
  exited(): Promise<TerminalExit>
  kill(): Promise<void>
  release(): Promise<void>
}

export interface TerminalExit {
  exitCode: number | null
  signal: string | null
}

export interface HostedEnd {
  /** "error" goes with `error`. */
  stop: TurnStop
  error?: TurnError
  /** What the agent says it used. */
  usage?: Usage
  model?: string
}

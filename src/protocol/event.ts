// What happened, as facts. Recorded events carry a number per session (`seq`) and can be replayed; live ones (deltas) have none
// and are contained in a later recorded event. Every dialect is a pure projection of this stream.
import type { Approval } from "./approval.ts"
import type { Message, Part, Usage } from "./message.ts"
import type { Plan } from "./plan.ts"
import type { SessionFacts } from "./session-facts.ts"
import type { ToolView } from "./tool-view.ts"
import type { TurnOutcome, TurnRecord } from "./turn.ts"

/** Facts that are stored. */
export type RecordedEvent =
  /** The turn began, or began again after an interruption (attempt > 1). */
  | { type: "turn.started"; attempt: number }
  /** A message entered the transcript. */
  | { type: "message.added"; message: Message }
  /** The messages with these ids no longer count (resend, edit). They stay in the log. */
  | { type: "messages.dropped"; messageIds: string[] }
  /** Messages that had been taken back count again, where they stood. */
  | { type: "messages.restored"; messageIds: string[] }
  | {
      type: "tool.started"
      callId: string
      name: string
      args: Record<string, unknown>
      title: string
      view?: ToolView
    }
  /** More is known of a call that runs: an upsert of what is shown of it. */
  | { type: "tool.changed"; callId: string; view: ToolView }
  | {
      type: "tool.ended"
      callId: string
      name: string
      isError: boolean
      text: string
      durationMs: number
      details?: unknown
      view?: ToolView
    }
  | { type: "approval.requested"; approval: Approval }
  | { type: "approval.resolved"; approval: Approval }
  /** Something the user should know: another model took over, a call's effect is uncertain, history was shortened. */
  | { type: "notice.posted"; level: "info" | "warning"; code: string; text: string }
  /** What the agent means to do, whole; null: it keeps this plan no more. */
  | { type: "plan.updated"; planId: string; plan: Plan | null }
  /** How full the model's window is after a model call, in tokens; null where nobody knows. `costUsd`: of the whole session so far. */
  | { type: "context.measured"; usedTokens: number; windowTokens: number | null; costUsd: number | null }
  /** The agent said something of the session beside its turn. */
  | { type: "session.described"; facts: SessionFacts }
  /** What an external agent sent that this house has no word for, as it came. */
  | { type: "update.received"; update: Record<string, unknown> }
  /** Cut off by a shutdown or found cut off after a crash. */
  | { type: "turn.interrupted"; reason: "shutdown" | "crash" }
  /** Exactly once per turn. */
  | { type: "turn.ended"; outcome: TurnOutcome }

/** Facts that only matter while they happen. `offset`: UTF-16 units of the message's text before this delta. */
export type LiveEvent =
  | { type: "turn.queued"; record: TurnRecord; ahead: number }
  | { type: "model.started"; provider: string; model: string }
  | { type: "text.delta"; messageId: string; delta: string; offset: number }
  | { type: "thinking.delta"; messageId: string; delta: string; offset: number }
  | { type: "tool.updated"; callId: string; name: string; output: string }
  /** A piece of an answer that is no text, as it comes. */
  | { type: "part.added"; messageId: string; part: Part }
  /** Tokens so far in this turn. */
  | { type: "usage.updated"; usage: Usage }

export type TurnEvent = RecordedEvent | LiveEvent

/** An event with its address. `seq` is null for live events, else the number within the session, from 1, without holes. */
export interface TurnEnvelope {
  sessionKey: string
  sessionId: string
  agentId: string
  turnId: string
  seq: number | null
  /** ms since 1970. */
  at: number
  event: TurnEvent
}

export interface RecordedEnvelope extends TurnEnvelope {
  seq: number
  event: RecordedEvent
}

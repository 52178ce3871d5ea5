// What happened, as facts. Recorded events carry a number per session (`seq`) and can be replayed; live ones (deltas) have none
// and are contained in a later recorded event. Every dialect is a pure projection of this stream.
import type { Approval } from "./approval.ts"
import type { Message, Usage } from "./message.ts"
import type { TurnOutcome, TurnRecord } from "./turn.ts"

/** Facts that are stored. */
export type RecordedEvent =
  /** The turn began, or began again after an interruption (attempt > 1). */
  | { type: "turn.started"; attempt: number }
  /** A message entered the transcript. */
  | { type: "message.added"; message: Message }
  /** The messages with these ids no longer count (resend, edit). They stay in the log. */
  | { type: "messages.dropped"; messageIds: string[] }
  | { type: "tool.started"; callId: string; name: string; args: Record<string, unknown>; title: string }
  | {
      type: "tool.ended"
      callId: string
      name: string
      isError: boolean
      text: string
      durationMs: number
      details?: unknown
    }
  | { type: "approval.requested"; approval: Approval }
  | { type: "approval.resolved"; approval: Approval }
  /** Something the user should know: another model took over, a call's effect is uncertain, history was shortened. */
  | { type: "notice.posted"; level: "info" | "warning"; code: string; text: string }
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

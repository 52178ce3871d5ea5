// A decision that waits for a human, whatever asked for it. First answer wins.

import type { Placement, TaintMark } from "./decision.ts"
import type { UserQuestion } from "./question.ts"
import type { ToolView } from "./tool-view.ts"

/** "allow-session": this call again in this session without asking. "allow-always": writes the rule that `offer` shows. */
export type ApprovalDecision = "allow-once" | "allow-session" | "allow-always" | "deny"

/** "exec": a program elsewhere asks whether it may run a command of its own. */
export type ApprovalKind = "tool" | "exec" | "elevated" | "workflow" | "device" | "skill" | "question"

/** A rule that "allow-always" would write, shown before it is written. */
export interface RuleOffer {
  /** For people: `Bash: /usr/bin/git status *, for agent main`. */
  text: string
  tool: string
  agentId: string
  /** What is matched: the resolved binary and its arguments ("*" at the end: any more), or a path or host pattern. */
  match: { command: string[][] } | { paths: string[] } | { hosts: string[] } | { exact: string }
}

export interface Approval {
  id: string
  kind: ApprovalKind
  sessionKey: string
  agentId: string
  turnId: string
  callId: string
  /** Canonical tool name. */
  tool: string
  args: Record<string, unknown>
  /** One line that a person reads: the exact command, or the path and what happens to it. */
  summary: string
  /** How the call looks: its kind and places. */
  view?: ToolView
  /** Why it is asked: the policy step in words. */
  reason: string
  cwd: string
  /** The exact argv of every program that the command names, when they are known before it runs. */
  argv?: string[][]
  /** Where it would run. */
  placement?: Placement
  /** What untrusted text this conversation has read. */
  taint?: readonly TaintMark[]
  /** The dotted rule that asked. */
  rule?: string
  /** What "allow-always" would write; absent when it cannot be allowed for good. */
  offer?: RuleOffer
  /** Of kind "question": what is asked. "allow-once" answers it, "deny" declines. */
  question?: UserQuestion
  /** What was answered to a form; as the schema of the question says. */
  answer?: Record<string, unknown>
  createdAt: number
  expiresAt: number
  /** null while it waits; "expired" when nobody answered in time, "canceled" when its turn ended first. */
  decision: ApprovalDecision | "expired" | "canceled" | null
  /** Given with "deny"; the model sees it. */
  denyReason?: string
  resolvedBy?: string
  resolvedAt?: number
}

// A decision that waits for a human, whatever asked for it. First answer wins.

export type ApprovalDecision = "allow-once" | "allow-always" | "deny"

export interface Approval {
  id: string
  kind: "tool"
  sessionKey: string
  agentId: string
  turnId: string
  callId: string
  /** Canonical tool name. */
  tool: string
  args: Record<string, unknown>
  /** One line that a person reads: the exact command, or the path and what happens to it. */
  summary: string
  /** Why it is asked: the policy step in words. */
  reason: string
  cwd: string
  createdAt: number
  expiresAt: number
  /** null while it waits; "expired" when nobody answered in time. */
  decision: ApprovalDecision | "expired" | null
  resolvedBy?: string
  resolvedAt?: number
}

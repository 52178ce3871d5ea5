// One line of the audit: a decision, an effect, an answer of a human, a change of rights. Metadata only; secrets are taken out and
// arguments are digested before it is written. The store numbers and chains the lines (store/audit.ts).
import type { DecisionStep, Placement, TaintMark } from "./decision.ts"

export const AUDIT_TYPES = ["decision", "effect", "approval", "elevated", "egress", "rule", "device", "audit"] as const
export type AuditType = (typeof AUDIT_TYPES)[number]

export interface AuditEntry {
  /** "device": who may connect. "audit": about the audit itself, such as its pruning. */
  type: AuditType
  /** ms since 1970. */
  at: number
  /** Who stood at the door: "cli (device 1a2b…)", "openai-client", "telegram:@ann". Set by the gateway. */
  who: string
  door: string
  agentId: string
  sessionKey: string
  turnId: string
  callId: string
  tool: string
  /** One line for people, redacted, at most 300 characters. */
  summary: string
  /** sha256 of the canonical JSON of the arguments. */
  argsDigest: string
  verdict?: "allow" | "ask" | "deny" | "allow-once" | "allow-session" | "allow-always" | "expired" | "canceled"
  step?: DecisionStep
  rule?: string
  reason?: string
  placement?: Placement
  taint?: readonly TaintMark[]
  /** Of an effect: how it ended. */
  outcome?: "done" | "failed" | "canceled" | "uncertain" | "refused"
  durationMs?: number
  /** Short facts: exit code, host and port, elevated level. */
  details?: Record<string, string | number | boolean | null>
}

export interface AuditRecord extends AuditEntry {
  /** From 1, without holes. */
  seq: number
  /** Hex sha256 of the record before; 64 zeros for the first. */
  previous: string
  /** Hex sha256 over `previous` and the canonical JSON of the entry with its number. */
  hash: string
}

export interface AuditFilter {
  /** Only records with a higher number. */
  after?: number
  /** Only records with a lower number. */
  before?: number
  /** The newest first instead of the oldest. */
  newest?: boolean
  limit: number
  sessionKey?: string
  tool?: string
  type?: AuditType
  /** ms since 1970, inclusive and exclusive. */
  since?: number
  until?: number
}

/** What a look at the whole chain found. */
export interface AuditVerification {
  ok: boolean
  /** Records that were looked at. */
  records: number
  /** Number and hash of the last record: note them elsewhere, and nothing up to there can ever change unnoticed. */
  head: { seq: number; hash: string }
  /** Records up to this one were removed by a signed prune. */
  prunedThrough: number
  /** The first record that is not as it was, and what is wrong there, as a sentence. */
  firstBad?: number
  reason?: string
}

// What policy answered about one tool call: the verdict, the step and rule that decided, and where the call runs. Plain data:
// it goes into events, approvals and the audit as it is.

/** The ordered steps. A later step can only narrow what an earlier one left. */
export const DECISION_STEPS = ["identity", "deny", "availability", "placement", "mode", "ask"] as const
export type DecisionStep = (typeof DECISION_STEPS)[number]

/** Where the effect happens. */
export type Placement =
  /** In the daemon itself, bounded by path and address checks. */
  | { type: "inside" }
  | { type: "sandbox"; profile: string }
  /** On this machine with the user's rights: elevated, this one call was approved for it, or an external agent acts that nothing confines. */
  | { type: "host"; because: "elevated" | "approved" | "agent" }
  /** Nowhere: it is not carried out. */
  | { type: "none" }

/** Text from outside that reached this conversation. */
export interface TaintMark {
  source: "web" | "channel" | "mcp" | "outside" | "host"
  /** What exactly: a host, a server name, a path, a sender. */
  detail: string
  /** The call that brought it in. */
  callId?: string
}

export interface DecisionTrail {
  step: DecisionStep
  /** "pass": this step had nothing against it. */
  result: "pass" | "allow" | "ask" | "deny"
  /** Dotted name of the rule: "preset.safe-readonly", "tools.deny", "rate.perMinute", "taint.exec", "mode.approve-reads" … */
  rule: string
  /** Where the rule stands: "built in", a config path such as "agents.entries.work.tools.deny[0]", "flag", "session", "grant <id>". */
  source: string
  reason: string
}

export interface Decision {
  verdict: "allow" | "ask" | "deny"
  step: DecisionStep
  rule: string
  source: string
  /** One clause without a full stop, that names the value: "Bash runs outside the sandbox". */
  reason: string
  placement: Placement
  /** A denial that also ends the turn with PERMISSION_DENIED (non-interactive policy "fail"). */
  endsTurn?: boolean
  taint: readonly TaintMark[]
  /** Every step that looked at it, in order. */
  trail: readonly DecisionTrail[]
}

// What one rule found: in words and as data. Every step of decide() speaks in these.

export interface Finding {
  /** Dotted name of the rule. */
  rule: string
  /** Where it stands: "built in", a path of the configuration, "flag", "session", a grant. */
  source: string
  /** One clause without a full stop. */
  reason: string
}

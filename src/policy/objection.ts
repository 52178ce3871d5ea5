// What a step of the pipeline has against a call.

export interface Objection {
  verdict: "ask" | "deny"
  rule: string
  source: string
  /** One clause without a full stop, that names the value. */
  reason: string
  /** What lets it pass next time: a flag, a key of the configuration, a command. */
  cure?: string
  /**
   * What may answer an ask without a human: "mode" by grants, allow-lists and context rules; "host" by grants and the list of commands;
   * "taint" by context rules; "each" by nothing.
   */
  answer: "mode" | "host" | "taint" | "each"
}

export function denial(rule: string, source: string, reason: string, cure?: string): Objection {
  return { verdict: "deny", rule, source, reason, answer: "each", ...(cure === undefined ? {} : { cure }) }
}

export function question(
  answer: Objection["answer"],
  rule: string,
  source: string,
  reason: string,
  cure?: string,
): Objection {
  return { verdict: "ask", rule, source, reason, answer, ...(cure === undefined ? {} : { cure }) }
}

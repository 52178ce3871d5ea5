// The connections that a confined program wants, in the audit: the first of each kind when it happens, how many there were when the
// program has ended. A program that tries a thousand times writes two lines.
import type { ConfineFor } from "../../agent/rights.ts"
import type { AuditEntry } from "../../protocol/audit.ts"
import type { EgressAttempt, EgressGate } from "../../sandbox/sandbox.ts"

/** Different places of one program that get lines of their own; what comes after is only counted. */
const MAX_KINDS = 100

interface Kind {
  attempt: EgressAttempt
  verdict: "allow" | "deny"
  reason: string
  count: number
}

export class AuditedEgress implements EgressGate {
  readonly sessionKey: string
  readonly #where: ConfineFor
  readonly #write: (entry: Omit<AuditEntry, "at">) => Promise<void>
  readonly #kinds = new Map<string, Kind>()
  #others = 0

  constructor(where: ConfineFor, write: (entry: Omit<AuditEntry, "at">) => Promise<void>) {
    this.sessionKey = where.sessionKey
    this.#where = where
    this.#write = write
  }

  saw(attempt: EgressAttempt, verdict: "allow" | "deny", reason: string): void {
    const key = `${verdict} ${attempt.host}:${attempt.port}`
    const known = this.#kinds.get(key)
    if (known) known.count += 1
    else if (this.#kinds.size >= MAX_KINDS) this.#others += 1
    else {
      const kind = { attempt, verdict, reason, count: 1 }
      this.#kinds.set(key, kind)
      void this.#write(this.#line(kind, 1))
    }
  }

  /** Writes down how many there were. */
  async close(): Promise<void> {
    const often = [...this.#kinds.values()].filter((kind) => kind.count > 1)
    await Promise.all(often.map((kind) => this.#write(this.#line(kind, kind.count))))
    if (this.#others === 0) return
    const attempt = { host: "other places", port: 0 }
    const reason = `${this.#others} more connections to places beyond the first ${MAX_KINDS}`
    await this.#write(this.#line({ attempt, verdict: "deny", reason, count: this.#others }, this.#others))
  }

  #line({ attempt, reason, verdict }: Kind, count: number): Omit<AuditEntry, "at"> {
    const { address, host, port } = attempt
    const { agentId, callId, sessionKey, tool, turnId } = this.#where
    return {
      type: "egress",
      who: "sandbox",
      door: "sandbox",
      agentId,
      sessionKey,
      turnId,
      callId,
      tool,
      summary: `${host}:${port}`,
      argsDigest: "",
      verdict,
      reason,
      details: { host, port, count, ...(address === undefined ? {} : { address }) },
    }
  }
}

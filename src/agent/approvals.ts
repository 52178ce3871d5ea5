// The desk where decisions wait for a human, whatever asked for them. Durable: what is asked is in the store, expiry timers are set
// again after a restart. The first answer counts; what it grants is written in the same commit.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import type { Logger } from "../base/log.ts"
import type { Approval, ApprovalDecision, ApprovalKind, RuleOffer } from "../protocol/approval.ts"
import type { AuditEntry } from "../protocol/audit.ts"
import type { TurnEnvelope } from "../protocol/event.ts"
import type { Answer, ApprovalTable } from "../store/approvals.ts"
import type { GrantFilter, GrantRow } from "../store/grants.ts"
import type { ApprovalDesk, Asking, Resolver } from "./agent.ts"
import { checkAnswered } from "./answer.ts"
import { argsDigest } from "./fingerprint.ts"

export type { Asking } from "./agent.ts"
export type { AskedCall } from "./fingerprint.ts"
export { fingerprintOf } from "./fingerprint.ts"

/** What an approval means for a step that is about to run. */
export type Leave =
  | { type: "waiting"; approvalId: string }
  | { type: "allowed"; approvalId: string }
  /** `text` is what the model sees. */
  | { type: "refused"; text: string; details: Record<string, unknown> }

/**
 * What an approval that was asked before means for this call now. It counts only for the turn and session that asked, and only
 * while everything that was asked about is as it was.
 */
export function standingOf(
  asked: { approval: Approval; fingerprint: string },
  now: { sessionKey: string; turnId: string; fingerprint: string },
): Leave {
  const { approval } = asked
  const { decision, id } = approval
  if (approval.sessionKey !== now.sessionKey || approval.turnId !== now.turnId)
    return refused("An approval of another conversation does not count for this call. It was not carried out.")
  switch (decision) {
    case null:
      return { type: "waiting", approvalId: id }
    case "deny": {
      const why = approval.denyReason
      const said = why === undefined ? "" : ` Their reason: ${why}`
      return refused(
        `The user denied this call. It was not carried out.${said}`,
        why === undefined ? {} : { reason: why },
      )
    }
    case "expired":
      return refused("Nobody answered the approval in time. The call was not carried out.", { expired: true })
    case "canceled":
      return refused("The approval was withdrawn before anybody answered. The call was not carried out.", {
        canceled: true,
      })
    case "allow-once":
    case "allow-session":
    case "allow-always":
      if (asked.fingerprint === now.fingerprint) return { type: "allowed", approvalId: id }
      return refused("What this call would do has changed since it was approved. It was not carried out.", {
        changed: true,
      })
  }
}

function refused(text: string, details: Record<string, unknown> = {}): Leave {
  return { type: "refused", text, details: { denied: true, ...details } }
}

type Settled = Answer["decision"]

/** Where decisions are written down for good. */
export interface AuditPort {
  /** Only within a write of the store: in the commit of what it tells. */
  append(entry: AuditEntry): unknown
  record(entry: AuditEntry): Promise<unknown>
}

export class Desk implements ApprovalDesk {
  readonly #table: ApprovalTable
  readonly #clock: Clock
  readonly #log: Logger
  readonly #timers = new Map<string, () => void>()
  readonly #within = new Map<ApprovalKind, (approval: Approval) => void>()
  readonly #after = new Map<ApprovalKind, (approval: Approval) => void>()
  /** Kinds whose servers are told every decision, not only what is allowed. */
  readonly #every = new Set<ApprovalKind>()
  canAsk: (sessionKey: string) => boolean = () => false
  /** Told every decision about a turn's call; the lanes go on with the turn. */
  onResolved: (approval: Approval) => void = () => undefined
  /** Shows what no turn records: approvals that were asked aside, and their answers. */
  publish: (envelope: TurnEnvelope) => void = () => undefined
  audit: AuditPort | undefined

  constructor(table: ApprovalTable, clock: Clock, log: Logger) {
    this.#table = table
    this.#clock = clock
    this.#log = log
  }

  pending(): Promise<Approval[]> {
    return this.#table.pending()
  }

  get(id: string): Promise<Approval | undefined> {
    return this.#table.get(id)
  }

  /**
   * Who carries out what approvals of this kind allow: `within` runs in the commit of the answer and may refuse it by throwing,
   * `after` once it is on disk. With `every` both are told of refusals and of what nobody answered, too.
   */
  serve(
    kind: ApprovalKind,
    within: (approval: Approval) => void,
    after: (approval: Approval) => void,
    every = false,
  ): void {
    this.#within.set(kind, within)
    this.#after.set(kind, after)
    if (every) this.#every.add(kind)
  }

  /** Asks for something that no turn waits for. */
  async ask(question: Asking): Promise<Approval> {
    const { timeoutMs, cwd = "", id, ...rest } = question
    const now = this.#clock.now()
    const approval: Approval = {
      id: id ?? uuid(now),
      turnId: "",
      callId: "",
      cwd,
      ...rest,
      createdAt: now,
      expiresAt: now + timeoutMs,
      decision: null,
    }
    await this.#table.askAside(approval)
    this.watch(approval)
    this.#show(approval, "approval.requested")
    return approval
  }

  resolve(id: string, decision: ApprovalDecision, by: string, resolver: Resolver = {}): Promise<Approval> {
    const { answer, reason, sessionKey } = resolver
    if (reason !== undefined && decision !== "deny")
      return Promise.reject(
        new PincerError("INVALID_PARAMS", `A reason goes with "deny" only, not with "${decision}": leave it out`),
      )
    const said = reason?.trim() ? { reason: reason.trim() } : {}
    const whose = sessionKey === undefined ? {} : { sessionKey }
    return this.#settle(id, { decision, by, ...said, ...whose, ...(answer ? { answer } : {}) }, resolver.door)
  }

  rules(filter?: GrantFilter): Promise<GrantRow[]> {
    return this.#table.grants.list(filter)
  }

  addRule(rule: RuleOffer, by: string): Promise<void> {
    return this.#table.grants.add(rule, by, () => {
      this.audit?.append(this.#ruleEntry({ ...rule, sessionKey: null }, by, `Added: ${rule.text}`, {}))
    })
  }

  removeRule(id: string, by: string): Promise<GrantRow> {
    return this.#table.grants.remove(id, (gone) => {
      this.audit?.append(this.#ruleEntry(gone, by, `Removed: ${gone.text}`, { ruleId: id, uses: gone.uses }))
    })
  }

  #ruleEntry(
    rule: Pick<GrantRow, "agentId" | "sessionKey" | "tool" | "match">,
    who: string,
    summary: string,
    details: NonNullable<AuditEntry["details"]>,
  ): AuditEntry {
    return {
      type: "rule",
      at: this.#clock.now(),
      who,
      door: "control",
      agentId: rule.agentId,
      sessionKey: rule.sessionKey ?? "",
      turnId: "",
      callId: "",
      tool: rule.tool,
      summary: summary.slice(0, 300),
      argsDigest: argsDigest(rule.match),
      details,
    }
  }

  /** Withdraws what a session asked for aside from its turns. `kind`: only that. */
  async withdraw(sessionKey: string, by: string, kind?: ApprovalKind): Promise<void> {
    for (const one of await this.#table.pendingAside(sessionKey))
      if (kind === undefined || one.kind === kind) await this.#tryTo(one.id, "canceled", by)
  }

  /** Withdraws one approval, unless it was decided. Never throws. */
  cancel(id: string, by: string): Promise<void> {
    return this.#tryTo(id, "canceled", by)
  }

  /** Sets the timers of what an earlier life asked. */
  async start(): Promise<void> {
    for (const approval of await this.#table.pending()) this.watch(approval)
  }

  /** An approval was asked: it expires when nobody answers in time. */
  watch(approval: Approval): void {
    const left = Math.max(0, approval.expiresAt - this.#clock.now())
    const expire = () => {
      // A timer holds three weeks at most: what is due later waits again.
      if (this.#clock.now() < approval.expiresAt) this.watch(approval)
      else void this.#tryTo(approval.id, "expired", "timeout")
    }
    this.#timers.set(approval.id, this.#clock.after(left, expire))
  }

  /** Hears of approvals that ended with their turn: nothing is left to expire. */
  observe({ event }: TurnEnvelope): void {
    if (event.type === "approval.resolved") this.forget(event.approval.id)
  }

  forget(id: string): void {
    this.#timers.get(id)?.()
    this.#timers.delete(id)
  }

  /** Ends an approval unless somebody was first. Never throws. */
  async #tryTo(id: string, decision: "expired" | "canceled", by: string): Promise<void> {
    try {
      await this.#settle(id, { decision, by }, "timer")
    } catch (error) {
      this.forget(id)
      if (error instanceof PincerError && (error.code === "CONFLICT" || error.code === "NOT_FOUND")) return
      this.#log.error({ err: error, approvalId: id }, `An approval could not be recorded as ${decision}`)
    }
  }

  async #settle(id: string, answer: Answer, door = "control"): Promise<Approval> {
    const also = (approval: Approval) => {
      checkAnswered(approval)
      this.audit?.append(this.#entry(approval, answer.decision, door))
      if (this.#isTold(approval)) this.#within.get(approval.kind)?.(approval)
    }
    const approval = await this.#table.resolve(id, { ...answer, also })
    this.forget(id)
    if (approval.turnId === "") {
      this.#show(approval, "approval.resolved")
      if (this.#isTold(approval)) this.#after.get(approval.kind)?.(approval)
    } else this.onResolved(approval)
    return approval
  }

  #isTold({ decision, kind }: Approval): boolean {
    return this.#every.has(kind) || (decision !== null && allows(decision))
  }

  #show(approval: Approval, type: "approval.requested" | "approval.resolved"): void {
    const { agentId, sessionKey, turnId } = approval
    const at = this.#clock.now()
    this.publish({ sessionKey, sessionId: "", agentId, turnId, seq: null, at, event: { type, approval } })
  }

  #entry(approval: Approval, verdict: Settled, door: string): AuditEntry {
    const { agentId, args, callId, denyReason, placement, resolvedBy, sessionKey, summary, taint, tool, turnId } =
      approval
    return {
      type: verdict === "allow-always" ? "rule" : "approval",
      at: approval.resolvedAt ?? this.#clock.now(),
      who: resolvedBy ?? "",
      door,
      agentId,
      sessionKey,
      turnId,
      callId,
      tool,
      summary: (verdict === "allow-always" ? (approval.offer?.text ?? summary) : summary).slice(0, 300),
      argsDigest: argsDigest(args),
      verdict,
      ...(approval.rule === undefined ? {} : { rule: approval.rule }),
      reason: denyReason ?? approval.reason,
      ...(placement ? { placement } : {}),
      ...(taint ? { taint } : {}),
      details: { approvalId: approval.id, kind: approval.kind },
    }
  }

  close(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }
}

function allows(decision: Settled): boolean {
  return decision === "allow-once" || decision === "allow-session" || decision === "allow-always"
}

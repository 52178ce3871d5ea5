// Approvals: asked once per step of a turn, or by themselves; answered once. An answer that allows more than one call writes its
// grant in the same commit.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import type { Approval, ApprovalDecision } from "../protocol/approval.ts"
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import type { Database } from "./database.ts"
import type { GrantTable } from "./grants.ts"
import { json, text } from "./row.ts"
import type { ApprovalHistoryFilter, Approvals, Fence } from "./store.ts"
import type { TurnTable } from "./turns.ts"

export interface Answer {
  decision: ApprovalDecision | "expired" | "canceled"
  by: string
  /** Why it is denied. */
  reason?: string
  /** What is answered to a question. */
  answer?: Record<string, unknown>
  /** Refused unless the approval belongs to this session. */
  sessionKey?: string
  /** Runs in the same commit, before the answer counts; what it throws refuses the answer. Must be safe to run again. */
  also?: (approval: Approval) => void
}

export class ApprovalTable implements Approvals {
  readonly #db: Database
  readonly #clock: Clock
  readonly #turns: TurnTable
  readonly grants: GrantTable
  readonly #get
  readonly #pending
  readonly #insert
  readonly #decide
  readonly #byStep
  readonly #ofTurn
  readonly #ofSession

  constructor(db: Database, clock: Clock, turns: TurnTable, grants: GrantTable) {
    this.#db = db
    this.#clock = clock
    this.#turns = turns
    this.grants = grants
    this.#get = db.statement("SELECT data,fingerprint FROM approvals WHERE id=?")
    this.#pending = db.statement("SELECT data FROM approvals WHERE decision IS NULL ORDER BY created_at,id")
    this.#insert = db.statement(
      "INSERT INTO approvals (id,turn_id,session_key,step_key,fingerprint,data,created_at,expires_at) VALUES (?,?,?,?,?,?,?,?)",
    )
    this.#decide = db.statement("UPDATE approvals SET decision=?,data=? WHERE id=? AND decision IS NULL")
    this.#byStep = db.statement("SELECT data,fingerprint FROM approvals WHERE turn_id=? AND step_key=?")
    this.#ofTurn = db.statement("SELECT data FROM approvals WHERE turn_id=? AND decision IS NULL")
    this.#ofSession = db.statement(
      "SELECT data FROM approvals WHERE session_key=? AND turn_id='' AND decision IS NULL ORDER BY created_at,id",
    )
  }

  async get(id: string): Promise<Approval | undefined> {
    const row = this.#get.get(id)
    return row && json<Approval>(row, "data")
  }

  async pending(): Promise<Approval[]> {
    return this.#pending.all().map((row) => json<Approval>(row, "data"))
  }

  async history({ before, kinds, limit }: ApprovalHistoryFilter): Promise<Approval[]> {
    const where = ["decision IS NOT NULL"]
    const values: (string | number)[] = []
    if (kinds) {
      where.push("json_extract(data,'$.kind') IN (SELECT value FROM json_each(?))")
      values.push(JSON.stringify(kinds))
    }
    if (before) {
      where.push("(created_at,id)<(?,?)")
      values.push(before.createdAt, before.id)
    }
    const sql = `SELECT data FROM approvals WHERE ${where.join(" AND ")} ORDER BY created_at DESC,id DESC LIMIT ?`
    return this.#db.query(sql, [...values, limit]).map((row) => json<Approval>(row, "data"))
  }

  async pendingOf(turnId: string): Promise<Approval[]> {
    return this.#ofTurn.all(turnId).map((row) => json<Approval>(row, "data"))
  }

  /** Those of a session that no turn asked for. */
  async pendingAside(sessionKey: string): Promise<Approval[]> {
    return this.#ofSession.all(sessionKey).map((row) => json<Approval>(row, "data"))
  }

  /** The approval that was asked for this step of this turn, decided or not, and the fingerprint of what was asked. */
  async forStep(turnId: string, stepKey: string): Promise<{ approval: Approval; fingerprint: string } | undefined> {
    const row = this.#byStep.get(turnId, stepKey)
    return row && { approval: json<Approval>(row, "data"), fingerprint: text(row, "fingerprint") }
  }

  /** Whether exactly this call was allowed for the rest of this session. */
  async granted(sessionKey: string, fingerprint: string): Promise<boolean> {
    return (await this.grants.exact(sessionKey, fingerprint)) !== undefined
  }

  /** Asks for a step of a turn: the approval and the event that announces it, in one commit. Throws CONFLICT for an id that was used. */
  ask(fence: Fence, stepKey: string, fingerprint: string, approval: Approval): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      if (approval.turnId !== fence.turnId || approval.sessionKey !== fence.sessionKey)
        throw new TypeError(`Approval ${approval.id} does not belong to turn ${fence.turnId}`)
      this.#insertNow(approval, stepKey, fingerprint)
      return this.#turns.appendNow(fence, [{ type: "approval.requested", approval }])
    })
  }

  /** Withdraws what a turn asked for and nobody has answered: whoever waited for it is gone. */
  withdraw(fence: Fence, by: string): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      const events = this.#ofTurn.all(fence.turnId).map((row): RecordedEvent => {
        const asked = json<Approval>(row, "data")
        const approval = { ...asked, decision: "canceled", resolvedBy: by, resolvedAt: this.#clock.now() } as const
        this.#decide.run("canceled", JSON.stringify(approval), approval.id)
        return { type: "approval.resolved", approval }
      })
      return events.length === 0 ? [] : this.#turns.appendNow(fence, events)
    })
  }

  /** Asks for something that no turn waits for. Throws CONFLICT for an id that was used. */
  askAside(approval: Approval): Promise<void> {
    return this.#db.write(() => this.#insertNow({ ...approval, turnId: "" }, approval.id, ""))
  }

  #insertNow(approval: Approval, stepKey: string, fingerprint: string): void {
    const { createdAt, expiresAt, id, sessionKey, turnId } = approval
    if (this.#get.get(id)) throw new PincerError("CONFLICT", `Approval id "${id}" was used before: ask with a new one`)
    this.#insert.run(id, turnId, sessionKey, stepKey, fingerprint, JSON.stringify(approval), createdAt, expiresAt)
  }

  /**
   * Records the first answer, with the grant that it writes. Throws NOT_FOUND "unknown approval id", INVALID_PARAMS when it is of
   * another session or offers no rule for "allow-always", CONFLICT "approval already resolved" with who decided what.
   * The event is appended by the attempt that takes the answer up.
   */
  resolve(id: string, answer: Answer): Promise<Approval> {
    return this.#db.write(() => {
      const row = this.#get.get(id)
      if (!row) throw unknownApproval(id)
      const old = json<Approval>(row, "data")
      const { by, decision } = answer
      if (answer.sessionKey !== undefined && answer.sessionKey !== old.sessionKey)
        throw new PincerError("INVALID_PARAMS", `Approval ${id} does not belong to session "${answer.sessionKey}"`)
      if (old.decision !== null) throw answeredBefore(old)
      const approval: Approval = {
        ...old,
        decision,
        resolvedBy: by,
        resolvedAt: this.#clock.now(),
        ...(answer.reason === undefined ? {} : { denyReason: answer.reason }),
        ...(answer.answer === undefined ? {} : { answer: answer.answer }),
      }
      this.#grantNow(approval, text(row, "fingerprint"), by)
      answer.also?.(approval)
      this.#decide.run(decision, JSON.stringify(approval), id)
      return approval
    })
  }

  #grantNow(approval: Approval, fingerprint: string, by: string): void {
    if (approval.decision === "allow-session" && fingerprint !== "") this.grants.addCallNow(approval, fingerprint, by)
    if (approval.decision !== "allow-always") return
    if (!approval.offer)
      throw new PincerError(
        "INVALID_PARAMS",
        `Approval ${approval.id} offers no rule that could be written: allow it once, or for this session`,
        { details: { reason: "APPROVAL_WITHOUT_OFFER" } },
      )
    this.grants.addRuleNow(approval, approval.offer, by)
  }
}

export function unknownApproval(id: string): PincerError {
  return new PincerError("NOT_FOUND", "unknown approval id", { details: { code: "APPROVAL_NOT_FOUND", id } })
}

function answeredBefore({ decision, resolvedAt, resolvedBy = "somebody" }: Approval): PincerError {
  const what =
    decision === "expired"
      ? "it expired before anybody answered"
      : decision === "canceled"
        ? "it was canceled"
        : `${resolvedBy} decided "${decision}"`
  return new PincerError("CONFLICT", `approval already resolved: ${what}`, {
    details: { reason: "APPROVAL_ALREADY_RESOLVED", decision, resolvedBy, resolvedAt: resolvedAt ?? null },
  })
}

// Approvals: asked once per step, answered once.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import type { Approval, ApprovalDecision } from "../protocol/approval.ts"
import type { RecordedEnvelope } from "../protocol/event.ts"
import type { Database } from "./database.ts"
import { json, text } from "./row.ts"
import type { Approvals, Fence } from "./store.ts"
import type { TurnTable } from "./turns.ts"

export class ApprovalTable implements Approvals {
  readonly #db: Database
  readonly #clock: Clock
  readonly #turns: TurnTable
  readonly #get
  readonly #pending
  readonly #insert
  readonly #decide
  readonly #byStep
  readonly #grant
  readonly #ofTurn

  constructor(db: Database, clock: Clock, turns: TurnTable) {
    this.#db = db
    this.#clock = clock
    this.#turns = turns
    this.#get = db.statement("SELECT data FROM approvals WHERE id=?")
    this.#pending = db.statement("SELECT data FROM approvals WHERE decision IS NULL ORDER BY created_at,id")
    this.#insert = db.statement(
      "INSERT INTO approvals (id,turn_id,session_key,step_key,fingerprint,data,created_at,expires_at) VALUES (?,?,?,?,?,?,?,?)",
    )
    this.#decide = db.statement("UPDATE approvals SET decision=?,data=? WHERE id=? AND decision IS NULL")
    this.#byStep = db.statement("SELECT data,fingerprint FROM approvals WHERE turn_id=? AND step_key=?")
    this.#grant = db.statement(
      "SELECT data FROM approvals WHERE session_key=? AND fingerprint=? AND decision='allow-always' LIMIT 1",
    )
    this.#ofTurn = db.statement("SELECT data FROM approvals WHERE turn_id=? AND decision IS NULL")
  }

  async get(id: string): Promise<Approval | undefined> {
    const row = this.#get.get(id)
    return row && json<Approval>(row, "data")
  }

  async pending(): Promise<Approval[]> {
    return this.#pending.all().map((row) => json<Approval>(row, "data"))
  }

  async pendingOf(turnId: string): Promise<Approval[]> {
    return this.#ofTurn.all(turnId).map((row) => json<Approval>(row, "data"))
  }

  /** The approval that was asked for this step of this turn, decided or not, and the fingerprint of what was asked. */
  async forStep(turnId: string, stepKey: string): Promise<{ approval: Approval; fingerprint: string } | undefined> {
    const row = this.#byStep.get(turnId, stepKey)
    return row && { approval: json<Approval>(row, "data"), fingerprint: text(row, "fingerprint") }
  }

  /** Whether exactly this call was allowed for good in this session. */
  async granted(sessionKey: string, fingerprint: string): Promise<boolean> {
    return this.#grant.get(sessionKey, fingerprint) !== undefined
  }

  /** Asks: the approval and the event that announces it, in one commit. */
  ask(fence: Fence, stepKey: string, fingerprint: string, approval: Approval): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      const a = approval
      this.#insert.run(a.id, a.turnId, a.sessionKey, stepKey, fingerprint, JSON.stringify(a), a.createdAt, a.expiresAt)
      return this.#turns.appendNow(fence, [{ type: "approval.requested", approval }])
    })
  }

  /**
   * Records the first answer. Throws NOT_FOUND "unknown approval id" or CONFLICT "approval already resolved".
   * The event is appended by the attempt that takes the answer up.
   */
  resolve(id: string, decision: ApprovalDecision | "expired", by: string): Promise<Approval> {
    return this.#db.write(() => {
      const row = this.#get.get(id)
      if (!row)
        throw new PincerError("NOT_FOUND", "unknown approval id", { details: { code: "APPROVAL_NOT_FOUND", id } })
      const old = json<Approval>(row, "data")
      const approval: Approval = { ...old, decision, resolvedBy: by, resolvedAt: this.#clock.now() }
      if (old.decision !== null || this.#decide.run(decision, JSON.stringify(approval), id) === 0)
        throw new PincerError("CONFLICT", "approval already resolved", {
          details: { reason: "APPROVAL_ALREADY_RESOLVED", decision: old.decision },
        })
      return approval
    })
  }
}

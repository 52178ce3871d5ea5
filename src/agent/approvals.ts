// The desk where decisions wait for a human. Durable: what is asked is in the store, expiry timers are set again after a restart.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import type { Logger } from "../base/log.ts"
import type { Approval, ApprovalDecision } from "../protocol/approval.ts"
import type { ApprovalTable } from "../store/approvals.ts"
import type { ApprovalDesk } from "./agent.ts"

export class Desk implements ApprovalDesk {
  readonly #table: ApprovalTable
  readonly #clock: Clock
  readonly #log: Logger
  readonly #timers = new Map<string, () => void>()
  canAsk: (sessionKey: string) => boolean = () => false
  /** Told every decision; the lanes go on with the turn. */
  onResolved: (approval: Approval) => void = () => undefined

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

  async resolve(id: string, decision: ApprovalDecision, by: string): Promise<Approval> {
    return this.#settle(id, decision, by)
  }

  /** Sets the timers of what an earlier life asked. */
  async start(): Promise<void> {
    for (const approval of await this.#table.pending()) this.watch(approval)
  }

  /** An approval was asked: it expires when nobody answers in time. */
  watch(approval: Approval): void {
    const left = Math.max(0, approval.expiresAt - this.#clock.now())
    this.#timers.set(
      approval.id,
      this.#clock.after(left, () => {
        this.#settle(approval.id, "expired", "timeout").catch((error: unknown) => {
          if (error instanceof PincerError && error.code === "CONFLICT") return
          this.#log.error({ err: error, approvalId: approval.id }, "An approval could not expire")
        })
      }),
    )
  }

  /** An approval was decided elsewhere (its turn was canceled). */
  forget(id: string): void {
    this.#timers.get(id)?.()
    this.#timers.delete(id)
  }

  async #settle(id: string, decision: ApprovalDecision | "expired", by: string): Promise<Approval> {
    const approval = await this.#table.resolve(id, decision, by)
    this.forget(id)
    this.onResolved(approval)
    return approval
  }

  close(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }
}

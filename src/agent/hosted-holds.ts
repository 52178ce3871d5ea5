// Approvals that a running turn waits for. A hosted turn cannot be parked: its agent's process waits with it. So its answers come here
// while it lives; when it is gone, nobody takes them up.
import type { Approval } from "../protocol/approval.ts"

export class Holds {
  readonly #open = new Map<string, (approval: Approval) => void>()
  readonly #changed: (waiting: boolean) => void

  /** `changed` is told when the first one begins to wait, and when none does any more. */
  constructor(changed: (waiting: boolean) => void) {
    this.#changed = changed
  }

  get waiting(): boolean {
    return this.#open.size > 0
  }

  /** Resolves with the decided approval. Before anybody can see it, so that no answer is missed. */
  open(approvalId: string): Promise<Approval> {
    const answer = Promise.withResolvers<Approval>()
    this.#open.set(approvalId, answer.resolve)
    if (this.#open.size === 1) this.#changed(true)
    return answer.promise
  }

  /** False when nobody waits for it. */
  settle(approval: Approval): boolean {
    const resolve = this.#open.get(approval.id)
    resolve?.(approval)
    return resolve !== undefined
  }

  close(approvalId: string): void {
    if (this.#open.delete(approvalId) && this.#open.size === 0) this.#changed(false)
  }
}

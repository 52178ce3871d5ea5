// Model calls of an agent, counted from outside: one begins with the turn, and another one whenever it speaks, thinks or calls after all
// calls of the batch before have ended. Pure.
import type { ToolStatus } from "../../protocol/tool-view.ts"

const OVER: ReadonlySet<ToolStatus> = new Set(["completed", "failed", "canceled"])

export class Rounds {
  readonly #open = new Set<string>()
  readonly #ended = new Set<string>()
  #count = 1
  /** The batch of the running round had a call. */
  #called = false

  get count(): number {
    return this.#count
  }

  /** The agent speaks or thinks. */
  spoke(): void {
    this.#next()
  }

  called(callId: string, status: ToolStatus | undefined): void {
    if (this.#ended.has(callId)) return
    if (!this.#open.has(callId)) {
      this.#next()
      this.#called = true
      this.#open.add(callId)
    }
    if (status === undefined || !OVER.has(status)) return
    this.#open.delete(callId)
    this.#ended.add(callId)
  }

  #next(): void {
    if (!this.#called || this.#open.size > 0) return
    this.#count += 1
    this.#called = false
  }
}

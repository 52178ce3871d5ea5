// How full an external agent's window is and what its session has cost, as it says; and the turn's limits held against that.
// Tokens: what fills the window was sent and answered at least once, so a turn that reaches its limit there has used as many.
import type { RecordedEvent } from "../protocol/event.ts"
import type { HostedEvent } from "./harness.ts"
import type { HostedRoom } from "./hosted-room.ts"

type Measured = Omit<Extract<HostedEvent, { type: "context" }>, "type">

const EVERY_MS = 1_000

export class HostedMeter {
  readonly #room: HostedRoom
  #waiting: RecordedEvent | undefined
  #recordedAt = Number.NEGATIVE_INFINITY
  #seen = ""
  /** US dollars of the session before this turn. */
  #before: number | undefined
  #costUsd: number | null = null

  constructor(room: HostedRoom) {
    this.#room = room
  }

  /** What this turn has cost, as far as the agent said. */
  get costUsd(): number | null {
    return this.#costUsd
  }

  /** What is to be recorded now: a measure a second at most, the last one in any case. */
  measure({ costUsd, usedTokens, windowTokens }: Measured): RecordedEvent[] {
    this.#limits(usedTokens, costUsd)
    const event: RecordedEvent = { type: "context.measured", usedTokens, windowTokens, costUsd }
    const seen = JSON.stringify(event)
    if (seen === this.#seen) return []
    this.#seen = seen
    this.#waiting = event
    return this.#room.ports.clock.now() - this.#recordedAt >= EVERY_MS ? this.last() : []
  }

  last(): RecordedEvent[] {
    if (!this.#waiting) return []
    const event = this.#waiting
    this.#waiting = undefined
    this.#recordedAt = this.#room.ports.clock.now()
    return [event]
  }

  #limits(usedTokens: number, costUsd: number | null): void {
    const { profile, request, scope } = this.#room
    const { maxCostUsd, maxTokens } = { ...profile.limits, ...request.limits }
    if (costUsd !== null) {
      const known = scope.session.usage.costUsd ?? 0
      // A session that cost less than we know of was begun anew by its agent.
      this.#before ??= known <= costUsd ? known : 0
      this.#costUsd = Math.max(0, costUsd - this.#before)
      if (maxCostUsd !== null && this.#costUsd >= maxCostUsd) this.#room.stop({ type: "limit", stop: "cost_limit" })
    }
    if (maxTokens !== null && usedTokens >= maxTokens) this.#room.stop({ type: "limit", stop: "token_limit" })
  }
}

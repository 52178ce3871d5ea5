// How long a call of an MCP server may take: so long without a sign of life, and so long in all. While a human is asked something only
// the total counts.
import type { Clock } from "../../base/clock.ts"

export class CallLimit {
  readonly #clock: Clock
  readonly #idleMs: number
  readonly #controller = new AbortController()
  readonly #endTotal: () => void
  #endIdle: () => void = () => undefined
  #holds = 0
  #over = false

  constructor(clock: Clock, idleMs: number, totalMs: number) {
    this.#clock = clock
    this.#idleMs = idleMs
    this.#endTotal = clock.after(totalMs, () => this.#due(totalMs))
    this.touch()
  }

  /** Aborts with a sentence when the time is over. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  touch(): void {
    this.#endIdle()
    if (this.#holds === 0) this.#endIdle = this.#clock.after(this.#idleMs, () => this.#due(this.#idleMs))
  }

  /** Until the returned function is called. */
  hold(): () => void {
    this.#holds += 1
    this.#endIdle()
    return () => {
      this.#holds -= 1
      if (!this.#over) this.touch()
    }
  }

  end(): void {
    this.#over = true
    this.#endIdle()
    this.#endTotal()
  }

  #due(ms: number): void {
    this.end()
    const time = ms < 120_000 ? `${ms / 1_000} seconds` : `${Math.round(ms / 60_000)} minutes`
    this.#controller.abort(`no answer within ${time}`)
  }
}

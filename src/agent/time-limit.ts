// The wall time that a turn may take, without the time in which it waits for a human.
import type { Clock } from "../base/clock.ts"

export class TimeLimit {
  readonly #clock: Clock
  readonly #reached: () => void
  #leftMs: number
  #since = 0
  #cancel: (() => void) | undefined

  constructor(clock: Clock, limitMs: number, reached: () => void) {
    this.#clock = clock
    this.#leftMs = limitMs
    this.#reached = reached
    this.resume()
  }

  pause(): void {
    if (!this.#cancel) return
    this.#cancel()
    this.#cancel = undefined
    this.#leftMs -= this.#clock.now() - this.#since
  }

  resume(): void {
    if (this.#cancel) return
    this.#since = this.#clock.now()
    this.#cancel = this.#clock.after(Math.max(0, this.#leftMs), this.#reached)
  }
}

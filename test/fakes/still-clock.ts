// A clock that stands still until a test moves it. Timers that become due run in the order of their times.
import type { Clock } from "../../src/base/clock.ts"

export interface StillClock extends Clock {
  /** Moves time on, running what is due on the way, and lets what that began reach the disk. */
  advance(ms: number): Promise<void>
  /** Moves time on without running anything, as when timers come late. */
  jump(ms: number): void
}

export function stillClock(start = 1_700_000_000_000): StillClock {
  let now = start
  let timers: { at: number; run: () => void }[] = []
  const after = (ms: number, run: () => void) => {
    const timer = { at: now + ms, run }
    timers.push(timer)
    return () => {
      timers = timers.filter((one) => one !== timer)
    }
  }
  const settle = async () => {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    now: () => now,
    after,
    sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
    jump(ms) {
      now += ms
    },
    async advance(ms) {
      const end = now + ms
      for (;;) {
        const next = timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0]
        if (!next) break
        timers = timers.filter((one) => one !== next)
        now = Math.max(now, next.at)
        next.run()
        await settle()
      }
      now = end
      await settle()
    },
  }
}

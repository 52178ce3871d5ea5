// A clock as a machine has it: timers count the time that the machine is awake, and the wall clock may jump beside them, forward
// over a suspend or when it is set, and back when it is set. It moves only when a test moves it.
import type { StillClock } from "./still-clock.ts"

export function machineClock(start: number): StillClock {
  /** Time awake; the wall clock is this and `offset`. */
  let awake = 0
  let offset = start
  let timers: { at: number; run: () => void }[] = []
  const after = (ms: number, run: () => void) => {
    const timer = { at: awake + Math.max(0, ms), run }
    timers.push(timer)
    return () => {
      timers = timers.filter((one) => one !== timer)
    }
  }
  const settle = async () => {
    for (let i = 0; i < 12; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    now: () => awake + offset,
    after,
    sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
    jump(ms) {
      offset += ms
    },
    async advance(ms) {
      const end = awake + ms
      for (;;) {
        let next: (typeof timers)[number] | undefined
        for (const timer of timers) if (timer.at <= end && (!next || timer.at < next.at)) next = timer
        if (!next) break
        timers = timers.filter((one) => one !== next)
        awake = Math.max(awake, next.at)
        next.run()
        await settle()
      }
      awake = end
      await settle()
    },
  }
}

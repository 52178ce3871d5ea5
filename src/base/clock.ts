// Time as a value that is handed in, so that tests can hold it still. Times are milliseconds since 1970 unless named otherwise.

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Runs `fn` once after `ms`; the returned function cancels it. The timer never keeps the process alive. */
  after(ms: number, fn: () => void): () => void
  /** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** setTimeout takes a signed 32-bit number of milliseconds; longer waits are cut to this. */
const MAX_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(0, ms), MAX_TIMER_MS))
    timer.unref()
    return () => clearTimeout(timer)
  },
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const timer = setTimeout(
        () => {
          signal?.removeEventListener("abort", onAbort)
          resolve()
        },
        Math.min(Math.max(0, ms), MAX_TIMER_MS),
      )
      function onAbort() {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      signal?.addEventListener("abort", onAbort, { once: true })
    })
  },
}

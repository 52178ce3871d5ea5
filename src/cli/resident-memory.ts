// What the daemon keeps resident: how V8 is set for a process that runs for months and mostly waits, and the collection when the
// gateway has gone quiet. What each setting gives and costs was measured: docs/performance.md.
import { performance } from "node:perf_hooks"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/**
 * A burst of turns made V8 grow for good: young space that is never given back, old space that is collected late, and, most of all,
 * working memory of the optimizing compilers, which their threads leave behind in pieces (bin/pincer.js has malloc return those).
 */
const SETTINGS: readonly string[] = [
  "--semi-space-growth-factor=1",
  "--max-semi-space-size=2",
  "--optimize-for-size",
  // Maglev would compile hundreds of functions in the first seconds of a burst: only what is called thousands of times is worth it.
  "--invocation-count-for-maglev=10000",
  // TurboFan stays for what is really hot, such as loops over long texts, and compiles it in small portions. V8 multiplies the
  // first two into an int: their product must stay below 2^31, or the largest functions are compiled at once.
  "--invocation-count-for-turbofan=50000",
  "--max-optimized-bytecode-size=1000",
  "--max-inlined-bytecode-size-cumulative=0",
]

const LOOK_MS = 1_000
/** Time on the event loop within one look, up to which it counts as calm: timers and pings, but hardly a turn. */
const CALM_MS = 5
const CALM_LOOKS = 2
/** Less than this is not worth a collection: a turn every now and then must not cause one each. */
const WORTH_BYTES = 4 * 1024 * 1024

export interface Look {
  running: number
  /** Milliseconds on the event loop since the last look. */
  activeMs: number
  /** Resident bytes. */
  resident: number
}

/** Decides when to collect: nothing runs, two calm looks in succession, and grown since the last collection. Pure. */
export class QuietWatch {
  #calm = 0
  #floor: number

  constructor(resident: number) {
    this.#floor = resident
  }

  /** Whether to collect now. After a collection tell `collected`. */
  look({ running, activeMs, resident }: Look): boolean {
    this.#calm = running === 0 && activeMs <= CALM_MS ? this.#calm + 1 : 0
    return this.#calm >= CALM_LOOKS && resident >= this.#floor + WORTH_BYTES
  }

  /** What stayed is the new measure, so that what cannot be given back is not tried for again and again. */
  collected(resident: number): void {
    this.#floor = resident
    this.#calm = 0
  }
}

/** To be called before much code has run. */
export function keepHeapSmall(): void {
  for (const setting of SETTINGS) setFlagsFromString(setting)
}

/**
 * Collects when the gateway has gone quiet, and has it give back what it holds beside V8; the timer keeps no process alive. The returned
 * function ends it.
 */
export function collectWhenQuiet(gateway: { running(): number; rest(): void }): () => void {
  const watch = new QuietWatch(process.memoryUsage.rss())
  let last = performance.eventLoopUtilization()
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    const activeMs = now.active - last.active
    last = now
    if (!watch.look({ running: gateway.running(), activeMs, resident: process.memoryUsage.rss() })) return
    gateway.rest()
    collect()
    watch.collected(process.memoryUsage.rss())
    last = performance.eventLoopUtilization()
  }, LOOK_MS)
  timer.unref()
  return () => clearInterval(timer)
}

type Collector = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void
let collector: Collector | undefined

/** The thorough kind, which also compacts and gives pages back: 40 to 80 ms of CPU for 20 MiB in use. */
function collect(): void {
  if (!collector) {
    // V8 hands out its collector only to contexts that are made while the flag is set.
    setFlagsFromString("--expose-gc")
    collector = runInNewContext("gc") as Collector
    setFlagsFromString("--no-expose-gc")
  }
  collector({ type: "major", execution: "sync", flavor: "last-resort" })
}

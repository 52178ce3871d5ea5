// One line on a terminal that says how far something is, written over and over; nothing in a pipe.
import type { Cli } from "./cli.ts"
import { inertLine } from "./inert.ts"

const EVERY_MS = 200

export interface Progress {
  show(text: string): void
  /** Takes the line away. */
  end(): void
}

export function openProgress({ err }: Pick<Cli, "err">): Progress {
  let last = 0
  let shown = false
  return {
    show(text) {
      const now = performance.now()
      if (!err.isTerminal || now - last < EVERY_MS) return
      last = now
      shown = true
      err.write(`\r\x1b[K${inertLine(text)}`)
    },
    end() {
      if (shown) err.write("\r\x1b[K")
      shown = false
    },
  }
}

/** A signal that Ctrl-C aborts while `run` goes on; a second Ctrl-C ends the program. */
export async function stoppable<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const onInterrupt = () => stop.abort()
  process.once("SIGINT", onInterrupt)
  try {
    return await run(stop.signal)
  } finally {
    process.off("SIGINT", onInterrupt)
  }
}

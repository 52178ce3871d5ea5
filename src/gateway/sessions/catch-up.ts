// Work on old data that must not be in the way of anything: a little at a time, after the start, until nothing is left.
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { Books } from "../../store/open.ts"

/** Messages that are read in one go: a few milliseconds. */
const MESSAGES = 50
const FIRST_MS = 5_000
const PAUSE_MS = 100

/** Makes old transcripts findable. The returned function ends it; the next start goes on. */
export function catchUp(books: Pick<Books, "wordsBacklog">, clock: Clock, log: Logger): () => void {
  let stopped = false
  let cancel = clock.after(FIRST_MS, go)
  async function step(): Promise<void> {
    const more = await books.wordsBacklog.step(MESSAGES)
    if (more && !stopped) cancel = clock.after(PAUSE_MS, go)
  }
  function go(): void {
    step().catch((error: unknown) => log.error({ err: error }, "Old transcripts could not be made findable"))
  }
  return () => {
    stopped = true
    cancel()
  }
}

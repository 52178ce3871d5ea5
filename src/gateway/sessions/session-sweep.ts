// Old sessions go away by themselves: those that nobody can name again, and those that nobody has used for long.
import type { Parts } from "../parts.ts"

const DAY_MS = 86_400_000
/** Sessions that nobody can name again once their caller has its answer. */
const STATELESS = ["openai", "openresponses"]

/** Deletes old sessions a minute after the start and then daily; the returned function ends it. */
export function sweepDaily(parts: Pick<Parts, "clock" | "config" | "log" | "store">): () => void {
  const { clock, log, store } = parts
  let cancel = clock.after(60_000, sweep)
  async function prune() {
    const { keepDays, statelessDays } = parts.config.sessions
    const stateless = await store.sessions.prune(STATELESS, clock.now() - statelessDays * DAY_MS)
    const unused = keepDays === 0 ? 0 : await store.sessions.prune("all", clock.now() - keepDays * DAY_MS)
    if (stateless + unused > 0) log.info({ stateless, unused }, "Old sessions were deleted")
  }
  function sweep() {
    cancel = clock.after(DAY_MS, sweep)
    prune().catch((error: unknown) => log.error({ err: error }, "Old sessions could not be deleted"))
  }
  return () => cancel()
}

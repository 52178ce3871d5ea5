// How much there is and how it goes, in numbers: the same for the status method and for the metrics. Names no session, no person, no text.
import { addUsage, NO_USAGE } from "../../protocol/message.ts"
import type { Parts } from "../parts.ts"

export async function factsOf(parts: Parts) {
  const [{ total: sessions }, pending, elevated, sandbox, today] = await Promise.all([
    parts.store.sessions.list({ limit: 1 }),
    parts.approvals.pending(),
    parts.elevations.all(),
    parts.sandbox.report(),
    parts.store.usage.days(parts.clock.now()),
  ])
  const { costUsd, inputTokens, outputTokens } = today.reduce((sum, day) => addUsage(sum, day.usage), NO_USAGE)
  return {
    turns: { ...parts.lanes.counts() },
    jobs: parts.jobs.figures(),
    sessions,
    approvalsPending: pending.length,
    elevatedSessions: [...elevated].length,
    sandbox: {
      backend: sandbox.backend,
      available: sandbox.available,
      profile: parts.config.sandbox.profile,
      detail: sandbox.detail,
      ...(sandbox.install === undefined ? {} : { install: sandbox.install }),
    },
    /** Of the day that is now, UTC, as recorded with the turns that have ended; no cost where no price is known. */
    today: { turns: today.reduce((sum, day) => sum + day.turns, 0), inputTokens, outputTokens, costUsd },
    connections: parts.presence.connections,
    storeBytes: parts.store.size(),
  }
}

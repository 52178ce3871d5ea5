// Calls of an external agent that a crash left open in the log: each still gets its one end, for those who replay it.
import type { RecordedEvent } from "../protocol/event.ts"
import type { Ports } from "./ports.ts"

/** The newest so many events of a session are looked through. */
const LOOK_BACK = 5_000

/** The ends of the calls that this turn began and never ended. */
export async function endsOfLeftCalls(
  { books, clock }: Ports,
  { sessionKey, turnId }: { sessionKey: string; turnId: string },
): Promise<RecordedEvent[]> {
  const session = await books.sessions.get(sessionKey)
  if (!session) return []
  const afterSeq = Math.max(0, session.lastSeq - LOOK_BACK)
  const open = new Map<string, RecordedEvent>()
  for (const { at, event, turnId: owner } of await books.transcript.events(sessionKey, {
    afterSeq,
    limit: LOOK_BACK,
  })) {
    if (owner !== turnId) continue
    if (event.type === "tool.ended") open.delete(event.callId)
    if (event.type !== "tool.started") continue
    const { callId, name } = event
    const text = "Pincer stopped while this call ran. What it did stays done."
    const durationMs = Math.max(0, clock.now() - at)
    const view = { status: "canceled" } as const
    open.set(callId, { type: "tool.ended", callId, name, isError: true, text, durationMs, view })
  }
  return [...open.values()]
}

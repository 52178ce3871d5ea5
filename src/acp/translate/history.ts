// Which recorded events still count: an exchange that was taken back (resend, edit) is not told again. Pure.
import type { RecordedEnvelope } from "../../protocol/event.ts"

/** The events without those of turns whose messages were taken back. What such a turn left behind for the session stays. */
export function standing(envelopes: readonly RecordedEnvelope[]): RecordedEnvelope[] {
  const dropped = new Set<string>()
  for (const { event } of envelopes)
    if (event.type === "messages.dropped") for (const id of event.messageIds) dropped.add(id)
    else if (event.type === "messages.restored") for (const id of event.messageIds) dropped.delete(id)
  if (dropped.size === 0) return [...envelopes]
  const turns = new Set<string>()
  for (const { event, turnId } of envelopes)
    if (event.type === "message.added" && dropped.has(event.message.id)) turns.add(turnId)
  return envelopes.filter(({ event, turnId }) => {
    if (!turns.has(turnId)) return true
    return event.type === "plan.updated" || event.type === "context.measured" || event.type === "session.described"
  })
}

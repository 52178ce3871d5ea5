// After an update: a note in the session that asked for it, and the turn that was to go on there.
import { requireAgent, resolveSession, turnRequest } from "../inbound.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import { addNoteWhenFree } from "../sessions/note.ts"
import type { UpdateRun } from "./record.ts"

export async function tellUpdate(run: UpdateRun, parts: Parts): Promise<void> {
  const session = await resolveSession({ sessionKey: run.sessionKey }, parts)
  requireAgent(session.agentId, parts)
  await addNoteWhenFree(session, wordsFor(run), parts)
  if (run.state !== "done" || run.continuationMessage === undefined) return
  const input = [{ type: "text" as const, text: run.continuationMessage }]
  // A turn has the id of the update: told twice, it runs once.
  await parts.lanes.submit(turnRequest(session, { input, idempotencyKey: `update-${run.id}` }, CALLER, parts))
}

const CALLER: Caller = {
  connId: "update",
  dialect: "claw",
  protocol: 4,
  role: "operator",
  scopes: [],
  caps: [],
  clientId: "pincer-update",
  signal: new AbortController().signal,
}

function wordsFor({ from, note, reason, state, target }: UpdateRun): string {
  const what =
    state === "done"
      ? `Pincer was updated from ${from} to ${target} and runs again.`
      : `The update from ${from} to ${target} failed: ${reason ?? "nobody knows why"}.`
  return note === undefined ? what : `${what}\n\n${note}`
}

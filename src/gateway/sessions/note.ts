// A note in the assistant's name, without a run: recorded, then published. Not while a turn runs: between a call and its result it would
// tear the conversation apart.
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import type { Message, Part } from "../../protocol/message.ts"
import type { SessionName } from "../../protocol/session.ts"
import type { Parts } from "../parts.ts"

/** The message's id. Throws UNAVAILABLE while a turn runs there. */
export async function addNote(
  { agentId, key }: Pick<SessionName, "agentId" | "key">,
  said: string | readonly Part[],
  parts: Pick<Parts, "clock" | "hub" | "lanes" | "store">,
  id = uuid(parts.clock.now()),
): Promise<string> {
  if (parts.lanes.active(key).some(({ status }) => status !== "queued"))
    throw new PincerError("UNAVAILABLE", `A turn runs in ${key}: wait for its end, or stop it with chat.abort`, {
      retryAfterMs: 1_000,
    })
  const message: Message = {
    id,
    role: "assistant",
    content: typeof said === "string" ? [{ type: "text", text: said }] : [...said],
    at: parts.clock.now(),
    provider: "pincer",
    model: "gateway-injected",
    stopReason: "stop",
  }
  const envelopes = await parts.store.transcript.add(key, agentId, [{ type: "message.added", message }])
  for (const envelope of envelopes) parts.hub.publish(envelope)
  return message.id
}

/** Turns that are waited for, one after another, before the note is given up. */
const TRIES = 5

/** The same, once what runs there has ended: a turn that a restart cut off goes on first. */
export async function addNoteWhenFree(
  session: Pick<SessionName, "agentId" | "key">,
  words: string,
  parts: Pick<Parts, "clock" | "hub" | "lanes" | "store">,
): Promise<void> {
  for (let tries = 0; ; tries++)
    try {
      await addNote(session, words, parts)
      return
    } catch (error) {
      const running = parts.lanes.active(session.key).find(({ status }) => status !== "queued")
      if (!(error instanceof PincerError) || error.code !== "UNAVAILABLE" || !running || tries === TRIES) throw error
      await parts.lanes.wait(running.turnId)
    }
}

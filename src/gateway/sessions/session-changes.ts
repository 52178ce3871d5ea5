// session.changed: tells whoever lists or shows sessions that one of them is not what it was. Says what changed and the little that lists
// show; the rest is read anew.
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { SessionFacts } from "../../protocol/session-facts.ts"
import type { Parts } from "../parts.ts"
import type { SessionNotice } from "../rpc/notices.ts"

type Needed = Pick<Parts, "hub" | "notices" | "store" | "log">

/** `tell` gets the event's payload as JSON text. The returned function ends it. */
export function announceChanges({ hub, log, notices, store }: Needed, tell: (payload: string) => void): () => void {
  const onNotice = (notice: SessionNotice) => {
    const { key: sessionKey, type } = notice
    if (type === "deleted") {
      tell(JSON.stringify({ sessionKey, changed: ["deleted"], deleted: true }))
      return
    }
    announce(sessionKey, () => notice.changed ?? ["settings"])
  }
  const announce = (
    sessionKey: string,
    changedIn: (row: { messageCount: number }) => readonly string[] | undefined,
  ) => {
    store.sessions
      .get(sessionKey)
      .then((row) => {
        const changed = row && changedIn(row)
        if (!row || !changed) return
        const { id: sessionId, label, name, updatedAt } = row
        const title = row.toldTitle ?? row.title
        tell(JSON.stringify({ sessionKey, sessionId, changed, title: label ?? name ?? title, updatedAt }))
      })
      .catch((error: unknown) => log.warn({ err: error, sessionKey }, "A session was not read"))
  }
  const onEvent = ({ event, sessionKey }: TurnEnvelope) => {
    if (event.type === "turn.ended") announce(sessionKey, () => ["usage"])
    else if (event.type === "session.described") announce(sessionKey, () => describedIn(event.facts))
    // The first words of a conversation are its title.
    else if (event.type === "message.added" && event.message.role === "user" && !event.message.synthetic)
      announce(sessionKey, ({ messageCount }) => (messageCount <= 1 ? ["title"] : undefined))
  }
  const stops = [notices.on(onNotice), hub.onAll(onEvent)]
  return () => {
    for (const stop of stops) stop()
  }
}

/** What of a session an agent's word about it changes. */
function describedIn({ title, ...offered }: SessionFacts): readonly string[] {
  return [...(title === undefined ? [] : ["title"]), ...(Object.keys(offered).length === 0 ? [] : ["options"])]
}

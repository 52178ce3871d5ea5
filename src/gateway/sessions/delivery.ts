// Where a message of the owner's own programs can be delivered without a turn. The one place that knows which kinds of targets there are:
// today the sessions of this gateway, for everybody who shows them.
import { PincerError } from "../../base/errors.ts"
import type { Part } from "../../protocol/message.ts"
import { resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { addNote } from "./note.ts"

export interface Delivery {
  /** As the caller named it; absent: whatever `to` fits. */
  channel?: string
  to: string
  agentId?: string
  content: readonly Part[]
  /** A repeat is delivered once. */
  key: string
}

export interface Delivered {
  channel: string
  messageId: string
  /** What the target calls the place. */
  conversationId: string
}

/** Names of the sessions of this gateway as a channel. */
const SESSIONS: ReadonlySet<string> = new Set(["session", "webchat", "pincer"])
/** So many of the newest messages are looked through for a repeat. */
const LOOKED_BACK = 200

const underway = new Map<string, Promise<Delivered>>()

/** Throws INVALID_PARAMS for a channel that is not there, NOT_FOUND for a session that is not, UNAVAILABLE while a turn runs in it. */
export async function deliver(delivery: Delivery, parts: Parts): Promise<Delivered> {
  const { agentId, channel, to } = delivery
  const named = channel?.trim().toLowerCase()
  if (named !== undefined && !SESSIONS.has(named))
    throw new PincerError("INVALID_PARAMS", `unsupported channel: ${channel}`, {
      details: { code: "UNSUPPORTED_CHANNEL", channel: named, available: [] },
    })
  const session = await resolveSession({ sessionKey: to, ...(agentId === undefined ? {} : { agentId }) }, parts).catch(
    (error: unknown) => {
      if (named === undefined && error instanceof PincerError) return undefined
      throw error
    },
  )
  if (session && (await parts.store.sessions.get(session.key))) return once(session, delivery, parts)
  if (named === undefined)
    throw new PincerError(
      "INVALID_PARAMS",
      `Channel is required (no available channels detected), and "${to}" is no session: name one that "pincer session list" shows`,
      { details: { code: "CHANNEL_REQUIRED", available: [] } },
    )
  throw new PincerError("NOT_FOUND", `Unknown session "${to}": run "pincer session list"`)
}

/** One at a time for each key, so that two that come together are one. */
function once(session: { key: string; agentId: string }, delivery: Delivery, parts: Parts): Promise<Delivered> {
  const name = `${parts.bootId} ${session.key} ${delivery.key}`
  const known = underway.get(name)
  if (known) return known
  const work = intoSession(session, delivery, parts).finally(() => underway.delete(name))
  underway.set(name, work)
  return work
}

async function intoSession(session: { key: string; agentId: string }, { content, key }: Delivery, parts: Parts) {
  const messageId = `sent-${key}`
  const delivered = { channel: "session", messageId, conversationId: session.key }
  const newest = await parts.store.transcript.messages(session.key, { limit: LOOKED_BACK })
  if (!newest.some(({ id }) => id === messageId)) await addNote(session, content, parts, messageId)
  return delivered
}

// Going back in a conversation, and to what was left: where one may go, and what comes back into the editor. Nothing is deleted; messages
// that do not count any more stay in the log as a way that was left (protocol/conversation.ts).
import { PincerError } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"
import { type Ways, wayTo } from "../../protocol/conversation.ts"
import { type Message, type Part, textOf } from "../../protocol/message.ts"
import type { WayPlan } from "../../store/store.ts"
import type { Parts } from "../parts.ts"

type Messages = ReadonlyMap<string, Message>

const HEADLINE_CHARS = 80

/** Which messages count before this one, and what the user said there. */
export interface Landing {
  ids: readonly string[]
  /** What the user said at this place; it is not said any more. */
  said?: Message
}

const isAsked = (message: Message | undefined) => message?.role === "user" && !message.synthetic

/**
 * The place that a message names: before what the user said, or after the last answer to it. Throws NOT_FOUND for a message that does not
 * count, INVALID_PARAMS for one in the middle of an exchange.
 */
export function placeOf(entryId: string, ways: Ways, messages: Messages): Landing {
  const at = ways.now.indexOf(entryId)
  const message = messages.get(entryId)
  if (at < 0 || !message)
    throw new PincerError(
      "NOT_FOUND",
      `No message "${entryId}" counts in this session: take an id that chat.history shows`,
      {
        details: { entryId },
      },
    )
  if (isAsked(message)) return { ids: ways.now.slice(0, at), said: message }
  const next = ways.now[at + 1]
  if (next !== undefined && !isAsked(messages.get(next)))
    throw new PincerError(
      "INVALID_PARAMS",
      `Message "${entryId}" stands in the middle of an exchange: name what the user said, or the last answer to it`,
      { details: { entryId } },
    )
  return { ids: ways.now.slice(0, at + 1) }
}

/** The messages from before a summary was made; of a summary that a turn made on its way, before that turn. Throws NOT_FOUND. */
export function beforeSummary(checkpointId: string, ways: Ways, messages: Messages): readonly string[] {
  const summary = messages.get(checkpointId)
  const way = summary?.summary && wayTo(ways, checkpointId)
  if (!way)
    throw new PincerError(
      "NOT_FOUND",
      `This session has no checkpoint "${checkpointId}": see sessions.compaction.list`,
      {
        details: { checkpointId },
      },
    )
  const { turnId } = summary
  const first = turnId === undefined ? -1 : way.findIndex((id) => messages.get(id)?.turnId === turnId)
  return way.slice(0, first < 0 ? way.length - 1 : first)
}

/** The plan, refused while a turn runs: between a call and its result a conversation cannot go elsewhere. */
export function whileResting(key: string, { lanes }: Pick<Parts, "lanes">, plan: WayPlan): WayPlan {
  return (ways, messages) => {
    if (lanes.active(key).some(({ status }) => status !== "queued"))
      throw new PincerError("UNAVAILABLE", `A turn runs in ${key}: wait for its end, or stop it with chat.abort`, {
        retryAfterMs: 1_000,
      })
    return plan(ways, messages)
  }
}

/** What comes back into the editor of whoever goes back. */
export function editorOf(said: Message | undefined) {
  if (!said) return {}
  const attachments = said.content.flatMap(attachmentOf)
  return {
    editorText: textOf(said.content),
    ...(attachments.length === 0 ? {} : { editorAttachments: attachments }),
  }
}

function attachmentOf(part: Part): { mimeType: string; data: string }[] {
  if (part.type !== "image" && part.type !== "file" && part.type !== "audio") return []
  return [{ mimeType: part.mimeType, data: part.data }]
}

/** The ways as a person can tell them apart. */
export function branchesOf(ways: Ways, messages: Messages) {
  const all = [
    ...(ways.now.length > 0 ? [{ ids: ways.now, active: true }] : []),
    ...ways.left.map(({ ids }) => ({ ids, active: false })),
  ]
  return all.map(({ active, ids }) => {
    const last = messages.get(ids.at(-1)!)
    return {
      leafEntryId: ids.at(-1)!,
      headline: headlineOf(ids, messages),
      messageCount: ids.length,
      ...(last ? { updatedAt: new Date(last.at).toISOString() } : {}),
      active,
    }
  })
}

/** What the user said last in it. */
function headlineOf(ids: readonly string[], messages: Messages): string {
  const asked = ids.findLast((id) => isAsked(messages.get(id)))
  const shown = messages.get(asked ?? ids.at(-1)!)
  return (shown && excerpt(textOf(shown.content), HEADLINE_CHARS)) || "(no words)"
}

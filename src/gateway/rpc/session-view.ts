// A session in IMClaw's shape (IM-SES-02, 03). Summaries come from the session's row and its last turn, never from its log, so that
// ten thousand of them stay cheap; the whole session reads the log.
import { isObject } from "../../base/json.ts"
import { excerpt } from "../../base/text.ts"
import { textOf } from "../../protocol/message.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import type { SessionRow } from "../../store/store.ts"
import type { Parts } from "../parts.ts"
import { type Activity, ActivityLog } from "./activity.ts"

const PAGE = 1_000
const PROMPT_CHARS = 200

export type SessionView = Record<string, unknown> & { id: string; agent_name: string }

/** The name under which this door shows a session: what follows the default agent in its key, else the whole key. */
export function sessionId(key: string, parts: Pick<Parts, "config">): string {
  const { agentId, rest } = parseSessionKey(key)
  return agentId === parts.config.agents.default ? rest : key
}

/** The agent that answers in a session: what `session.update` chose, else the one of its key. */
export function agentOf(session: Pick<SessionRow, "agentId" | "settings">): string {
  return session.settings["agent"] ?? session.agentId
}

export async function summaryOf(session: SessionRow, parts: Parts): Promise<SessionView> {
  const [last] = await parts.store.turns.list({ sessionKey: session.key, limit: 1 })
  const running = parts.lanes.active(session.key).some((turn) => turn.status !== "queued")
  const failed = last?.outcome && last.outcome.status !== "completed" && last.outcome.status !== "canceled"
  const prompt = last && textOf(last.request.input)
  const { outcome } = last ?? {}
  return {
    ...headOf(session, parts),
    status: running ? "running" : failed ? "error" : "idle",
    active: running,
    ...(session.title === null ? {} : { first_prompt: session.title }),
    ...(prompt ? { last_prompt: excerpt(prompt, PROMPT_CHARS) } : {}),
    ...(outcome?.text ? { last_output: excerpt(outcome.text, PROMPT_CHARS) } : {}),
    ...(failed ? { last_error: outcome?.error?.message ?? outcome?.stop ?? "failed" } : {}),
    event_count: session.lastSeq,
  }
}

function headOf(session: SessionRow, parts: Parts): SessionView {
  return {
    id: sessionId(session.key, parts),
    session_key: session.key,
    channel: "cli",
    account_id: "",
    chat_id: sessionId(session.key, parts),
    agent_name: agentOf(session),
    ...(session.name === null ? {} : { name: session.name }),
    ...(session.tags.length === 0 ? {} : { tags: session.tags }),
    archived: session.archivedAt !== null,
    created_at: new Date(session.createdAt).toISOString(),
    last_active: new Date(session.updatedAt).toISOString(),
  }
}

/** The session with everything that happened in it. */
export async function sessionOf(session: SessionRow, parts: Parts): Promise<SessionView> {
  const { activity, log } = await activitiesOf(session.key, 0, parts)
  return {
    ...headOf(session, parts),
    agent_session: session.id,
    agent_session_handle: sessionId(session.key, parts),
    ...log.standing,
    activity,
    metadata: metadataOf(session),
  }
}

/** What happened after activity number `after`, and the log that knows the next number. */
export async function activitiesOf(
  key: string,
  after: number,
  parts: Pick<Parts, "store">,
): Promise<{ activity: Activity[]; log: ActivityLog; lastSeq: number }> {
  const log = new ActivityLog()
  const activity: Activity[] = []
  let lastSeq = 0
  for (;;) {
    const events = await parts.store.transcript.events(key, { afterSeq: lastSeq, limit: PAGE })
    for (const envelope of events) for (const one of log.add(envelope)) if (one.id > after) activity.push(one)
    lastSeq = events.at(-1)?.seq ?? lastSeq
    if (events.length < PAGE) return { activity, log, lastSeq }
  }
}

function metadataOf(session: SessionRow): Record<string, unknown> {
  const text = session.settings["metadata"]
  const value: unknown = text === undefined ? {} : JSON.parse(text)
  return isObject(value) ? value : {}
}

// The append-only, numbered event log of each session, and the conversation that follows from it. Appending happens only inside
// a write, together with what it tells about; numbers run from 1 without holes within one session id.

import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import { excerpt } from "../base/text.ts"
import { type Ways, waysOf } from "../protocol/conversation.ts"
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import { type Message, NO_USAGE, textOf } from "../protocol/message.ts"
import type { SessionFacts } from "../protocol/session-facts.ts"
import type { Database, Row } from "./database.ts"
import { Fork } from "./fork.ts"
import type { PlanTable } from "./plans.ts"
import { int, json, text } from "./row.ts"
import type { SessionTable } from "./sessions.ts"
import type { SessionPatch, SessionRow, Transcript, WayPlan } from "./store.ts"
import type { WordTable } from "./words.ts"

const TITLE_CHARS = 80
/** Events read at a time where many are. */
const PAGE = 500

export class TranscriptTable implements Transcript {
  readonly #db: Database
  readonly #clock: Clock
  readonly #sessions: SessionTable
  readonly #words: WordTable
  readonly #plans: PlanTable
  readonly #insert
  readonly #events
  readonly #conversation
  readonly #conversationBack
  readonly #count
  readonly #bytes
  readonly #facts
  readonly #describe
  readonly #forgetAgent

  constructor(db: Database, clock: Clock, sessions: SessionTable, words: WordTable, plans: PlanTable) {
    this.#db = db
    this.#clock = clock
    this.#sessions = sessions
    this.#words = words
    this.#plans = plans
    this.#insert = db.statement("INSERT INTO events (session_id,seq,turn_id,at,type,data) VALUES (?,?,?,?,?,?)")
    this.#events = db.statement("SELECT * FROM events WHERE session_id=? AND seq>? ORDER BY seq LIMIT ?")
    const conversation =
      "SELECT at,data FROM events WHERE session_id=? AND type IN ('message.added','messages.dropped','messages.restored') ORDER BY seq"
    this.#conversation = db.statement(conversation)
    this.#conversationBack = db.statement(`${conversation} DESC`)
    this.#bytes = db.statement("SELECT coalesce(sum(octet_length(data)),0) AS size FROM events WHERE session_id=?")
    this.#count = db.statement(
      `UPDATE sessions SET last_seq=?,message_count=message_count+?,title=coalesce(title,?),updated_at=?,
       input_tokens=input_tokens+?,output_tokens=output_tokens+?,cache_read_tokens=cache_read_tokens+?,
       cache_write_tokens=cache_write_tokens+?,reasoning_tokens=reasoning_tokens+?,
       cost_usd=CASE WHEN ?10 IS NULL THEN cost_usd ELSE coalesce(cost_usd,0)+?10 END,
       aborted_last=coalesce(?11,aborted_last) WHERE key=?12`,
    )
    this.#forgetAgent = db.statement("DELETE FROM notes WHERE session_key=? AND name='hosted'")
    this.#facts = db.statement("SELECT data FROM session_facts WHERE session_id=?")
    this.#describe = [
      "INSERT OR REPLACE INTO session_facts (session_id,data) VALUES (?,?)",
      "UPDATE sessions SET told_title=? WHERE id=?",
    ].map((sql) => db.statement(sql))
  }

  async messages(key: string, options: { limit?: number } = {}): Promise<Message[]> {
    const session = this.#sessions.find(key)
    return session ? this.messagesOf(session.id, options.limit) : []
  }

  async events(key: string, options: { afterSeq: number; limit: number; log?: string }): Promise<RecordedEnvelope[]> {
    const session = this.#sessions.find(key)
    if (!session) return []
    const log = { ...session, id: options.log ?? session.id }
    return this.#events.all(log.id, options.afterSeq, options.limit).map((row) => envelopeOf(row, log))
  }

  async bytes(sessionIds: readonly string[]): Promise<Map<string, number>> {
    const sizes = new Map<string, number>()
    for (const id of sessionIds) {
      const size = int(this.#bytes.get(id)!, "size")
      if (size > 0) sizes.set(id, size)
    }
    return sizes
  }

  async facts(key: string): Promise<SessionFacts | undefined> {
    const session = this.#sessions.find(key)
    const row = session && this.#facts.get(session.id)
    return row && json<SessionFacts>(row, "data")
  }

  /** Later words over earlier ones; null clears. */
  #described(sessionId: string, facts: SessionFacts): void {
    const [keep, entitle] = this.#describe
    const known = this.#facts.get(sessionId)
    const all = { ...(known ? json<SessionFacts>(known, "data") : {}), ...facts }
    const told = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined))
    keep!.run(sessionId, JSON.stringify(told))
    if (facts.title !== undefined) entitle!.run(excerpt(facts.title ?? "", TITLE_CHARS) || null, sessionId)
  }

  restore(
    key: string,
    agentId: string,
    entries: readonly { turnId: string; at: number; event: RecordedEvent }[],
    fields: SessionPatch,
  ): Promise<SessionRow> {
    return this.#db.write(() => {
      const session = this.#sessions.renewNow(key, agentId, fields)
      for (const { turnId, at, event } of entries) this.append(session, turnId, at, [event])
      return this.#sessions.find(key)!
    })
  }

  add(key: string, agentId: string, events: readonly RecordedEvent[]): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => {
      const session = this.#sessions.ensureNow(key, agentId, {})
      return this.append(session, "", this.#clock.now(), events)
    })
  }

  async ways(key: string): Promise<{ ways: Ways; messages: ReadonlyMap<string, Message> } | undefined> {
    const session = this.#sessions.find(key)
    return session && this.#waysOf(session.id)
  }

  #waysOf(sessionId: string): { ways: Ways; messages: ReadonlyMap<string, Message> } {
    const events = this.#conversation
      .all(sessionId)
      .map((row) => ({ at: int(row, "at"), event: json<RecordedEvent>(row, "data") }))
    const messages = new Map<string, Message>()
    for (const { event } of events) if (event.type === "message.added") messages.set(event.message.id, event.message)
    return { ways: waysOf(events), messages }
  }

  goTo(key: string, plan: WayPlan): Promise<RecordedEnvelope[]> {
    return this.#db.write(() => this.#goTo(this.#sessions.requireNow(key), plan))
  }

  /** Within a write. What an external agent remembers goes, too: its next turn is told the conversation anew. */
  #goTo(session: SessionRow, plan: WayPlan): RecordedEnvelope[] {
    const { messages, ways } = this.#waysOf(session.id)
    const wanted = new Set(plan(ways, messages))
    const now = new Set(ways.now)
    const dropped = ways.now.filter((id) => !wanted.has(id))
    const restored = [...wanted].filter((id) => !now.has(id) && messages.has(id))
    const events: RecordedEvent[] = []
    if (dropped.length > 0) events.push({ type: "messages.dropped", messageIds: dropped })
    if (restored.length > 0) events.push({ type: "messages.restored", messageIds: restored })
    if (events.length === 0) return []
    for (const id of restored) this.#words.hear(session.id, { type: "message.added", message: messages.get(id)! })
    this.#forgetAgent.run(session.key)
    return this.append(session, "", this.#clock.now(), events)
  }

  fork(
    key: string,
    newKey: string,
    agentId: string,
    { plan, ...fields }: Pick<SessionPatch, "cwd"> & { plan?: WayPlan } = {},
  ): Promise<SessionRow> {
    return this.#db.write(() => {
      const source = this.#sessions.requireNow(key)
      if (this.#sessions.find(newKey))
        throw new PincerError("ALREADY_EXISTS", `Session "${newKey}" is there already: give another key`)
      const { cwd, model, name, settings, tags } = source
      const session = this.#sessions.renewNow(newKey, agentId, { cwd, model, name, settings, tags, ...fields })
      const fork = new Fork(newKey, () => uuid(this.#clock.now()))
      for (let seq = 0; seq < source.lastSeq; seq += PAGE)
        for (const row of this.#events.all(source.id, seq, PAGE)) {
          const { turnId, at, event } = fork.add(envelopeOf(row, source))
          this.append(session, turnId, at, [event])
        }
      for (const { turnId, at, event } of fork.rest(this.#clock.now())) this.append(session, turnId, at, [event])
      if (plan) this.#goTo(session, plan)
      return this.#sessions.patchNow(newKey, {})
    })
  }

  /** Messages that still count, oldest first; with a limit, the newest so many. */
  messagesOf(sessionId: string, limit?: number): Message[] {
    const dropped = new Set<string>()
    if (limit === undefined) {
      const events = this.#conversation.all(sessionId).map((row) => json<RecordedEvent>(row, "data"))
      for (const event of events)
        if (event.type === "messages.dropped") for (const id of event.messageIds) dropped.add(id)
        else if (event.type === "messages.restored") for (const id of event.messageIds) dropped.delete(id)
      const messages: Message[] = []
      for (const event of events)
        if (event.type === "message.added" && !dropped.has(event.message.id)) messages.push(event.message)
      return messages
    }
    // Backwards, the last word about a message is met first, and before the message itself.
    const newest: Message[] = []
    const restored = new Set<string>()
    for (const row of this.#conversationBack.all(sessionId)) {
      if (newest.length >= limit) break
      const event = json<RecordedEvent>(row, "data")
      if (event.type === "messages.restored")
        for (const id of event.messageIds) {
          if (!dropped.has(id)) restored.add(id)
        }
      else if (event.type === "messages.dropped")
        for (const id of event.messageIds) {
          if (!restored.has(id)) dropped.add(id)
        }
      else if (event.type === "message.added" && !dropped.has(event.message.id)) newest.push(event.message)
    }
    return newest.reverse()
  }

  /** Within a write: appends events of a turn and keeps the session's counters. Returns them with their numbers. */
  append(session: SessionRow, turnId: string, at: number, events: readonly RecordedEvent[]): RecordedEnvelope[] {
    let messages = 0
    let title: string | null = null
    let usage = NO_USAGE
    let aborted: number | null = null
    const envelopes = events.map((event, i): RecordedEnvelope => {
      const seq = session.lastSeq + i + 1
      if (event.type === "message.added") {
        messages += 1
        if (title === null && event.message.role === "user" && !event.message.synthetic)
          title = excerpt(textOf(event.message.content), TITLE_CHARS) || null
      } else if (event.type === "messages.dropped") messages -= event.messageIds.length
      else if (event.type === "messages.restored") messages += event.messageIds.length
      else if (event.type === "turn.ended") {
        usage = event.outcome.usage
        aborted = event.outcome.stop === "aborted" ? 1 : 0
      }
      if (event.type === "plan.updated") this.#plans.hear(session, turnId, at, event)
      if (event.type === "session.described") this.#described(session.id, event.facts)
      this.#insert.run(session.id, seq, turnId, at, event.type, JSON.stringify(event))
      this.#words.hear(session.id, event)
      return { sessionKey: session.key, sessionId: session.id, agentId: session.agentId, turnId, seq, at, event }
    })
    session.lastSeq += events.length
    this.#count.run(
      session.lastSeq,
      messages,
      title,
      at,
      usage.inputTokens,
      usage.outputTokens,
      usage.cacheReadTokens,
      usage.cacheWriteTokens,
      usage.reasoningTokens,
      usage.costUsd,
      aborted,
      session.key,
    )
    return envelopes
  }
}

function envelopeOf(row: Row, { agentId, id, key }: Pick<SessionRow, "agentId" | "id" | "key">): RecordedEnvelope {
  return {
    sessionKey: key,
    sessionId: id,
    agentId,
    turnId: text(row, "turn_id"),
    seq: int(row, "seq"),
    at: int(row, "at"),
    event: json<RecordedEvent>(row, "data"),
  }
}

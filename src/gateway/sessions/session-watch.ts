// What subscribers hear of sessions in the original gateway's words: sessions.changed for whoever lists them, session.message and
// session.tool for whoever shows one. Rows and payloads are made once, however many listen; nobody listening costs nothing.
import type { TurnEnvelope } from "../../protocol/event.ts"
import { sessionRow } from "../methods/sessions.ts"
import type { Parts } from "../parts.ts"
import type { SessionNotice } from "../rpc/notices.ts"
import { historyMessages } from "./history.ts"

type Ear = (event: string, payload: string) => unknown

/** What of a session changed, or which step its run is at. */
type Why = { reason: string } | { phase: string }

export class SessionWatch {
  readonly #parts: Parts
  readonly #lists = new Set<Ear>()
  readonly #shows = new Map<string, Set<Ear>>()
  #stops: (() => void)[] = []
  /** Payloads go out in the order in which things happened, though rows are read in between. */
  #tail: Promise<void> = Promise.resolve()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Every session's changes. The returned function ends it. */
  list(ear: Ear): () => void {
    this.#lists.add(ear)
    this.#listen()
    return () => {
      this.#lists.delete(ear)
      this.#rest()
    }
  }

  /** One session's messages and tool calls. The returned function ends it. */
  show(key: string, ear: Ear): () => void {
    const ears = this.#shows.get(key) ?? new Set()
    this.#shows.set(key, ears.add(ear))
    this.#listen()
    return () => {
      ears.delete(ear)
      if (ears.size === 0 && this.#shows.get(key) === ears) this.#shows.delete(key)
      this.#rest()
    }
  }

  #listen(): void {
    if (this.#stops.length > 0) return
    const { hub, notices } = this.#parts
    this.#stops = [hub.onAll((envelope) => this.#hear(envelope)), notices.on((notice) => this.#note(notice))]
  }

  #rest(): void {
    if (this.#lists.size + this.#shows.size > 0) return
    for (const stop of this.#stops) stop()
    this.#stops = []
  }

  #hear(envelope: TurnEnvelope): void {
    const why = whyOf(envelope)
    if (why && this.#lists.size > 0) this.#tellChange(envelope.sessionKey, why, envelope.at, envelope.turnId)
    const ears = this.#shows.get(envelope.sessionKey)
    if (ears) this.#showIn(ears, envelope)
  }

  #note(notice: SessionNotice): void {
    if (this.#lists.size === 0) return
    const [first = "settings"] = notice.type === "deleted" ? ["delete"] : (notice.changed ?? [])
    const reason = first === "created" ? "create" : first === "reset" || first === "delete" ? first : "patch"
    this.#tellChange(notice.key, { reason }, this.#parts.clock.now())
  }

  #tellChange(sessionKey: string, why: Why, ts: number, runId?: string): void {
    this.#later(sessionKey, (session, agentId) => {
      const run = runId === undefined || runId === "" ? {} : { runId }
      const text = JSON.stringify({ sessionKey, agentId, ...why, ...run, ts, session })
      for (const ear of this.#lists) ear("sessions.changed", text)
    })
  }

  #showIn(ears: Set<Ear>, { agentId, at, event, seq, sessionId, sessionKey, turnId }: TurnEnvelope): void {
    const base = { sessionKey, sessionId, agentId }
    const tell = (name: string, payload: Record<string, unknown>) =>
      this.#later(sessionKey, (session) => {
        const text = JSON.stringify({ ...base, ...payload, ...(name === "session.message" ? { session } : {}) })
        for (const ear of ears) ear(name, text)
      })
    if (event.type === "message.added")
      for (const message of historyMessages(event.message))
        tell("session.message", { message, messageId: event.message.id, messageSeq: seq })
    else if (event.type === "tool.started") {
      const { args, callId: toolCallId, name } = event
      tell("session.tool", { runId: turnId, ts: at, phase: "start", name, toolCallId, args })
    } else if (event.type === "tool.ended") {
      const { callId: toolCallId, isError, name, text } = event
      const result = { content: [{ type: "text", text }] }
      tell("session.tool", { runId: turnId, ts: at, phase: "result", name, toolCallId, isError, result })
    }
  }

  /** With the session's row of that moment; null when it is gone. */
  #later(key: string, tell: (row: Record<string, unknown> | null, agentId: string) => void): void {
    const { log, redactor, store } = this.#parts
    this.#tail = this.#tail
      .then(async () => {
        const found = await store.sessions.get(key)
        tell(found ? redactor.value(sessionRow(found, this.#parts)) : null, found?.agentId ?? key.split(":")[1] ?? "")
      })
      .catch((error: unknown) => log.warn({ err: error, sessionKey: key }, "A session's change was not told"))
  }
}

function whyOf({ event }: TurnEnvelope): Why | undefined {
  switch (event.type) {
    case "turn.queued":
      return { reason: "send" }
    case "message.added":
      return event.message.role === "user" && !event.message.synthetic ? { reason: "send" } : undefined
    case "turn.started":
      return { phase: "start" }
    case "model.started":
      return { phase: "model" }
    case "turn.ended":
      return { phase: "end" }
    case "session.described":
      return { reason: "patch" }
    default:
      return undefined
  }
}

const watches = new WeakMap<Parts["hub"], SessionWatch>()

/** The one of this gateway. */
export function sessionWatch(parts: Parts): SessionWatch {
  const made = watches.get(parts.hub) ?? new SessionWatch(parts)
  watches.set(parts.hub, made)
  return made
}

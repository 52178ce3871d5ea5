// The events of one log as those of another session: turns and approvals get ids of their own, so that nobody who names one means the other's,
// and what had begun and not ended when the copy was taken is ended there. Pure.
import type { Approval } from "../protocol/approval.ts"
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import { NO_USAGE } from "../protocol/message.ts"

/** An event to append to the new log. */
export interface ForkedEvent {
  turnId: string
  at: number
  event: RecordedEvent
}

type OpenCall = Pick<Extract<RecordedEvent, { type: "tool.started" }>, "callId" | "name">

interface OpenTurn {
  calls: Map<string, OpenCall>
  approvals: Map<string, Approval>
}

const WHY = "Not known here: the session was forked while this ran"

export class Fork {
  readonly #sessionKey: string
  readonly #newId: () => string
  readonly #ids = new Map<string, string>()
  readonly #open = new Map<string, OpenTurn>()

  constructor(sessionKey: string, newId: () => string) {
    this.#sessionKey = sessionKey
    this.#newId = newId
  }

  add({ at, event, turnId: old }: RecordedEnvelope): ForkedEvent {
    const turnId = this.#idOf(old)
    const forked = { turnId, at, event: this.#renamed(event) }
    this.#note(turnId, forked.event)
    return forked
  }

  /** What ends, in the new log, the turns that had not ended in the old one. */
  rest(at: number): ForkedEvent[] {
    return [...this.#open].flatMap(([turnId, { approvals, calls }]) => {
      const events: RecordedEvent[] = [
        ...[...calls.values()].map((call) => ({
          type: "tool.ended" as const,
          ...call,
          isError: true,
          text: WHY,
          durationMs: 0,
          view: { status: "canceled" as const },
        })),
        ...[...approvals.values()].map((approval) => ({
          type: "approval.resolved" as const,
          approval: { ...approval, decision: "canceled" as const, resolvedAt: at },
        })),
        { type: "turn.ended", outcome: { status: "canceled", stop: "aborted", text: "", usage: NO_USAGE } },
      ]
      return events.map((event) => ({ turnId, at, event }))
    })
  }

  #idOf(old: string): string {
    if (old === "") return ""
    const known = this.#ids.get(old)
    if (known !== undefined) return known
    const id = this.#newId()
    this.#ids.set(old, id)
    return id
  }

  #renamed(event: RecordedEvent): RecordedEvent {
    switch (event.type) {
      case "message.added": {
        const { turnId } = event.message
        return turnId === undefined ? event : { ...event, message: { ...event.message, turnId: this.#idOf(turnId) } }
      }
      case "approval.requested":
      case "approval.resolved": {
        const { id, turnId } = event.approval
        const own = { id: this.#idOf(id), turnId: this.#idOf(turnId), sessionKey: this.#sessionKey }
        return { ...event, approval: { ...event.approval, ...own } }
      }
      default:
        return event
    }
  }

  #note(turnId: string, event: RecordedEvent): void {
    if (event.type === "turn.started" && !this.#open.has(turnId))
      this.#open.set(turnId, { calls: new Map(), approvals: new Map() })
    const open = this.#open.get(turnId)
    if (!open) return
    if (event.type === "turn.ended") this.#open.delete(turnId)
    else if (event.type === "tool.started") open.calls.set(event.callId, { callId: event.callId, name: event.name })
    else if (event.type === "tool.ended") open.calls.delete(event.callId)
    else if (event.type === "approval.requested") open.approvals.set(event.approval.id, event.approval)
    else if (event.type === "approval.resolved") open.approvals.delete(event.approval.id)
  }
}

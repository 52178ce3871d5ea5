// What an external agent says, put down in the order in which it said it. Words go out at once; everything else is on disk before it is
// shown, and whoever tells faster than that waits.
import type { RecordedEvent } from "../protocol/event.ts"
import type { SessionFacts } from "../protocol/session-facts.ts"
import type { HostedEvent } from "./harness.ts"
import { type CallWatch, HostedCalls, type ToolEvent } from "./hosted-calls.ts"
import { HostedMeter } from "./hosted-meter.ts"
import { forgetOverruled } from "./hosted-pins.ts"
import type { HostedRoom } from "./hosted-room.ts"
import { HostedSpeech } from "./hosted-speech.ts"
import { type TerminalLook, tooLong } from "./kept-view.ts"

/** Longest JSON of a plan or of the facts of a session. */
const MAX_FACTS_CHARS = 256 * 1024
const MAX_NOTICE_CHARS = 4_000
/** Updates without a word of ours that are kept in one turn. */
const MAX_OTHER = 1_000

export interface RecordPorts {
  live: { text: string; thinking: string }
  watch: CallWatch
  terminal: TerminalLook
}

export class HostedRecord {
  readonly calls: HostedCalls
  readonly meter: HostedMeter
  readonly #room: HostedRoom
  readonly #speech: HostedSpeech
  #tail: Promise<void> | undefined
  #others = 0
  #closed = false
  #model: string | undefined

  constructor(room: HostedRoom, { live, terminal, watch }: RecordPorts) {
    this.#room = room
    const by = () => ({
      provider: providerOf(room),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    })
    this.#speech = new HostedSpeech(room, live, by)
    const begin = (events: RecordedEvent[]) => this.record(events)
    const record = (events: RecordedEvent[]) => room.scope.record(events)
    const later = (task: () => Promise<void>) => void this.#run(task)
    this.calls = new HostedCalls(room, { begin, record, later, by }, watch, terminal)
    this.meter = new HostedMeter(room)
  }

  /** The model that the agent said it uses. */
  get model(): string | undefined {
    return this.#model
  }

  /** Resolves once it is kept; undefined when it is already. Never rejects: what cannot be kept ends the turn. */
  hear(event: HostedEvent): Promise<void> | undefined {
    if (this.#closed) return undefined
    return this.#run(() => this.#take(event))
  }

  /** Resolves once the call is on record, and all that came before it. */
  async tell(event: ToolEvent): Promise<void> {
    await this.hear(event)
  }

  /** Now, behind the message that is being written. Within a task of this record, or while none runs. */
  async record(events: RecordedEvent[]): Promise<void> {
    const message = this.#speech.end()
    const all: RecordedEvent[] = message ? [{ type: "message.added", message }, ...events] : events
    if (message) this.#room.messages.push(message)
    if (all.length > 0) await this.#room.scope.record(all)
  }

  /** Nothing more is heard; all that was said is on record and no call is open. Throws what could not be kept. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#tail
    await this.calls.endAll()
    await this.record(this.meter.last())
  }

  #run(task: () => Promise<void> | undefined): Promise<void> | undefined {
    const before = this.#tail
    const running = before ? before.then(task) : this.#now(task)
    if (!running) return undefined
    const kept = running.catch((error: unknown) => this.#room.stop({ type: "broken", error }))
    this.#tail = kept
    void kept.then(() => {
      if (this.#tail === kept) this.#tail = undefined
    })
    return kept
  }

  #now(task: () => Promise<void> | undefined): Promise<void> | undefined {
    try {
      return task()
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #take(event: HostedEvent): Promise<void> | undefined {
    switch (event.type) {
      case "text":
      case "part": {
        const say = () => this.#say(event)
        return this.#speech.begins(event.messageId) ? this.record([]).then(say) : say()
      }
      case "tool":
        return this.calls.upsert(event)
      default:
        return this.#aside(event)
    }
  }

  #say(event: Extract<HostedEvent, { type: "text" | "part" }>): undefined {
    if (event.type === "text") this.#speech.text(event.of, event.text, event.messageId)
    else this.#speech.part(event.part, event.messageId)
  }

  #aside(event: Exclude<HostedEvent, { type: "text" | "part" | "tool" }>): Promise<void> | undefined {
    const { scope, ports } = this.#room
    const { redactor } = ports
    switch (event.type) {
      case "plan":
        if (tooLong(event.plan, MAX_FACTS_CHARS)) return undefined
        return scope.record([{ type: "plan.updated", planId: event.planId, plan: redactor.value(event.plan) }])
      case "facts": {
        if (tooLong(event.facts, MAX_FACTS_CHARS)) return undefined
        const option = event.facts.options?.find(({ category }) => category === "model")
        if (typeof option?.currentValue === "string") this.#model = option.currentValue
        return this.#describe(event.facts, event.changed === true)
      }
      case "context": {
        const events = this.meter.measure(event)
        return events.length > 0 ? scope.record(events) : undefined
      }
      case "notice": {
        const text = redactor.text(event.text).slice(0, MAX_NOTICE_CHARS)
        return scope.record([{ type: "notice.posted", level: event.level, code: event.code, text }])
      }
      case "other": {
        this.#others += 1
        if (this.#others > MAX_OTHER) return undefined
        const update = tooLong(event.update)
          ? { sessionUpdate: event.update["sessionUpdate"], cut: true }
          : event.update
        return scope.record([{ type: "update.received", update: redactor.value(update) }])
      }
      default:
        throw new TypeError(`Unknown event ${JSON.stringify(event satisfies never)}`)
    }
  }

  async #describe(facts: SessionFacts, changed: boolean): Promise<void> {
    const { ports, scope } = this.#room
    if (changed) await forgetOverruled(ports.books.sessions, scope.fence.sessionKey, facts)
    await scope.record([{ type: "session.described", facts: ports.redactor.value(facts) }])
  }
}

/** The service that an external agent counts as: its name in the table of known agents. */
export function providerOf({ profile }: Pick<HostedRoom, "profile">): string {
  return profile.hosted?.known ?? "acp"
}

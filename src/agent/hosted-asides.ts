// What an external agent says of a session while no turn of it runs: recorded under the turn that ran last, then shown. An agent that never
// rests cannot fill the log: what is beyond a number a minute is counted, and the number is told.
import type { Clock } from "../base/clock.ts"
import { uuid } from "../base/id.ts"
import type { Logger } from "../base/log.ts"
import type { Redactor } from "../base/redact.ts"
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import type { Part } from "../protocol/message.ts"
import type { SessionFacts } from "../protocol/session-facts.ts"
import type { HostedEvent } from "./harness.ts"
import { tooLong } from "./kept-view.ts"

const WINDOW_MS = 60_000
/** In one minute, of one session. */
const MAX_EVENTS = 60
const MAX_CHARS = 2_000_000
/** A plan, or facts of a session. */
const MAX_FACTS_CHARS = 256 * 1024
const MAX_NOTICE_CHARS = 4_000
/** Words come in pieces: this long without another one, they are a message. */
const WORDS_MS = 1_000
const MAX_WORDS_CHARS = 64 * 1024

export interface AsidePorts {
  clock: Clock
  log: Logger
  redactor: Redactor
  /** Undefined when the session is gone or was emptied since. */
  record(
    sessionKey: string,
    log: string,
    events: (turnId: string) => readonly RecordedEvent[],
  ): Promise<RecordedEnvelope[] | undefined>
  /** The agent has changed something by itself: choices that say otherwise are forgotten. */
  changed(sessionKey: string, facts: SessionFacts): Promise<void>
  publish(envelope: RecordedEnvelope): void
}

/** One log of a session within one minute. */
interface Minute {
  key: string
  log: string
  events: number
  chars: number
  missed: number
  words: { content: Part[]; chars: number; messageId: string | undefined; cancel: () => void } | undefined
  /** The measure that was recorded last. */
  measured: string
  tail: Promise<void>
  cancel: () => void
}

type Made = (turnId: string) => RecordedEvent

export class HostedAsides {
  readonly #ports: AsidePorts
  readonly #minutes = new Map<string, Minute>()

  constructor(ports: AsidePorts) {
    this.#ports = ports
  }

  /** `log`: the id of the session's log that it belongs to. Never throws. */
  hear(sessionKey: string, event: HostedEvent, log: string): void {
    const minute = this.#minuteOf(sessionKey, log)
    if (event.type === "text") {
      const type = event.of === "answer" ? "text" : "thinking"
      this.#say(minute, { type, text: event.text }, event.messageId)
    } else if (event.type === "part") this.#say(minute, event.part, event.messageId)
    else {
      this.#endWords(minute)
      const recorded = this.#eventOf(minute, event)
      const facts = event.type === "facts" ? event.facts : undefined
      if (recorded) this.#put(minute, recorded, () => recorded, facts)
    }
  }

  /** Resolves when everything that was said of the session so far is recorded. */
  async settle(sessionKey: string): Promise<void> {
    for (const minute of [...this.#minutes.values()]) {
      if (minute.key !== sessionKey) continue
      this.#endWords(minute)
      await minute.tail
    }
  }

  /** Resolves when everything is recorded. */
  async close(): Promise<void> {
    const minutes = [...this.#minutes.values()]
    for (const minute of minutes) this.#end(minute)
    await Promise.all(minutes.map(({ tail }) => tail))
  }

  #minuteOf(key: string, log: string): Minute {
    const name = `${log} ${key}`
    const known = this.#minutes.get(name)
    if (known) return known
    const minute: Minute = {
      ...{ key, log, events: 0, chars: 0, missed: 0, words: undefined, measured: "", tail: Promise.resolve() },
      cancel: this.#ports.clock.after(WINDOW_MS, () => this.#end(minute)),
    }
    this.#minutes.set(name, minute)
    return minute
  }

  #end(minute: Minute): void {
    minute.cancel()
    this.#minutes.delete(`${minute.log} ${minute.key}`)
    this.#endWords(minute)
    const { missed } = minute
    if (missed === 0) return
    const text = `The agent said more after its turn than is kept: ${missed} ${missed === 1 ? "thing was" : "things were"} left out`
    this.#record(minute, () => ({ type: "notice.posted", level: "warning", code: "aside_left_out", text }))
  }

  #say(minute: Minute, part: Part, messageId: string | undefined): void {
    const open = minute.words
    const another = messageId !== undefined && open?.messageId !== undefined && messageId !== open.messageId
    if (open && (another || open.chars > MAX_WORDS_CHARS)) this.#endWords(minute)
    minute.words ??= { content: [], chars: 0, messageId, cancel: () => undefined }
    const { words } = minute
    words.messageId ??= messageId
    words.chars += JSON.stringify(part).length
    const last = words.content.at(-1)
    const more = last && (last.type === "text" || last.type === "thinking") && last.type === part.type
    if (more && "text" in part) last.text += part.text ?? ""
    else words.content.push({ ...part })
    words.cancel()
    words.cancel = this.#ports.clock.after(WORDS_MS, () => this.#endWords(minute))
  }

  /** What was said so far becomes a message. */
  #endWords(minute: Minute): void {
    const { words } = minute
    if (!words) return
    words.cancel()
    minute.words = undefined
    const { clock, redactor } = this.#ports
    const at = clock.now()
    const content = redactor.value(words.content)
    const made: Made = (turnId) => ({
      type: "message.added",
      message: { id: uuid(at), role: "assistant", content, at, turnId },
    })
    this.#put(minute, content, made)
  }

  #put(minute: Minute, value: unknown, made: Made, facts?: SessionFacts): void {
    const chars = JSON.stringify(value).length
    if (minute.events >= MAX_EVENTS || minute.chars + chars > MAX_CHARS) {
      minute.missed += 1
      return
    }
    minute.events += 1
    minute.chars += chars
    this.#record(minute, made, facts)
  }

  #record(minute: Minute, made: Made, facts?: SessionFacts): void {
    const { log, publish, record } = this.#ports
    const { key } = minute
    minute.tail = minute.tail
      .then(() => (facts ? this.#ports.changed(key, facts) : undefined))
      .then(() => record(key, minute.log, (turnId) => [made(turnId)]))
      .then((envelopes) => {
        if (envelopes) for (const envelope of envelopes) publish(envelope)
        else log.debug({ sessionKey: key }, "What an agent said after its turn was dropped: its session has ended")
      })
      .catch((error: unknown) => log.error({ err: error, sessionKey: key }, "What an agent said was not recorded"))
  }

  #eventOf(minute: Minute, event: Exclude<HostedEvent, { type: "text" | "part" }>): RecordedEvent | undefined {
    const { redactor } = this.#ports
    switch (event.type) {
      case "facts":
        if (tooLong(event.facts, MAX_FACTS_CHARS)) return undefined
        return { type: "session.described", facts: redactor.value(event.facts) }
      case "plan":
        if (tooLong(event.plan, MAX_FACTS_CHARS)) return undefined
        return { type: "plan.updated", planId: event.planId, plan: redactor.value(event.plan) }
      case "context": {
        const { costUsd, usedTokens, windowTokens } = event
        const measured: RecordedEvent = { type: "context.measured", usedTokens, windowTokens, costUsd }
        const seen = JSON.stringify(measured)
        if (seen === minute.measured) return undefined
        minute.measured = seen
        return measured
      }
      case "notice": {
        const text = redactor.text(event.text).slice(0, MAX_NOTICE_CHARS)
        return { type: "notice.posted", level: event.level, code: event.code, text }
      }
      case "tool": {
        // Nothing of ours was asked, and no turn is there to judge it: it is kept as a claim.
        const { callId, name, view } = event
        const claim = { sessionUpdate: "tool_call_update", toolCallId: callId, ...(name === undefined ? {} : { name }) }
        return { type: "update.received", update: redactor.value(tooLong(view) ? claim : { ...view, ...claim }) }
      }
      case "other": {
        const { sessionUpdate } = event.update
        const update = tooLong(event.update) ? { sessionUpdate, cut: true } : event.update
        return { type: "update.received", update: redactor.value(update) }
      }
      default:
        throw new TypeError(`Unknown event ${JSON.stringify(event satisfies never)}`)
    }
  }
}

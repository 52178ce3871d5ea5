// One connection's reading of one session, at its own speed: recorded events in order, each once, none missing; live ones between them
// as long as it keeps up. What a slow reader could not take is read from the log again, so it costs nothing but time. After a reset the log
// of the new id follows the old one.
import type { RecordedEnvelope, TurnEnvelope } from "../../protocol/event.ts"

const PAGE = 200
/** Events that wait for a slow reader; beyond it the log has them. */
const MAX_WAITING = 500
/** Logs of this session that are remembered as begun. */
const MAX_LOGS = 64
/** Messages, calls and turns read from the log, of which live events may still wait. */
const MAX_OVER = 1_000

export interface FollowerPorts {
  /** Recorded events of the log with this id, oldest first. */
  events(log: string, afterSeq: number, limit: number): Promise<RecordedEnvelope[]>
  /** A promise when the peer wants no more for now. */
  emit(envelope: TurnEnvelope): Promise<void> | undefined
  failed(error: unknown): void
}

export class Follower {
  readonly #ports: FollowerPorts
  /** Heard, in order, and not told yet. */
  #waiting: TurnEnvelope[] = []
  /** Where the reader stands: everything up to `seq` of this log was told. */
  #log: string | undefined
  #seq = 0
  /** Logs that have begun since, oldest first. */
  #next: string[] = []
  readonly #known = new Set<string>()
  /** Earlier logs, and up to where they were told. */
  readonly #ends = new Map<string, number>()
  /** What was read from the log as done: messages, calls, turns. */
  readonly #over = new Set<string>()
  /** An event with a hole before it, for which the log was read again. */
  #soughtIn: TurnEnvelope | undefined
  /** The log holds something that is to be read before what waits. */
  #behind = true
  #running = true
  #stopped = false

  constructor(ports: FollowerPorts) {
    this.#ports = ports
  }

  hear(envelope: TurnEnvelope): void {
    if (this.#stopped) return
    if (envelope.seq !== null) this.#meet(envelope.sessionId)
    if (this.#waiting.length < MAX_WAITING) this.#wait(envelope)
    else if (envelope.seq !== null) {
      this.#behind = true
      this.#waiting = []
    }
    if (!this.#running) this.#run()
  }

  /** Where the reader stands; undefined: the session has no log yet. What was heard of other logs before is older than this one. */
  place(log: string | undefined, seq: number): void {
    if (log === undefined) return
    this.#log = log
    this.#seq = seq
    this.#next = []
    this.#known.add(log)
  }

  /** Begins to tell. */
  start(): void {
    this.#run()
  }

  stop(): void {
    this.#stopped = true
    this.#waiting = []
  }

  #meet(log: string): void {
    if (this.#known.has(log)) return
    this.#known.add(log)
    if (this.#known.size > MAX_LOGS) this.#known.delete(this.#known.values().next().value!)
    this.#next.push(log)
    this.#behind = true
  }

  /** Text that grows by pieces waits as one piece. */
  #wait(envelope: TurnEnvelope): void {
    const last = this.#waiting.at(-1)
    const { event } = envelope
    if (
      last &&
      (event.type === "text.delta" || event.type === "thinking.delta") &&
      last.event.type === event.type &&
      last.turnId === envelope.turnId &&
      last.event.messageId === event.messageId &&
      last.event.offset + last.event.delta.length === event.offset
    ) {
      const delta = last.event.delta + event.delta
      this.#waiting[this.#waiting.length - 1] = { ...last, event: { ...last.event, delta } }
    } else this.#waiting.push(envelope)
  }

  #run(): void {
    this.#running = true
    this.#tell().catch((error: unknown) => {
      this.#behind = true
      this.#ports.failed(error)
    })
  }

  /** Until everything is told. */
  async #tell(): Promise<void> {
    try {
      while (!this.#stopped) {
        if (this.#behind) {
          await this.#catchUp()
          continue
        }
        const envelope = this.#waiting.shift()
        if (!envelope) return
        const pause = this.#tellOne(envelope)
        if (pause) await pause
      }
    } finally {
      // At once: what is heard from now on begins a new round.
      this.#running = false
    }
  }

  #tellOne(envelope: TurnEnvelope): Promise<void> | undefined {
    const { seq, sessionId } = envelope
    if (seq === null) return this.#isOver(envelope) ? undefined : this.#ports.emit(envelope)
    // Of a log that has been read to its end: told unless it was read, too; a latecomer stands where it came.
    if (sessionId !== this.#log) {
      if (seq <= (this.#ends.get(sessionId) ?? 0)) return undefined
      this.#ends.set(sessionId, seq)
      return this.#ports.emit(envelope)
    }
    if (seq <= this.#seq) return undefined
    if (seq > this.#seq + 1 && this.#soughtIn !== envelope) {
      this.#soughtIn = envelope
      this.#waiting.unshift(envelope)
      this.#behind = true
      return undefined
    }
    this.#seq = seq
    return this.#ports.emit(envelope)
  }

  /** Whether a live event tells of something that was read from the log as done. */
  #isOver({ event, turnId }: TurnEnvelope): boolean {
    if (this.#over.has(turnId)) return true
    switch (event.type) {
      case "turn.queued":
        return this.#over.has(`begun ${turnId}`)
      case "text.delta":
      case "thinking.delta":
      case "part.added":
        return this.#over.has(event.messageId)
      case "tool.updated":
        return this.#over.has(event.callId)
      default:
        return false
    }
  }

  #note({ event, turnId }: RecordedEnvelope): void {
    const { type } = event
    if (type === "message.added") this.#over.add(event.message.id)
    else if (type === "tool.ended") this.#over.add(event.callId)
    else if (type === "turn.ended") this.#over.add(turnId)
    else if (type === "turn.started") this.#over.add(`begun ${turnId}`)
    if (this.#over.size > MAX_OVER) this.#over.delete(this.#over.values().next().value!)
  }

  /** Reads this log to its end, then those that began after it. */
  async #catchUp(): Promise<void> {
    this.#behind = false
    for (;;) {
      await this.#readOn()
      if (this.#stopped) return
      const next = this.#next.shift()
      if (next === undefined) return
      if (this.#log !== undefined) this.#ends.set(this.#log, this.#seq)
      if (this.#ends.size > MAX_LOGS) this.#ends.delete(this.#ends.keys().next().value!)
      this.#log = next
      this.#seq = 0
    }
  }

  async #readOn(): Promise<void> {
    const log = this.#log
    if (log === undefined) return
    for (;;) {
      const page = await this.#ports.events(log, this.#seq, PAGE)
      for (const envelope of page) {
        if (this.#stopped) return
        this.#seq = envelope.seq
        this.#note(envelope)
        const pause = this.#ports.emit(envelope)
        if (pause) await pause
      }
      if (page.length < PAGE) return
    }
  }
}

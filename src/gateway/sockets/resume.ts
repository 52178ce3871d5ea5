// Connections that were lost: for two minutes they go on hearing, so that the client can come back and take up what it missed
// (protocol §9.7). Only the same caller may, with no fewer rights than it had.
import type { Clock } from "../../base/clock.ts"
import { mayTake } from "../heir.ts"
import type { Outbox } from "./outbox.ts"
import { REPLAY } from "./ring.ts"

/** Remembered at once; the oldest are forgotten first. */
const MAX_LOST = 64

interface Lost {
  outbox: Outbox
  until: number
}

export interface Resumed {
  resumed: boolean
  /** Events go on from this number. */
  seq?: number
}

export class LostConnections {
  readonly #lost = new Map<string, Lost>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(connId: string, outbox: Outbox): void {
    outbox.detach()
    this.forget()
    this.#lost.set(connId, { outbox, until: this.#clock.now() + REPLAY.maxAgeMs })
    if (this.#lost.size > MAX_LOST) this.#lost.delete(this.#lost.keys().next().value!)
  }

  /** Drops those whose time is over. */
  forget(): void {
    const now = this.#clock.now()
    for (const [connId, lost] of this.#lost) if (lost.until < now) this.#lost.delete(connId)
  }

  get size(): number {
    return this.#lost.size
  }

  *outboxes(): Iterable<Outbox> {
    for (const { outbox } of this.#lost.values()) yield outbox
  }

  /** Hands what connection `connId` was sent after `lastSeq` over to `heir`, at most once. `frames` are still to be sent. */
  take(heir: Outbox, connId: string, lastSeq: number): { result: Resumed; frames: string[] } {
    this.forget()
    const lost = this.#lost.get(connId)
    const frames = lost && mayTake(heir.caller, lost.outbox.caller) ? heir.adopt(lost.outbox, lastSeq) : undefined
    if (!frames) return { result: { resumed: false }, frames: [] }
    this.#lost.delete(connId)
    return { result: { resumed: true, seq: heir.seq }, frames }
  }
}

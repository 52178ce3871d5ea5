// Connections that were lost: for two minutes they go on hearing, so that the client can come back and take up what it missed
// (protocol §9.7). Only the same caller may, with no fewer rights than it had.
import type { Clock } from "../../base/clock.ts"
import { mayTake } from "../access/heir.ts"
import type { Outbox } from "./outbox.ts"
import { REPLAY } from "./ring.ts"

/** Remembered at once, and what they keep in all; the oldest are forgotten first. What many heard is counted for each, though kept once. */
const MAX_LOST = 2_048
const MAX_LOST_BYTES = 256 * 1024 * 1024
/** Earlier names of one that was taken up and lost again before its client knew. */
const MAX_NAMES = 8

interface Lost {
  outbox: Outbox
  until: number
  /** Its own first, then those it took over. */
  names: readonly string[]
}

export interface Resumed {
  resumed: boolean
  /** Events go on from this number. */
  seq?: number
}

export class LostConnections {
  /** The oldest first. */
  readonly #lost = new Set<Lost>()
  readonly #byName = new Map<string, Lost>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(connId: string, outbox: Outbox): void {
    outbox.detach()
    this.forget()
    const until = this.#clock.now() + REPLAY.maxAgeMs
    const lost = { outbox, until, names: [connId, ...outbox.formerly].slice(0, MAX_NAMES) }
    this.#lost.add(lost)
    for (const name of lost.names) this.#byName.set(name, lost)
    this.#bound()
  }

  /** Drops those whose time is over. */
  forget(): void {
    const now = this.#clock.now()
    for (const lost of this.#lost) if (lost.until < now) this.#remove(lost)
  }

  #bound(): void {
    let bytes = 0
    for (const { outbox } of this.#lost) bytes += outbox.keptBytes
    for (const lost of this.#lost) {
      if (this.#lost.size <= MAX_LOST && bytes <= MAX_LOST_BYTES) return
      bytes -= lost.outbox.keptBytes
      this.#remove(lost)
    }
  }

  #remove(lost: Lost): void {
    this.#lost.delete(lost)
    for (const name of lost.names) if (this.#byName.get(name) === lost) this.#byName.delete(name)
  }

  get size(): number {
    return this.#lost.size
  }

  *outboxes(): Iterable<Outbox> {
    for (const { outbox } of this.#lost) yield outbox
  }

  /**
   * Hands what connection `connId` was sent after `lastSeq` over to `heir`, at most once; again when the heir was lost, too, as its
   * client may not have heard of it. `frames` are still to be sent.
   */
  take(heir: Outbox, connId: string, lastSeq: number): { result: Resumed; frames: string[] } {
    this.forget()
    const lost = this.#byName.get(connId)
    const frames = lost && mayTake(heir.caller, lost.outbox.caller) ? heir.adopt(lost.outbox, lastSeq) : undefined
    if (!lost || !frames) return { result: { resumed: false }, frames: [] }
    this.#remove(lost)
    heir.formerly = lost.names
    return { result: { resumed: true, seq: heir.seq }, frames }
  }
}

// What goes out on one connection: numbered events, answers, and growing text that is shown at once and then at most every 40 ms.
// A slow reader gets only the newest text; approvals and endings always; when even those pile up, the connection is closed.
// Without a socket (the client is gone) it goes on filling its ring, so that the client can come back.
import type { WebSocket } from "ws"
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { Caller } from "../methods/method.ts"
import { growth, type Named, projectClaw } from "./project-claw.ts"
import { growthPy, projectPy } from "./project-py.ts"
import { Ring } from "./ring.ts"
import type { Growing, RunView } from "./run-view.ts"

/** Above this many unsent bytes, growing text, ticks and presence wait. */
const SOFT_LIMIT = 1024 * 1024
export const MAX_BUFFERED_BYTES = 50 * 1024 * 1024

interface Shown {
  run: RunView
  text: number
  thinking: number
  /** Set when something has grown since it was last shown. */
  dirty: boolean
  /** Shown within the current beat: waits for the next. */
  fresh: boolean
  /** The viewer came after the run had begun to speak: what it is shown first replaces anything it has. */
  late: boolean
}

export interface Audience {
  claw: boolean
  py: boolean
  /** py: every session, not only followed turns. */
  all: boolean
}

export class Outbox {
  readonly caller: Caller
  readonly audience: Audience
  #socket: WebSocket | undefined
  #seq = 0
  readonly #ring = new Ring()
  readonly #runs = new Map<string, Shown>()
  readonly #followed = new Set<string>()
  readonly #now: () => number

  constructor(caller: Caller, audience: Audience, socket: WebSocket, now: () => number) {
    this.caller = caller
    this.audience = audience
    this.#socket = socket
    this.#now = now
  }

  get seq(): number {
    return this.#seq
  }

  /** Unsent bytes. */
  get pressure(): number {
    return this.#socket?.bufferedAmount ?? 0
  }

  /** The client is gone; events are kept for its return. */
  detach(): void {
    this.#socket = undefined
  }

  follow(turnId: string): void {
    this.#followed.add(turnId)
  }

  /** Sends text as it is: an answer. */
  send(text: string): void {
    const socket = this.#socket
    if (!socket || socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      socket.close(1008, "slow consumer")
      // Closing is a request, too, and this peer reads nothing.
      socket.terminate()
      return
    }
    socket.send(text)
  }

  /** Sends a numbered event. */
  event(event: string, payload: unknown, stateVersion?: { presence: number; health: number }): void {
    this.eventText(event, JSON.stringify(payload), stateVersion)
  }

  /** The same with a payload that is JSON text already. */
  eventText(event: string, payload: string, stateVersion?: { presence: number; health: number }): void {
    this.#seq += 1
    const version = stateVersion ? `,"stateVersion":${JSON.stringify(stateVersion)}` : ""
    const text = `{"type":"event","event":"${event}","payload":${payload},"seq":${this.#seq}${version}}`
    this.#ring.add(this.#seq, this.#now(), text)
    this.send(text)
  }

  /** An event that may be left out when the reader is slow: a newer one follows. */
  passing(event: string, payload: string, stateVersion?: { presence: number; health: number }): void {
    if (this.#socket && this.pressure <= SOFT_LIMIT) this.eventText(event, payload, stateVersion)
  }

  #hears(turnId: string): { claw: boolean; py: boolean } {
    const { claw, py, all } = this.audience
    return { claw, py: py && (all || this.#followed.has(turnId)) }
  }

  /** A fact of a run; what had grown before it is shown first. */
  tell(envelope: TurnEnvelope, run: RunView): void {
    const hears = this.#hears(run.turnId)
    if (!hears.claw && !hears.py) return
    const shown = this.#runs.get(run.turnId)
    if (shown?.dirty) this.#showGrowth(shown)
    const { caller } = this
    const can = (scope: string) => caller.scopes.includes(scope) || caller.scopes.includes("operator.admin")
    const viewer = {
      protocol: caller.protocol,
      toolEvents: caller.caps.includes("tool-events"),
      approvals: can("operator.approvals"),
      reads: can("operator.read") || can("operator.write"),
    }
    if (hears.claw) this.#put(projectClaw(envelope, run, viewer))
    if (hears.py) this.#put(projectPy(envelope, run))
    if (envelope.event.type === "turn.ended") {
      this.#runs.delete(run.turnId)
      this.#followed.delete(run.turnId)
    }
  }

  /** Text of a run has grown by `added`. True when the beat must go on for it. */
  grown(run: RunView, added: number): boolean {
    const hears = this.#hears(run.turnId)
    if (!hears.py && !(hears.claw && this.caller.scopes.some((scope) => /^operator\.(read|write|admin)$/.test(scope))))
      return false
    let shown = this.#runs.get(run.turnId)
    if (!shown) {
      shown = {
        run,
        text: 0,
        thinking: 0,
        dirty: false,
        fresh: false,
        late: run.text.length + run.thinking.length > added,
      }
      this.#runs.set(run.turnId, shown)
    }
    shown.dirty = true
    if (shown.fresh || this.pressure > SOFT_LIMIT) return true
    this.#showGrowth(shown)
    shown.fresh = true
    return true
  }

  /** Every 40 ms while anything grows. True while something waits for the next beat. */
  beat(): boolean {
    let waiting = false
    for (const shown of this.#runs.values()) {
      if (shown.dirty && this.pressure <= SOFT_LIMIT) {
        this.#showGrowth(shown)
        shown.fresh = true
      } else shown.fresh = false
      waiting ||= shown.dirty || shown.fresh
    }
    return waiting
  }

  #showGrowth(shown: Shown): void {
    const { run } = shown
    const { claw, py } = this.#hears(run.turnId)
    shown.dirty = false
    for (const kind of ["thinking", "text"] satisfies Growing[]) {
      const from = shown[kind]
      if (run[kind].length === from) continue
      shown[kind] = run[kind].length
      if (claw) this.#put(growth(run, kind, from, this.#now(), this.caller.protocol, shown.late && from === 0))
      if (py && kind === "text") this.#put(growthPy(run, from))
    }
  }

  #put(events: readonly Named[]): void {
    for (const { event, payload } of events) this.event(event, payload)
  }

  /**
   * Sends what an earlier connection of the same caller missed, with the numbers that it had there, and goes on from them.
   * `mark`: the earlier one's number when this connection opened; what came later was sent here, too. False when some is gone.
   */
  resume(earlier: Outbox, lastSeq: number, mark: number): boolean {
    const missed = earlier.#ring.between(lastSeq, mark)
    if (!missed) return false
    for (const text of missed) this.send(text)
    this.#seq += mark
    for (const turnId of earlier.#followed) this.#followed.add(turnId)
    return true
  }
}

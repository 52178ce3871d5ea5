// What goes out on one connection: answers, numbered events, growing text. A slow reader gets only the newest text; approvals and
// endings always; when even those pile up, the connection is closed. Without a socket (the client is gone) it goes on filling its
// ring, so that the client can come back.
import type { WebSocket } from "ws"
import type { TurnEnvelope, TurnEvent } from "../../protocol/event.ts"
import { grants, type Scope } from "../../protocol/frame.ts"
import { mayHear } from "../methods/events.ts"
import type { Caller } from "../methods/method.ts"
import { projectApproval } from "./project-approval.ts"
import { type ClawViewer, type Grown, growth, type Named, projectClaw } from "./project-claw.ts"
import { growthPy, projectPy } from "./project-py.ts"
import { frameText, Ring, type ToldEvent } from "./ring.ts"
import type { Growing, RunView } from "./run-view.ts"
import { type RawSocket, SharedFrame } from "./shared-frame.ts"

/** Above this many unsent bytes, whatever a newer event makes superfluous waits or is left out. */
export const SOFT_LIMIT = 1024 * 1024
export const MAX_BUFFERED_BYTES = 50 * 1024 * 1024

/** Facts that a slow reader can do without: a later one says it again. */
const PASSING: ReadonlySet<TurnEvent["type"]> = new Set(["tool.updated", "usage.updated", "model.started"])

/** Time and order, shared by all outboxes of a door. */
export interface Timeline {
  now(): number
  /** Counts what is told, and connections that open in between. */
  order: number
  /** What was told last: whoever is told the same next shares it. */
  frame?: SharedFrame | undefined
}

type StateVersion = NonNullable<ToldEvent["stateVersion"]>

/** Payloads already made of what is told now, by kind of viewer: a hundred viewers cost one JSON text. */
export type Drawn = Map<string, { event: string; text: string; again?: () => string }[]>

/** A payload that is longer is not held until the next one comes. */
const MAX_SHARED = 256 * 1024
/** Later it is another event that only says the same. */
const FRESH_MS = 1_000

function isSame(
  { payload: lastPayload, told }: SharedFrame,
  now: number,
  event: string,
  payload: string,
  stateVersion: StateVersion | undefined,
  again: (() => string) | undefined,
): boolean {
  return (
    now - told.at < FRESH_MS &&
    told.event === event &&
    (again === undefined ? typeof told.payload === "string" : told.payload === again) &&
    told.stateVersion?.presence === stateVersion?.presence &&
    told.stateVersion?.health === stateVersion?.health &&
    lastPayload === payload
  )
}

interface Position {
  text: number
  thinking: number
  /** It came after the run had begun to speak. */
  late: boolean
}

export class Outbox {
  readonly caller: Caller
  /** Place in the door's order when it opened. */
  readonly openedAt: number
  readonly #asClaw: ClawViewer | undefined
  readonly #asPy: boolean
  readonly #all: boolean
  readonly #timeline: Timeline
  #socket: Pick<WebSocket, "send" | "close" | "terminate" | "bufferedAmount" | "readyState" | "OPEN"> | undefined
  readonly #raw: RawSocket | undefined
  /** The last answer of hears(). */
  #asked: { event: string; scopes: readonly string[]; hears: boolean } = { event: "", scopes: [], hears: false }
  #seq = 0
  #ring = new Ring()
  /** Connections that this one took over. */
  formerly: readonly string[] = []
  readonly #positions = new Map<string, Position>()
  readonly #behind = new Set<RunView>()
  readonly #followed = new Set<string>()

  /** `raw`: the connection under the socket, where frames may be written to it as they are. */
  constructor(caller: Caller, socket: WebSocket, timeline: Timeline, raw?: RawSocket) {
    const { caps, dialect, protocol } = caller
    const wants = (family: "claw" | "py", other: string) =>
      caps.includes("events:both") || caps.includes(`events:${family}`) || (dialect === family && !caps.includes(other))
    this.caller = caller
    this.#asClaw = wants("claw", "events:py") ? { protocol, toolEvents: caps.includes("tool-events") } : undefined
    this.#asPy = wants("py", "events:claw")
    this.#all = caps.includes("events:all")
    this.#socket = socket
    this.#raw = raw
    this.#timeline = timeline
    timeline.order += 1
    this.openedAt = timeline.order
  }

  /** Rights are looked at each time: they can shrink while the connection is open. */
  #may(scope: Scope): boolean {
    return this.caller.role === "operator" && grants(this.caller.scopes, scope)
  }

  get reads(): boolean {
    return this.#may("operator.read")
  }

  get approves(): boolean {
    return this.#may("operator.approvals")
  }

  get #claw(): ClawViewer | undefined {
    return this.reads ? this.#asClaw : undefined
  }

  get #py(): boolean {
    return this.reads && this.#asPy
  }

  get seq(): number {
    return this.#seq
  }

  /** Hears of presence, health and whatever else is not of a turn. */
  get watches(): boolean {
    return this.#claw !== undefined
  }

  get #pressed(): boolean {
    return this.#socket !== undefined && this.#socket.bufferedAmount > SOFT_LIMIT
  }

  /** What is kept for a return. */
  get keptBytes(): number {
    return this.#ring.bytes
  }

  /** The client is gone; events are kept for its return. */
  detach(): void {
    this.#socket = undefined
  }

  /** The simple dialect hears the turns that it started, and no others. */
  follow(turnId: string): void {
    this.#followed.add(turnId)
  }

  /** Sends text as it is: an answer. */
  send(text: string): void {
    if (this.#isReady()) this.#socket?.send(text)
  }

  #isReady(): boolean {
    const socket = this.#socket
    if (!socket || socket.readyState !== socket.OPEN) return false
    if (socket.bufferedAmount <= MAX_BUFFERED_BYTES) return true
    // Closing is a request, too, and this peer reads nothing: it is cut off.
    socket.close(1008, "slow consumer")
    socket.terminate()
    return false
  }

  /** Whether this caller may be told of such an event. One that no list names is told to nobody. */
  hears(event: string): boolean {
    const { scopes } = this.caller
    // Rights that shrink are another list.
    if (event !== this.#asked.event || scopes !== this.#asked.scopes)
      this.#asked = { event, scopes, hears: mayHear(this.caller, event) }
    return this.#asked.hears
  }

  /**
   * Sends a numbered event to who may hear it. `again` makes its payload anew, where that is smaller than keeping it.
   */
  event(event: string, payload: string, stateVersion?: StateVersion, again?: () => string): void {
    if (!this.hears(event)) return
    this.#seq += 1
    const frame = this.#frame(event, payload, stateVersion, again)
    this.#ring.add(frame.told, this.#seq)
    if (!this.#isReady()) return
    if (this.#raw && frame.isShared) frame.write(this.#seq, this.#raw)
    else this.#socket?.send(frame.text(this.#seq))
  }

  /** What somebody was just told is told again as it is, while nothing else was told and nobody came in between. */
  #frame(
    event: string,
    payload: string,
    stateVersion: StateVersion | undefined,
    again: (() => string) | undefined,
  ): SharedFrame {
    const timeline = this.#timeline
    const last = timeline.frame
    if (last?.told.order === timeline.order && isSame(last, timeline.now(), event, payload, stateVersion, again))
      return last
    timeline.order += 1
    const told = { at: timeline.now(), order: timeline.order, event, payload: again ?? payload, stateVersion }
    const frame = new SharedFrame(told, payload)
    timeline.frame = payload.length > MAX_SHARED ? undefined : frame
    return frame
  }

  /** An event that may be left out when the reader is slow: a newer one follows. */
  passing(event: string, payload: string, stateVersion?: StateVersion): void {
    if (this.#socket && !this.#pressed) this.event(event, payload, stateVersion)
  }

  #hearsPy(turnId: string): boolean {
    return this.#py && (this.#all || this.#followed.has(turnId))
  }

  /** A fact of a run. `drawn` is shared by all outboxes that are told of it. */
  tell(envelope: TurnEnvelope, run: RunView, drawn: Drawn): void {
    const { event, at } = envelope
    if (event.type === "approval.requested" || event.type === "approval.resolved") {
      if (this.approves) this.#put(drawn, "approval", () => [projectApproval(event, at)].filter((one) => !!one))
      return
    }
    if (PASSING.has(event.type) && this.#pressed) return
    const py = this.#hearsPy(run.turnId)
    const ended = event.type === "turn.ended"
    // The ending of the claw family holds the whole text; the simple one's readers add deltas up.
    if (ended && this.#behind.delete(run) && py) this.#show(run, new Map(), false, true)
    const claw = this.#claw
    if (claw) this.#put(drawn, `claw ${claw.protocol} ${claw.toolEvents}`, () => projectClaw(envelope, run, claw))
    if (py) this.#put(drawn, "py", () => projectPy(envelope, run))
    if (!ended) return
    this.#positions.delete(run.turnId)
    this.#followed.delete(run.turnId)
  }

  /** Text of a run has grown. False when this reader is too slow to be shown it now: catchUp() does it later. */
  grow(run: RunView, drawn: Drawn): boolean {
    const py = this.#hearsPy(run.turnId)
    if (!this.#claw && !py) return true
    if (this.#pressed) {
      this.#behind.add(run)
      return false
    }
    this.#behind.delete(run)
    this.#show(run, drawn, this.#claw !== undefined, py)
    return true
  }

  /** True when nothing waits any more. */
  catchUp(): boolean {
    if (this.#pressed) return false
    for (const run of this.#behind) {
      run.step()
      this.#show(run, new Map(), this.#claw !== undefined, this.#hearsPy(run.turnId))
    }
    this.#behind.clear()
    return true
  }

  #show(run: RunView, drawn: Drawn, claw: boolean, py: boolean): void {
    const position = this.#positionIn(run)
    for (const kind of ["thinking", "text"] satisfies Growing[]) {
      const from = position[kind]
      const to = run[kind].length
      if (to === from) continue
      position[kind] = to
      const seq = kind === "text" ? run.seq : run.seq - 1
      const grown: Grown = { kind, from, to, seq, at: this.#timeline.now(), replace: position.late && from === 0 }
      const key = `${kind} ${from} ${grown.replace}`
      const { protocol } = this.caller
      if (claw) this.#put(drawn, `claw ${protocol} ${key}`, () => growth(run, grown, protocol), true)
      if (py) this.#put(drawn, `py ${key}`, () => growthPy(run, grown), true)
    }
  }

  #positionIn(run: RunView): Position {
    let position = this.#positions.get(run.turnId)
    if (!position) {
      position = { text: 0, thinking: 0, late: run.shown.text + run.shown.thinking > 0 }
      this.#positions.set(run.turnId, position)
    }
    return position
  }

  /** `again`: the payloads are mostly text that the run holds anyway. */
  #put(drawn: Drawn, key: string, make: () => Named[], again = false): void {
    let made = drawn.get(key)
    if (!made) {
      made = make().map(({ event, payload }, i) => ({
        event,
        text: JSON.stringify(payload),
        ...(again ? { again: () => JSON.stringify(make()[i]?.payload) } : {}),
      }))
      drawn.set(key, made)
    }
    for (const one of made) this.event(one.event, one.text, undefined, one.again)
  }

  /**
   * Takes over what an earlier connection of the same caller was sent after `lastSeq`, and goes on from its numbers. What both have
   * heard since this one opened is not taken twice. Undefined when some of it is gone; else the frames that are to be sent.
   */
  adopt(earlier: Outbox, lastSeq: number): string[] | undefined {
    const hearsOnlyItsOwn = this.#py && !this.#all && !this.#claw
    const mark = (hearsOnlyItsOwn ? undefined : earlier.#ring.lastUntil(this.openedAt)) ?? earlier.#seq
    const missed = earlier.#ring.between(lastSeq, mark)
    // What was told to one who had more rights is not told again to one who has fewer.
    if (!missed?.every(({ event }) => this.hears(event))) return undefined
    if (this.#ring.size === 0) for (const sent of missed) this.#ring.add(sent, sent.seq)
    else this.#ring.clear()
    this.#seq += mark
    for (const turnId of earlier.#followed) this.#followed.add(turnId)
    if (mark === earlier.#seq)
      for (const [turnId, position] of earlier.#positions)
        if (!this.#positions.has(turnId)) this.#positions.set(turnId, position)
    return missed.map((sent) => frameText(sent, typeof sent.payload === "string" ? sent.payload : sent.payload()))
  }
}

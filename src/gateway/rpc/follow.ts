// session.subscribe: what a session did since an activity number, then what it does, to one connection. Listening starts before the
// log is read, so nothing falls between the two and nothing is told twice.
import { PincerError } from "../../base/errors.ts"
import type { RecordedEnvelope, TurnEnvelope } from "../../protocol/event.ts"
import type { MethodContext } from "../methods/method.ts"
import { type Activity, ActivityLog } from "./activity.ts"
import { activitiesOf, sessionId } from "./session-view.ts"
import { TurnStream } from "./stream.ts"

/** Sessions that one connection may listen to. */
const MAX_SUBSCRIPTIONS = 1_000
/** Events that may wait while the log is read. */
const MAX_WAITING = 10_000

/** `after` undefined: only what comes. Resolves with the number of the last activity so far. */
export async function followSession(key: string, after: number | undefined, context: MethodContext): Promise<number> {
  const { caller, emit, parts } = context
  const { subscriptions } = caller
  if (!emit || !subscriptions)
    throw new PincerError("METHOD_NOT_FOUND", "session.subscribe needs a WebSocket: connect to /ws")
  if (subscriptions.size >= MAX_SUBSCRIPTIONS && !subscriptions.has(key))
    throw new PincerError("RATE_LIMITED", `One connection listens to at most ${MAX_SUBSCRIPTIONS} sessions`)
  subscriptions.get(key)?.()
  const follower = new Follower(sessionId(key, parts), emit)
  const stop = parts.hub.onSession(key, (envelope) => follower.hear(envelope))
  subscriptions.set(key, stop)
  try {
    const { activity, log, lastSeq } = await activitiesOf(key, after ?? Number.MAX_SAFE_INTEGER, parts)
    for (const one of activity) await follower.replay(one)
    follower.goOn(log, lastSeq)
    return log.count
  } catch (error) {
    stop()
    subscriptions.delete(key)
    throw error
  }
}

class Follower {
  readonly #id: string
  readonly #emit: NonNullable<MethodContext["emit"]>
  readonly #streams = new Map<string, TurnStream>()
  #waiting: TurnEnvelope[] | undefined = []
  #log: ActivityLog | undefined
  #lastSeq = 0
  #sessionId: string | undefined
  /** The turn that ended last: an agent may still say something after it. */
  #ended: string | undefined

  constructor(id: string, emit: NonNullable<MethodContext["emit"]>) {
    this.#id = id
    this.#emit = emit
  }

  hear(envelope: TurnEnvelope): void {
    if (!this.#waiting) this.#tell(envelope)
    // Deltas are contained in what is recorded later.
    else if (envelope.seq !== null && this.#waiting.length < MAX_WAITING) this.#waiting.push(envelope)
  }

  replay(activity: Activity): Promise<void> | undefined {
    return this.#send("session.activity", { session_id: this.#id, activity })
  }

  goOn(log: ActivityLog, lastSeq: number): void {
    this.#log = log
    this.#lastSeq = lastSeq
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const envelope of waiting) this.#tell(envelope)
  }

  #tell(envelope: TurnEnvelope): void {
    const { event, seq, turnId } = envelope
    if (seq !== null) {
      // After a reset the log begins anew, under another id.
      if (this.#sessionId !== undefined && this.#sessionId !== envelope.sessionId) {
        this.#log = new ActivityLog()
        this.#lastSeq = 0
      }
      this.#sessionId = envelope.sessionId
      if (seq <= this.#lastSeq) return
      this.#lastSeq = seq
      for (const activity of this.#log?.add(envelope as RecordedEnvelope) ?? [])
        void this.#send("session.activity", { session_id: this.#id, activity })
    }
    const stream = this.#streams.get(turnId) ?? new TurnStream()
    if (turnId !== this.#ended || event.type === "turn.started") this.#streams.set(turnId, stream)
    const told = stream.tell(event)
    const base = { id: turnId, session_id: this.#id }
    for (const one of told.events) void this.#send("event", { ...base, version: "v1", ...one })
    for (const chunk of told.chunks) void this.#send("stream", { ...base, ...chunk })
    if (event.type !== "turn.ended") return
    this.#streams.delete(turnId)
    this.#ended = turnId
  }

  #send(method: string, params: unknown): Promise<void> | undefined {
    return this.#emit(method, JSON.stringify(params))
  }
}

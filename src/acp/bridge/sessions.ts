// The sessions that one client has bound: opened within a rate, kept within a number, told what the gateway says of them.
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { TurnEnvelope } from "../../protocol/event.ts"
import { RPC, RpcFailure } from "../peer.ts"
import { release } from "./lending.ts"
import { fieldsOf } from "./params.ts"
import type { BridgeSettings } from "./port.ts"
import type { Bound, Room, WorkPlace } from "./room.ts"
import { BoundSession } from "./session.ts"

const OPENINGS = 120
const OPENINGS_MS = 10_000
const MAX_SESSIONS = 5_000
/** One connection may listen to a thousand. */
const MAX_HEARD = 900
const IDLE_MS = 24 * 60 * 60 * 1000

export function unknownSession(id: unknown): RpcFailure {
  return new RpcFailure(RPC.notFound, `Unknown session ${JSON.stringify(id) ?? ""}: create or load it first`, {
    sessionId: id,
  })
}

export class BoundSessions {
  readonly #room: Room
  readonly #settings: BridgeSettings
  readonly #byId = new Map<string, BoundSession>()
  #openings: number[] = []

  constructor(room: Room) {
    this.#room = room
    this.#settings = room.settings
  }

  /** Throws RATE_LIMITED with the seconds to wait. */
  checkRate(): void {
    const now = this.#room.now()
    this.#openings = this.#openings.filter((at) => at > now - OPENINGS_MS)
    if (this.#openings.length >= OPENINGS) {
      const retryAfterMs = this.#openings[0]! + OPENINGS_MS - now
      throw new PincerError("RATE_LIMITED", `Too many sessions were opened: wait ${Math.ceil(retryAfterMs / 1000)} s`, {
        retryAfterMs,
      })
    }
    this.#openings.push(now)
  }

  all(): BoundSession[] {
    return [...this.#byId.values()]
  }

  find(id: unknown): BoundSession | undefined {
    return typeof id === "string" ? this.#byId.get(id) : undefined
  }

  /** Throws -32002. */
  require(id: unknown): BoundSession {
    const session = this.find(id)
    if (!session) throw unknownSession(id)
    session.usedAt = this.#room.now()
    return session
  }

  /** Binds an id, or binds it anew. Throws UNAVAILABLE when there are too many. */
  bind(id: string, key: string, place: WorkPlace): BoundSession {
    const known = this.#byId.get(id)
    if (known) {
      known.key = key
      known.place = place
      known.usedAt = this.#room.now()
      return known
    }
    this.#makeRoom()
    const session = new BoundSession(this.#room, id, key, place)
    this.#byId.set(id, session)
    return session
  }

  #makeRoom(): void {
    const { idleMs = IDLE_MS, maxSessions = MAX_SESSIONS } = this.#settings
    const resting = this.all()
      .filter((session) => session.prompts.size === 0)
      .sort((a, b) => a.usedAt - b.usedAt)
    const old = this.#room.now() - idleMs
    for (const session of resting) {
      if (session.usedAt > old && this.#byId.size < maxSessions) return
      this.forget(session)
    }
    if (this.#byId.size >= maxSessions)
      throw new PincerError("UNAVAILABLE", `At most ${maxSessions} sessions may be bound at once: close one`)
  }

  async makeEar(session: Bound): Promise<void> {
    const heard = this.all().filter((one) => one.listens)
    if (session.listens || heard.length < MAX_HEARD) return
    const resting = heard.filter((one) => one.prompts.size === 0).sort((a, b) => a.usedAt - b.usedAt)[0]
    await resting?.rest()
  }

  /** Unbinds without waiting: what runs was canceled before. */
  forget(session: Bound): void {
    if (this.#byId.get(session.id) === session) this.#byId.delete(session.id)
    const { log } = this.#room
    const quiet = (error: unknown) => log.debug({ err: error, sessionKey: session.key }, "A session was not let go")
    release(this.#room, session).catch(quiet)
    if (!this.all().some(({ key }) => key === session.key)) session.rest().catch(quiet)
  }

  /** Event `session.event`. */
  onEvent(payload: unknown): void {
    const { envelope } = fieldsOf(payload)
    if (!isObject(envelope)) return
    // The gateway's own envelope: it has checked what it records.
    const known = envelope as unknown as TurnEnvelope
    for (const session of this.#byId.values()) if (session.key === known.sessionKey) session.take(known)
  }

  /** Event `session.changed`: another client has changed something, or a turn has ended. */
  onChanged(payload: unknown): void {
    const { sessionKey, key = sessionKey } = fieldsOf(payload)
    for (const session of this.#byId.values())
      if (session.key === key)
        session
          .refresh()
          .catch((error: unknown) => this.#room.log.warn({ err: error }, "A session's facts were not read"))
  }
}

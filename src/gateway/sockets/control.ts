// The control plane: sockets that speak request, response and event frames. One Connection per socket; the door itself counts and
// caps them, hands turn events on, gives the signs of life, and lets a client that was cut off take up what it missed.
import type { IncomingMessage } from "node:http"
import type { WebSocket } from "ws"
import { PincerError } from "../../base/errors.ts"
import { mayTake } from "../access/heir.ts"
import { networkOf } from "../access/limiter.ts"
import { type Auth, isLoopbackAddress } from "../auth.ts"
import type { MethodTable } from "../dispatch.ts"
import type { Parts } from "../parts.ts"
import { healthPayload } from "../status/health.ts"
import { Connection } from "./connection.ts"
import type { Door, Peer } from "./door.ts"
import type { Outbox, Timeline } from "./outbox.ts"
import { LostConnections, type Resumed } from "./resume.ts"
import { TurnFeed } from "./turn-feed.ts"

const HEALTH_MS = 60_000
/** Presence is a whole list each time: a crowd that connects is told of in one. */
const PRESENCE_MS = 1_000

export class ControlDoor implements Door {
  readonly parts: Parts
  readonly auth: Auth
  readonly methods: MethodTable
  readonly timeline: Timeline
  readonly #pending = new Set<Peer>()
  readonly #open = new Map<string, Peer>()
  readonly #lost: LostConnections
  readonly #feed: TurnFeed
  readonly #stops: (() => void)[] = []
  #healthVersion = 1
  #presenceToldAt = Number.NEGATIVE_INFINITY
  #presenceWaits = false
  #stopPresence: (() => void) | undefined

  constructor(parts: Parts, auth: Auth, methods: MethodTable) {
    const { clock, config, hub, log, store } = parts
    this.parts = parts
    this.auth = auth
    this.methods = methods
    this.#lost = new LostConnections(clock)
    this.timeline = { now: () => clock.now(), order: 0 }
    this.#feed = new TurnFeed({
      outboxes: () => this.#outboxes(),
      after: (ms, fn) => clock.after(ms, fn),
      isVerbose: async (key) => /^(on|full)$/.test((await store.sessions.get(key))?.settings["verboseLevel"] ?? ""),
      log,
    })
    this.#stops.push(hub.onAll((envelope) => this.#feed.tell(envelope)))
    this.#every(config.gateway.tickIntervalMs, () => this.#tick())
    this.#every(HEALTH_MS, () => this.#health())
  }

  #every(ms: number, run: () => void): void {
    if (ms === 0) return
    const timer = setInterval(run, ms)
    timer.unref()
    this.#stops.push(() => clearInterval(timer))
  }

  *#outboxes(): Iterable<Outbox> {
    for (const { outbox } of this.#open.values()) if (outbox) yield outbox
    yield* this.#lost.outboxes()
  }

  /** Why no further socket can be taken now, or undefined. */
  get refusal(): PincerError | undefined {
    if (this.#open.size < this.parts.config.gateway.maxConnections) return undefined
    return new PincerError("UNAVAILABLE", "Too many connections: close one, or raise gateway.maxConnections", {
      retryAfterMs: 1_000,
    })
  }

  /**
   * Takes a socket over. When too many have not said who they are, the oldest of them makes room; one network address other than
   * this machine gets a quarter of the places, so that it only ever crowds out itself.
   */
  accept(socket: WebSocket, request: IncomingMessage): void {
    const { maxPending } = this.parts.config.gateway
    const connection = new Connection(this, socket, request)
    const { address } = connection
    if (!isLoopbackAddress(address)) {
      const network = networkOf(address)
      const same = [...this.#pending].filter((one) => networkOf(one.address) === network)
      if (same.length >= Math.ceil(maxPending / 4)) same[0]!.drop(1013, "too many connections")
    }
    if (this.#pending.size >= maxPending) this.#pending.values().next().value?.drop(1013, "too many connections")
    this.#pending.add(connection)
  }

  get pending(): number {
    return this.#pending.size
  }

  connections(): number {
    return this.#open.size
  }

  /** Whether somebody who may answer an approval is connected and said that they can show it. */
  canAsk(): boolean {
    for (const { outbox } of this.#open.values()) {
      if (!outbox?.approves) continue
      const { caps } = outbox.caller
      if (caps.includes("approvals") || caps.includes("exec-approvals")) return true
    }
    return false
  }

  /** Tells every connection that may read; the simple dialect hears of its own turns alone. */
  broadcast(event: string, payload: unknown): void {
    this.broadcastText(event, JSON.stringify(payload))
  }

  /** The same with a payload that is JSON text. */
  broadcastText(event: string, text: string): void {
    for (const { outbox } of this.#open.values()) if (outbox?.watches) outbox.event(event, text)
    for (const outbox of this.#lost.outboxes()) if (outbox.watches) outbox.event(event, text)
  }

  /** Tells whoever may hear this event, in every dialect. */
  announce(event: string, text: string): void {
    for (const outbox of this.#outboxes()) outbox.event(event, text)
  }

  get stateVersion(): { presence: number; health: number } {
    return { presence: this.parts.presence.version, health: this.#healthVersion }
  }

  opened(peer: Peer): void {
    this.#pending.delete(peer)
    this.#open.set(peer.connId, peer)
    this.parts.presence.connections = this.#open.size
  }

  closed(peer: Peer, final: boolean): void {
    this.#pending.delete(peer)
    if (!this.#open.delete(peer.connId)) return
    this.parts.presence.connections = this.#open.size
    if (peer.outbox && !final) this.#lost.add(peer.connId, peer.outbox)
  }

  resume(heir: Outbox, connId: string, lastSeq: number): { result: Resumed; frames: string[] } {
    // The client knows that its old socket is dead before we do: who comes back with its name has left it.
    const earlier = this.#open.get(connId)
    if (earlier?.outbox && earlier.outbox !== heir && mayTake(heir.caller, earlier.outbox.caller))
      earlier.drop(1008, "taken over by a newer connection")
    return this.#lost.take(heir, connId, lastSeq)
  }

  #tick(): void {
    const payload = `{"ts":${this.parts.clock.now()}}`
    for (const connection of this.#open.values()) {
      connection.outbox?.passing("tick", payload)
      connection.checkLife()
    }
    this.#lost.forget()
  }

  #health(): void {
    const { log, presence, clock } = this.parts
    for (const { presenceKey } of this.#open.values())
      if (presenceKey !== undefined) presence.refresh(presenceKey, clock.now())
    healthPayload(this.parts).then(
      ({ text }) => {
        this.#healthVersion += 1
        for (const { outbox } of this.#open.values())
          if (outbox?.watches) outbox.passing("health", text, this.stateVersion)
      },
      (error: unknown) => log.warn({ err: error }, "Health was not read"),
    )
  }

  presenceChanged(): void {
    if (this.#presenceWaits) return
    const { clock } = this.parts
    const wait = this.#presenceToldAt + PRESENCE_MS - clock.now()
    if (wait <= 0) {
      this.#tellPresence()
      return
    }
    this.#presenceWaits = true
    this.#stopPresence = clock.after(wait, () => this.#tellPresence())
  }

  #tellPresence(): void {
    this.#presenceWaits = false
    this.#presenceToldAt = this.parts.clock.now()
    const payload = JSON.stringify({ presence: this.parts.presence.list() })
    for (const { outbox } of this.#open.values())
      if (outbox?.watches) outbox.passing("presence", payload, this.stateVersion)
  }

  /** Says goodbye to everybody: a shutdown event, then close 1012. */
  close(): void {
    for (const stop of this.#stops) stop()
    this.#feed.stop()
    this.#stopPresence?.()
    const goodbye = JSON.stringify({ reason: "service restart", restartExpectedMs: 2000 })
    for (const connection of this.#open.values()) {
      connection.outbox?.event("shutdown", goodbye)
      connection.drop(1012, "service restart")
    }
    for (const connection of this.#pending) connection.drop(1012, "service restart")
  }
}

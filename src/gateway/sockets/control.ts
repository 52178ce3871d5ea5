// The control plane: sockets that speak request, response and event frames. One Connection per socket; the door itself fans turn
// events out, keeps the beat for growing text, and remembers for two minutes what a client that went away has missed.
import type { IncomingMessage } from "node:http"
import type { WebSocket } from "ws"
import type { TurnEnvelope } from "../../protocol/event.ts"
import { grants } from "../../protocol/frame.ts"
import type { Auth } from "../auth.ts"
import type { MethodTable } from "../dispatch.ts"
import { healthPayload } from "../health.ts"
import type { Parts } from "../parts.ts"
import { Connection } from "./connection.ts"
import type { Outbox } from "./outbox.ts"
import { REPLAY } from "./ring.ts"
import { RunView } from "./run-view.ts"

const BEAT_MS = 40
const HEALTH_MS = 60_000
/** Clients that went away and may come back, remembered at once. */
const MAX_GHOSTS = 64

interface Ghost {
  outbox: Outbox
  /** Who may take it up again. */
  subject: string
  until: number
  /** Its number when later connections of the same caller opened, by their ids. */
  marks: Map<string, number>
}

export class ControlDoor {
  readonly parts: Parts
  readonly auth: Auth
  readonly methods: MethodTable
  readonly #pending = new Set<Connection>()
  readonly #open = new Map<string, Connection>()
  readonly #ghosts = new Map<string, Ghost>()
  readonly #runs = new Map<string, RunView>()
  readonly #stops: (() => void)[] = []
  #beating = false
  #healthVersion = 1

  constructor(parts: Parts, auth: Auth, methods: MethodTable) {
    this.parts = parts
    this.auth = auth
    this.methods = methods
    this.#stops.push(parts.hub.onAll((envelope) => this.#tell(envelope)))
    this.#every(parts.config.gateway.tickIntervalMs, () => this.#tick())
    this.#every(HEALTH_MS, () => void this.#health())
  }

  #every(ms: number, run: () => void): void {
    const timer = setInterval(run, ms)
    timer.unref()
    this.#stops.push(() => clearInterval(timer))
  }

  /** Takes a socket over. The oldest one that has not said who it is makes room when there are too many. */
  accept(socket: WebSocket, request: IncomingMessage): void {
    const { maxPending, maxConnections } = this.parts.config.gateway
    if (this.#open.size >= maxConnections) {
      socket.close(1013, "too many connections")
      return
    }
    if (this.#pending.size >= maxPending) this.#pending.values().next().value?.drop(1013, "too many connections")
    this.#pending.add(new Connection(this, socket, request))
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
      if (!outbox || !grants(outbox.caller.scopes, "operator.approvals")) continue
      if (outbox.caller.caps.includes("approvals") || outbox.caller.caps.includes("exec-approvals")) return true
    }
    return false
  }

  get stateVersion(): { presence: number; health: number } {
    return { presence: this.parts.presence.version, health: this.#healthVersion }
  }

  opened(connection: Connection): void {
    this.#pending.delete(connection)
    this.#open.set(connection.connId, connection)
    this.parts.presence.connections = this.#open.size
    const subject = connection.subject
    for (const ghost of this.#ghosts.values())
      if (ghost.subject === subject) ghost.marks.set(connection.connId, ghost.outbox.seq)
  }

  closed(connection: Connection): void {
    this.#pending.delete(connection)
    if (!this.#open.delete(connection.connId)) return
    this.parts.presence.connections = this.#open.size
    const { outbox, subject } = connection
    if (!outbox) return
    outbox.detach()
    this.#forgetGhosts()
    this.#ghosts.set(connection.connId, {
      outbox,
      subject,
      until: this.parts.clock.now() + REPLAY.maxAgeMs,
      marks: new Map(),
    })
    if (this.#ghosts.size > MAX_GHOSTS) this.#ghosts.delete(this.#ghosts.keys().next().value!)
  }

  #forgetGhosts(): void {
    const now = this.parts.clock.now()
    for (const [connId, ghost] of this.#ghosts) if (ghost.until < now) this.#ghosts.delete(connId)
  }

  /** Sends `connection` what the earlier connection `connId` of the same caller missed after `lastSeq`. */
  resume(connection: Connection, connId: string, lastSeq: number): { resumed: boolean; seq?: number } {
    this.#forgetGhosts()
    const ghost = this.#ghosts.get(connId)
    const { outbox, subject } = connection
    if (!ghost || !outbox || ghost.subject !== subject) return { resumed: false }
    const mark = ghost.marks.get(connection.connId) ?? ghost.outbox.seq
    if (!outbox.resume(ghost.outbox, lastSeq, mark)) return { resumed: false }
    this.#ghosts.delete(connId)
    return { resumed: true, seq: outbox.seq }
  }

  #tell(envelope: TurnEnvelope): void {
    const { event } = envelope
    const run = this.#runOf(envelope)
    if (event.type === "text.delta" || event.type === "thinking.delta") {
      const kind = event.type === "text.delta" ? "text" : "thinking"
      const before = run[kind].length
      run.grow(kind, event.messageId, event.delta)
      const added = run[kind].length - before
      let more = false
      for (const { outbox } of this.#open.values()) if (outbox?.grown(run, added)) more = true
      for (const { outbox } of this.#ghosts.values()) if (outbox.grown(run, added)) more = true
      if (more) this.#startBeat()
      return
    }
    for (const { outbox } of this.#open.values()) outbox?.tell(envelope, run)
    for (const { outbox } of this.#ghosts.values()) outbox.tell(envelope, run)
    if (event.type === "turn.ended") this.#runs.delete(envelope.turnId)
  }

  #runOf(envelope: TurnEnvelope): RunView {
    let run = this.#runs.get(envelope.turnId)
    if (!run) {
      run = new RunView(envelope)
      this.#runs.set(envelope.turnId, run)
      void this.#lookVerbose(run)
    }
    return run
  }

  async #lookVerbose(run: RunView): Promise<void> {
    // Only protocol 3 viewers without the cap depend on it.
    const session = await this.parts.store.sessions.get(run.sessionKey)
    const level = session?.settings["verboseLevel"]
    run.verbose = level === "on" || level === "full"
  }

  #startBeat(): void {
    if (this.#beating) return
    this.#beating = true
    const timer = setTimeout(() => {
      this.#beating = false
      let more = false
      for (const { outbox } of this.#open.values()) if (outbox?.beat()) more = true
      for (const { outbox } of this.#ghosts.values()) if (outbox.beat()) more = true
      if (more) this.#startBeat()
    }, BEAT_MS)
    timer.unref()
  }

  #tick(): void {
    const payload = `{"ts":${this.parts.clock.now()}}`
    for (const { outbox } of this.#open.values()) outbox?.passing("tick", payload)
    this.#forgetGhosts()
  }

  async #health(): Promise<void> {
    this.#healthVersion += 1
    const { text } = await healthPayload(this.parts)
    for (const { outbox } of this.#open.values())
      if (outbox?.audience.claw) outbox.passing("health", text, this.stateVersion)
  }

  /** Tells claw operators who is connected now. */
  presenceChanged(): void {
    const payload = JSON.stringify({ presence: this.parts.presence.list() })
    for (const { outbox } of this.#open.values())
      if (outbox?.audience.claw && grants(outbox.caller.scopes, "operator.read"))
        outbox.passing("presence", payload, this.stateVersion)
  }

  /** Says goodbye to everybody: a shutdown event, then close 1012. */
  close(): void {
    for (const stop of this.#stops) stop()
    for (const connection of this.#open.values()) {
      connection.outbox?.event("shutdown", { reason: "service restart", restartExpectedMs: 2000 })
      connection.drop(1012, "service restart")
    }
    for (const connection of this.#pending) connection.drop(1012, "service restart")
  }
}

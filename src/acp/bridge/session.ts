// One session that a client has bound: what was told of it, and which of its turns this client started. Everything it knows of the
// conversation comes from the gateway's events, by their numbers, so that nothing is told twice and nothing is left out.
import { randomUUID } from "node:crypto"
import type { AvailableCommand } from "@agentclientprotocol/sdk"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { RecordedEnvelope, TurnEnvelope } from "../../protocol/event.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import { standing } from "../translate/history.ts"
import { SessionFold, type Shown } from "../translate/shown.ts"
import { type SessionState, stateOf } from "./facts.ts"
import { mcpCommands, type Offer, offerOf } from "./offer.ts"
import { type Fields, fieldsOf, rowsOf, textOf } from "./params.ts"
import { relayApproval } from "./permission.ts"
import type { Bound, Room, RunningPrompt, WorkPlace } from "./room.ts"

const REPLAY_MS = 60_000

interface Replay {
  buffer: TurnEnvelope[]
  /** Number of the last event that belongs to it; undefined until the gateway has said so. */
  until: number | undefined
  done: PromiseWithResolvers<void>
}

export class BoundSession implements Bound {
  readonly id: string
  key: string
  place: WorkPlace
  /** Under which id this client lends to its turns. */
  readonly lender: string = randomUUID()
  lends = false
  servers: McpServer[] = []
  state: SessionState = stateOf({})
  usedAt: number
  readonly prompts = new Map<string, RunningPrompt>()
  offered: readonly AvailableCommand[] = []
  readonly #room: Room
  #fold = new SessionFold()
  #lastSeq = 0
  #transcript: string | undefined
  #replay: Replay | undefined
  /** Turns of others that were on their way when it was loaded: half a turn is not shown. */
  readonly #followed = new Set<string>()
  /** The turn of them that ended last: its agent may still say something. */
  #last: string | undefined
  #stateKnown = false
  #listens = false

  constructor(room: Room, id: string, key: string, place: WorkPlace) {
    this.#room = room
    this.id = id
    this.key = key
    this.place = place
    this.usedAt = room.now()
  }

  /** Whether the gateway tells this connection of it. */
  get listens(): boolean {
    return this.#listens
  }

  /** Listens from now on, unless it does. */
  async listen(): Promise<void> {
    if (this.#listens) return
    this.#listens = true
    try {
      const answer = fieldsOf(await this.#room.gateway.request("session.events", { sessionKey: this.key }))
      this.#transcript = textOf(answer["sessionId"])
      this.#lastSeq = Number(answer["lastSeq"] ?? 0)
    } catch (error) {
      this.#listens = false
      throw error
    }
  }

  /** Lets go of it: one connection may listen to so many only. */
  async rest(): Promise<void> {
    if (!this.#listens) return
    this.#listens = false
    this.#followed.clear()
    await this.#room.gateway.request("session.events.stop", { sessionKey: this.key })
  }

  /** Tells everything that is recorded, then listens. Throws TIMEOUT. */
  async replay(): Promise<void> {
    this.#listens = true
    const replay: Replay = { buffer: [], until: undefined, done: Promise.withResolvers() }
    this.#replay = replay
    this.#fold = new SessionFold()
    this.#lastSeq = 0
    this.#transcript = undefined
    const stop = this.#room.after(REPLAY_MS, () =>
      replay.done.reject(new PincerError("TIMEOUT", "The history of the session did not come in time: load it again")),
    )
    try {
      const answer = fieldsOf(await this.#room.gateway.request("session.events", { sessionKey: this.key, after: 0 }))
      for (const turn of rowsOf(answer["live"])) {
        const turnId = turn["turnId"] ?? turn["runId"]
        if (typeof turnId === "string" && !this.prompts.has(turnId)) this.#followed.add(turnId)
      }
      replay.until = Number(answer["lastSeq"] ?? 0)
      if (this.#lastSeq >= replay.until) replay.done.resolve()
      await replay.done.promise
      const recorded = replay.buffer.filter((one): one is RecordedEnvelope => one.seq !== null)
      for (const envelope of standing(recorded.filter((one) => one.seq <= (replay.until ?? 0))))
        this.#show(envelope, true)
      this.#replay = undefined
      for (const envelope of replay.buffer)
        if (envelope.seq === null || envelope.seq > replay.until) this.#happened(envelope)
    } finally {
      stop()
      this.#replay = undefined
    }
  }

  /** The connection came back: goes on after what was heard last. */
  async relisten(): Promise<void> {
    if (!this.#listens) return
    const known = this.#transcript
    const after = { after: this.#lastSeq, ...(known === undefined ? {} : { afterSessionId: known }) }
    const answer = fieldsOf(await this.#room.gateway.request("session.events", { sessionKey: this.key, ...after }))
    if (known === undefined || answer["sessionId"] === known) return
    // It was emptied meanwhile, which stops what ran in it.
    for (const prompt of this.prompts.values()) prompt.settle({ type: "canceled" })
  }

  /** An event of this session, in order; one that was heard before is nothing. */
  take(envelope: TurnEnvelope): void {
    const { seq, sessionId } = envelope
    if (seq !== null) {
      if (this.#transcript !== sessionId) {
        if (this.#transcript !== undefined) this.#fold = new SessionFold()
        this.#lastSeq = this.#transcript === undefined ? this.#lastSeq : 0
        this.#transcript = sessionId
      }
      if (seq <= this.#lastSeq) return
      this.#lastSeq = seq
    }
    if (!this.#replay) {
      this.#happened(envelope)
      return
    }
    this.#replay.buffer.push(envelope)
    const { until, done } = this.#replay
    if (until !== undefined && this.#lastSeq >= until) done.resolve()
  }

  #happened(envelope: TurnEnvelope): void {
    const { event, turnId } = envelope
    const prompt = this.prompts.get(turnId)
    const { voice } = this.#room
    const isFollowed = prompt !== undefined || this.#followed.has(turnId)
    if (isFollowed || voice.watchesAll || turnId === this.#last) this.#show(envelope, false)
    if (prompt && (event.type === "approval.requested" || event.type === "approval.resolved"))
      relayApproval(this.#room, this, prompt, event)
    if (event.type !== "turn.ended") return
    if (isFollowed) this.#last = turnId
    this.#followed.delete(turnId)
    prompt?.settle({ type: "ended", outcome: event.outcome })
  }

  #show(envelope: TurnEnvelope, replay: boolean): void {
    // Thoughts that are shown when they are complete are taken from the recorded message alone.
    if (envelope.event.type === "thinking.delta" && this.state.reasoning !== "stream") return
    const mine = this.prompts.has(envelope.turnId)
    for (const shown of this.#fold.apply(envelope))
      this.#room.voice.show(this, named(shown, envelope), { replay, mine })
  }

  /** Reads the session's facts anew and tells what changed of them. */
  async refresh(): Promise<void> {
    const now = await this.#read()
    const before = this.#stateKnown ? this.state : undefined
    this.state = now
    this.#stateKnown = true
    if (before && JSON.stringify(before.offer?.commands) !== JSON.stringify(now.offer?.commands))
      this.#room.voice.commands(this)
    await this.#room.voice.facts(this, before, now)
  }

  /** The same without telling: the answer that is about to be given holds them. */
  async readState(): Promise<void> {
    this.state = await this.#read()
    this.#stateKnown = true
  }

  async readOffered(): Promise<boolean> {
    const before = JSON.stringify(this.offered)
    try {
      const { commands } = fieldsOf(await this.#room.gateway.request("commands.list", { sessionKey: this.key }))
      this.offered = mcpCommands(rowsOf(commands))
    } catch (error) {
      // A gateway from before, or an agent that is gone: then there are none.
      if (!(error instanceof PincerError)) throw error
      this.offered = []
    }
    return JSON.stringify(this.offered) !== before
  }

  /** Told once its facts were in an answer. */
  async #read(): Promise<SessionState> {
    try {
      const found = fieldsOf(await this.#room.gateway.request("sessions.get", { key: this.key, limit: 1 }))
      const row = fieldsOf(found["session"])
      // Only external agents have models of this name.
      return stateOf(row, textOf(row["modelProvider"])?.startsWith("acp:") ? await this.#offer() : undefined)
    } catch (error) {
      if (!(error instanceof PincerError) || error.code !== "NOT_FOUND") throw error
      // Nothing was said in it yet.
      const offer = await this.#offer()
      return stateOf(offer ? {} : await this.#defaults(), offer)
    }
  }

  async #offer(): Promise<Offer | undefined> {
    return offerOf(await this.#room.gateway.request("session.options", { sessionKey: this.key }))
  }

  async #defaults(): Promise<Fields> {
    const models = await this.#room.models()
    const chosen = models.find((model) => model.isDefault)
    if (!chosen) return {}
    const slash = chosen.key.indexOf("/")
    return { modelProvider: chosen.key.slice(0, slash), model: chosen.key.slice(slash + 1) }
  }

  /** Changes what the gateway keeps of it, and tells the others of this client. */
  async patch(change: Fields): Promise<void> {
    const answer = fieldsOf(await this.#room.gateway.request("sessions.patch", { key: this.key, ...change }))
    const entry = answer["entry"]
    if (isObject(entry)) this.state = stateOf(entry, this.state.offer && (await this.#offer()))
    this.#stateKnown = true
  }
}

/** What a user said goes by the name of its turn: whoever said it knows that name before it is recorded. */
function named(shown: Shown, { turnId }: TurnEnvelope): Shown {
  return shown.type === "said" && shown.who === "user" ? { ...shown, messageId: turnId } : shown
}

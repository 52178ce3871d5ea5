// One turn in a session of an agent, from opening the session to the one end. What the agent says goes to the turn in order; when the turn
// is stopped the agent is told, has a few seconds for its last words, and is ended when it does not listen.
import type { HostedEnd, HostedEvent, HostedTerminal, HostedTurn } from "../../agent/harness.ts"
import { PincerError } from "../../base/errors.ts"
import { RPC, RpcFailure, saidBy } from "../peer.ts"
import type { AgentLink } from "./agent-link.ts"
import { endTold } from "./end-told.ts"
import type { HostPorts } from "./host-ports.ts"
import type { HostSession, TurnEar } from "./host-session.ts"
import { loggedIn, loginNeeded, wantsLogin } from "./login.ts"
import { Rounds } from "./rounds.ts"
import type { Update } from "./session-book.ts"
import { loginOf, type Opened, openSession } from "./session-open.ts"
import { applyChoices, choicesOf } from "./session-settings.ts"
import { turnBlocks } from "./turn-blocks.ts"

/** How long an agent may take for its last words. */
const LAST_WORDS_MS = 5_000

export interface TurnRoom {
  ports: HostPorts
  link: AgentLink
  turn: HostedTurn
  /** How the agent is named in the memory of sessions. */
  agent: string
  /** Ends the agent's process, and is waited for when the host is closed. */
  endAgent(reason: PincerError): void
}

export class HostTurn implements TurnEar {
  readonly turn: HostedTurn
  readonly signal: AbortSignal
  readonly terminals = new Map<string, HostedTerminal>()
  readonly #room: TurnRoom
  readonly #own = new AbortController()
  readonly #rounds = new Rounds()
  readonly #maxRounds: number
  readonly #noticed = new Set<string>()
  readonly #rest = Promise.withResolvers<Update>()
  #outOfRounds = false
  #asked = false
  #works = false
  #heard = false
  /** The prompt has been sent: the agent may have acted. */
  prompted = false

  constructor(room: TurnRoom) {
    this.#room = room
    this.turn = room.turn
    this.signal = AbortSignal.any([room.turn.signal, this.#own.signal])
    this.#maxRounds = room.turn.request.limits?.maxModelCalls ?? Number.POSITIVE_INFINITY
  }

  /** Throws NeedsVariables, and PincerError or RpcFailure for what went wrong before the agent was asked. */
  async run(): Promise<HostedEnd> {
    let session: HostSession | undefined
    try {
      for (let tries = 0; ; tries += 1) {
        const opened = await openSession(this.#opening())
        session = opened.session
        try {
          return await this.#inSession(opened)
        } catch (error) {
          if (tries > 0 || this.#heard || !isLost(error)) throw error
          // The process lives but has forgotten the session: it gets another one.
          this.#room.link.forget(session.id)
          session.detach(this)
          await this.turn.memory.set(null)
        }
      }
    } catch (error) {
      return this.#failed(error)
    } finally {
      session?.detach(this)
      this.#own.abort()
      await Promise.allSettled([...this.terminals.values()].map((one) => one.release()))
    }
  }

  #opening() {
    const { agent, link, ports, turn } = this.#room
    const notice = (code: string, text: string) => this.#notice(code, text)
    return { link, turn, ear: this, agent, log: ports.log, notice }
  }

  async #inSession(opened: Opened): Promise<HostedEnd> {
    const { agent, link, turn } = this.#room
    const { session } = opened
    link.touch(session)
    await applyChoices(choicesOf(turn), { link, session, signal: this.signal })
    const { blocks, caughtUp, missed, reduced } = turnBlocks(turn, opened, link.facts.abilities)
    if (missed) this.#notice("session_new", forgetful(link, caughtUp))
    if (reduced.length > 0)
      this.#notice("prompt_reduced", `${link.spec.title} cannot take ${reduced.join(", ")}: it was told so in words`)
    const lastTurn = caughtUp ? turn.request.turnId : (opened.memory?.lastTurn ?? "")
    await turn.memory.set({ agent, cwd: turn.cwd, row: turn.session.id, session: session.id, lastTurn })
    if (this.signal.aborted) throw new PincerError("ABORTED", "The turn was stopped")
    const { credential } = loginOf({ turn, notice: () => undefined })
    const end = await loggedIn(link, { authPolicy: turn.authPolicy, credential }, () => this.#ask(session, blocks))
    const { model } = session.book
    return this.#ended({ ...end, ...(model === undefined ? {} : { model }) })
  }

  async #ask(session: HostSession, prompt: Update[]): Promise<HostedEnd> {
    const { link, ports } = this.#room
    const sessionId = session.id
    let cancelKill: (() => void) | undefined
    const onAbort = () => {
      link.notify("session/cancel", { sessionId })
      const reason = `${link.who} did not stop when it was told to, so it was ended`
      cancelKill = ports.clock.after(LAST_WORDS_MS, () => this.#room.endAgent(new PincerError("UNAVAILABLE", reason)))
    }
    this.prompted = true
    this.#asked = false
    const answered = link.request("session/prompt", { sessionId, prompt })
    if (this.signal.aborted) onAbort()
    else this.signal.addEventListener("abort", onAbort, { once: true })
    try {
      const answer = await answered
      if (link.facts.protocol === 1) return endTold(answer)
      this.#asked = true
      const rest = await Promise.race([this.#rest.promise, link.over])
      if (rest instanceof PincerError) throw rest
      return endTold(rest)
    } finally {
      this.signal.removeEventListener("abort", onAbort)
      cancelKill?.()
    }
  }

  hear(event: HostedEvent): void {
    if (this.#isBeyond(event)) return
    this.#heard ||= event.type === "text" || event.type === "tool"
    // Before the prompt it says what it begins with; after it, what it has changed.
    const changed = event.type === "facts" && this.prompted ? { ...event, changed: true as const } : event
    const kept = this.turn.hear(changed)
    if (kept) this.#room.link.hold(kept)
  }

  /** Another model call than the turn may have has begun: it is stopped, and what that call says is not heard. */
  #isBeyond(event: HostedEvent): boolean {
    if (event.type === "text" || event.type === "part") this.#rounds.spoke()
    else if (event.type === "tool") this.#rounds.called(event.callId, event.view.status)
    else return false
    if (this.#rounds.count <= this.#maxRounds) return false
    if (!this.#outOfRounds && !this.signal.aborted) {
      this.#outOfRounds = true
      this.#own.abort()
    }
    return this.#outOfRounds
  }

  state(update: Update): void {
    if (update["state"] === "running") this.#works = true
    // A rest that belongs to earlier work is not the end of this turn.
    else if (update["state"] === "idle" && this.prompted && (this.#asked || this.#works)) this.#rest.resolve(update)
  }

  /** Each one once. */
  #notice(code: string, text: string): void {
    if (this.#noticed.has(text)) return
    this.#noticed.add(text)
    this.hear({ type: "notice", level: "warning", code, text })
  }

  #ended(end: HostedEnd): HostedEnd {
    if (this.#outOfRounds) return { ...withoutError(end), stop: "max_model_calls" }
    if (this.turn.signal.aborted) return { ...withoutError(end), stop: "aborted" }
    return end
  }

  #failed(error: unknown): HostedEnd {
    const { link } = this.#room
    if (this.#outOfRounds) return { stop: "max_model_calls" }
    if (this.turn.signal.aborted) return { stop: "aborted" }
    if (!this.prompted || !(error instanceof RpcFailure)) throw error
    if (error.code === RPC.canceled) return { stop: "aborted" }
    if (wantsLogin(error, link)) throw loginNeeded(link, error)
    throw new PincerError("UNAVAILABLE", `${link.who} failed: ${saidBy(error)}`, { cause: error })
  }
}

function withoutError({ model, usage }: HostedEnd): Omit<HostedEnd, "stop"> {
  return { ...(usage === undefined ? {} : { usage }), ...(model === undefined ? {} : { model }) }
}

function forgetful({ spec }: AgentLink, caughtUp: boolean): string {
  const text = `${spec.title} remembers nothing of this conversation`
  return caughtUp ? `${text}: it was told the earlier messages as text` : text
}

function isLost(error: unknown): boolean {
  if (!(error instanceof RpcFailure)) return false
  const about =
    /session/i.test(saidBy(error)) && /not found|unknown|no such|does not exist|invalid session/i.test(saidBy(error))
  return about && (error.code === RPC.notFound || error.code === RPC.invalidParams || error.code === RPC.internal)
}

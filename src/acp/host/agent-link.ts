// One running agent and the connection to it: the handshake, the sessions that it holds, whose updates and requests go to whom. When its
// process goes, everything that waits for it fails with one clear sentence.
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { isObject } from "../../base/json.ts"
import { excerpt } from "../../base/text.ts"
import { type CallOptions, RpcFailure, RpcPeer, saidBy } from "../peer.ts"
import { type AgentExit, AgentProcess } from "./agent-process.ts"
import { MARK } from "./environment.ts"
import { agentFacts, initializeParams } from "./handshake.ts"
import type { AgentFacts, AgentProgram, HostPorts } from "./host-ports.ts"
import { HostSession, type OwnSession, type TurnEar } from "./host-session.ts"
import type { AgentQuirks } from "./known-agent.ts"
import type { Leftovers } from "./leftovers.ts"
import { serve } from "./serve.ts"
import type { Update } from "./session-book.ts"

const START_MS = 15_000
const MAX_SESSIONS = 256
const MAX_CHILDREN = 1_000
/** Updates of sessions that are being opened, until their ids are known. */
const MAX_EARLY = 1_000
const MAX_EARLY_CHARS = 4 * 1024 * 1024
/** Events that may wait for the disk before nothing more is read. */
const MAX_UNHEARD = 64

export interface LinkSpec {
  agentId: string
  /** What people call it. */
  title: string
  argv: readonly string[]
  program: AgentProgram
  confined: boolean
  /** Of the session that it is started for. */
  cwd: string
  protocol: 1 | 2
  quirks: AgentQuirks
}

export class AgentLink {
  readonly spec: LinkSpec
  readonly startedAt: number
  readonly sessions = new Map<string, HostSession>()
  /** Called once, when it has gone; `crashed` when nobody had ended it. */
  onGone: (crashed: boolean) => void = () => undefined
  readonly #ports: HostPorts
  readonly #leftovers: Leftovers
  readonly #peer: RpcPeer
  readonly #children = new Map<string, HostSession>()
  readonly #early: { id: string; update: Update; chars: number }[] = []
  #earlyChars = 0
  #opening = 0
  #unheard = 0
  #process: AgentProcess | undefined
  #facts: AgentFacts | undefined
  #gone: PincerError | undefined
  #ended: PincerError | undefined
  #ending: Promise<void> | undefined
  #startMs = 0
  readonly #over = Promise.withResolvers<PincerError>()

  constructor(spec: LinkSpec, ports: HostPorts, leftovers: Leftovers) {
    this.spec = spec
    this.#ports = ports
    this.#leftovers = leftovers
    this.startedAt = ports.clock.now()
    const { tap } = ports
    this.#peer = new RpcPeer(
      {
        send: (text) => this.#process?.send(text),
        onRequest: (request) => serve(request, (id) => this.#sessionOf(id), this),
        onNotification: (method, params) => this.#notified(method, params),
        onOddity: (text) => ports.log.debug({ agent: spec.agentId }, `An agent sent ${text}`),
        ...(tap
          ? {
              tap: (direction: "in" | "out", text: string) =>
                tap({ direction, text, agentId: spec.agentId, pid: this.pid ?? 0 }),
            }
          : {}),
      },
      ports.clock.after,
    )
  }

  /** Throws PincerError. */
  async start(): Promise<this> {
    const { program, quirks } = this.spec
    const mark = uuid(this.#ports.clock.now())
    await this.#leftovers.sweep()
    const { agentId, confined, cwd } = this.spec
    const marked = { ...program, env: { ...program.env, [MARK]: mark } }
    const launched = await this.#ports.launch(marked, { agentId, confined, cwd })
    if (this.#ended) {
      await launched.close()
      throw this.#ended
    }
    const listener = {
      line: (text: string) => this.#peer.receive(text),
      tooLong: (bytes: number) => this.#peer.refuseTooLong(bytes),
      exited: (exit: AgentExit) => this.#exited(exit),
      deaf: () => void this.end(this.#failure("reads nothing of what it is sent"), "now"),
    }
    const { clock } = this.#ports
    this.#process = await AgentProcess.start(launched, mark, listener, { clock, closeMs: quirks.closeMs })
    if (this.#ended) {
      await this.#process.end("now")
      throw this.#ended
    }
    // Written down before it is used: otherwise nobody would find it after a crash of ours.
    const written = this.#leftovers.add(this.#process.pid, mark)
    try {
      this.#facts = await this.#shakeHands()
      await written
    } catch (error) {
      const failure = this.#startFailure(error)
      await this.end(failure, "now")
      throw failure
    }
    this.#startMs = clock.now() - this.startedAt
    return this
  }

  async #shakeHands(): Promise<AgentFacts> {
    const { protocol, quirks } = this.spec
    const clientName = quirks.clientName ?? "pincer"
    const params = initializeParams({ protocol, clientName, version: this.#ports.version })
    const answer = await this.#peer.request("initialize", params, { timeoutMs: quirks.startMs ?? START_MS })
    return agentFacts(answer, this.who)
  }

  #startFailure(error: unknown): PincerError {
    if (error instanceof RpcFailure) return this.#failure(`refused to begin: ${saidBy(error)}`)
    if (error instanceof PincerError && error.code === "TIMEOUT") {
      const ms = this.spec.quirks.startMs ?? START_MS
      return this.#failure(`did not answer within ${ms / 1_000} s of its start, so it was ended`, "TIMEOUT")
    }
    if (error instanceof PincerError) return error
    throw error
  }

  get facts(): AgentFacts {
    if (!this.#facts) throw new TypeError("The agent has not been greeted yet")
    return this.#facts
  }

  get ready(): boolean {
    return this.#facts !== undefined && !this.#gone && !this.#ended
  }

  /** Resolves with the reason when nothing more comes from it. */
  get over(): Promise<PincerError> {
    return this.#over.promise
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get startMs(): number {
    return this.#startMs
  }

  /** Its name and command, for sentences. */
  get who(): string {
    return `${this.spec.title} (${excerpt(this.spec.argv.join(" "), 200)})`
  }

  /** What an agent says when it fails, in one sentence with the end of its error output. */
  #failure(what: string, code: "UNAVAILABLE" | "TIMEOUT" = "UNAVAILABLE"): PincerError {
    const words = this.#process?.stderr.words() ?? ""
    const text = `${this.who} ${what}${words === "" ? "" : `. Its last words: ${words}`}`
    return new PincerError(code, this.#ports.redactor?.text(text) ?? text)
  }

  request(method: string, params: unknown, options?: CallOptions): Promise<unknown> {
    return this.#peer.request(method, params, options)
  }

  notify(method: string, params: unknown): void {
    this.#peer.notify(method, params)
  }

  /**
   * Opens a session: what comes for ids that are not known yet waits until the answer says which one it is. `known`: the id that is
   * loaded, whose replay is not heard. `made` is told of the session before anything that was said of it.
   */
  async open(
    call: () => Promise<unknown>,
    { of, known, made }: { of: OwnSession; known: string | undefined; made: (session: HostSession) => void },
  ): Promise<HostSession> {
    const loading = known === undefined ? undefined : this.#made(known, of)
    if (loading) {
      loading.replaying = true
      made(loading)
    }
    this.#opening += 1
    try {
      const answer = await call()
      const session = loading ?? this.#begun(answer, of, made)
      session.replaying = false
      const facts = session.book.opened(answer)
      if (facts) session.tell({ type: "facts", facts })
      this.#forgetOldest()
      return session
    } catch (error) {
      if (loading && this.sessions.get(loading.id) === loading) this.sessions.delete(loading.id)
      throw error
    } finally {
      this.#opening -= 1
      if (this.#opening === 0) {
        this.#early.length = 0
        this.#earlyChars = 0
      }
    }
  }

  #begun(answer: unknown, of: OwnSession, made: (session: HostSession) => void): HostSession {
    const id = isObject(answer) ? answer["sessionId"] : undefined
    if (typeof id !== "string" || id === "" || this.sessions.has(id))
      throw this.#failure("began a session without an id of its own")
    const session = this.#made(id, of)
    made(session)
    const mine = this.#early.filter((one) => one.id === id)
    for (const one of mine) this.#early.splice(this.#early.indexOf(one), 1)
    for (const { update } of mine) session.update(update)
    return session
  }

  /** The key is "" for a session that belongs to nobody. */
  #made(id: string, of: OwnSession): HostSession {
    const session = new HostSession(id, of, this.facts.protocol, {
      aside: (one, event) => {
        if (one.key !== "") this.#ports.aside?.(one.key, event, one.log)
        return one.key === "" || this.#ports.aside !== undefined
      },
      child: (one, childId) => {
        if (this.#children.size < MAX_CHILDREN && !this.sessions.has(childId)) this.#children.set(childId, one)
      },
    })
    this.sessions.set(id, session)
    return session
  }

  /** A session that has not been used for long makes room. */
  #forgetOldest(): void {
    for (const [id, session] of this.sessions) {
      if (this.sessions.size <= MAX_SESSIONS) return
      if (session.ear || session.replaying) continue
      this.forget(id)
      if (this.facts.abilities.close)
        this.request("session/close", { sessionId: id }, { timeoutMs: START_MS }).catch((error: unknown) =>
          this.#ports.log.debug({ err: error }, "An agent did not close a session"),
        )
    }
  }

  forget(id: string): void {
    const session = this.sessions.get(id)
    this.sessions.delete(id)
    for (const [child, parent] of this.#children) if (parent === session) this.#children.delete(child)
  }

  /** Used now: it is forgotten last. */
  touch(session: HostSession): void {
    this.sessions.delete(session.id)
    this.sessions.set(session.id, session)
  }

  /** The turns that run here. */
  get ears(): TurnEar[] {
    return [...this.sessions.values()].flatMap(({ ear }) => ear ?? [])
  }

  /** What is told has to be kept first: an agent that talks faster than that is not read for a while. */
  hold(kept: Promise<void>): void {
    this.#unheard += 1
    if (this.#unheard === MAX_UNHEARD) this.#process?.pause()
    const done = () => {
      this.#unheard -= 1
      if (this.#unheard === MAX_UNHEARD / 2) this.#process?.resume()
    }
    kept.then(done, done)
  }

  #sessionOf(id: unknown): HostSession | undefined {
    return typeof id === "string" ? (this.sessions.get(id) ?? this.#children.get(id)) : undefined
  }

  #notified(method: string, params: Record<string, unknown>): void {
    if (method !== "session/update") return
    const { sessionId, update } = params
    if (typeof sessionId !== "string" || !isObject(update)) return
    const session = this.sessions.get(sessionId)
    if (session) session.update(update)
    else if (this.#children.has(sessionId)) this.#children.get(sessionId)!.childUpdate(sessionId, update)
    else if (this.#opening > 0) this.#keepEarly(sessionId, update)
    else this.#ports.log.debug({ agent: this.spec.agentId, sessionId }, "An update of an unknown session was dropped")
  }

  #keepEarly(id: string, update: Update): void {
    const chars = JSON.stringify(update).length
    if (this.#early.length >= MAX_EARLY || this.#earlyChars + chars > MAX_EARLY_CHARS) return
    this.#early.push({ id, update, chars })
    this.#earlyChars += chars
  }

  #exited({ code, signal }: AgentExit): void {
    const how = signal !== null ? `ended by ${signal}` : `ended with exit code ${code}`
    const crashed = this.#ended === undefined
    this.#gone = this.#ended ?? this.#failure(how)
    const { pid } = this
    if (pid !== undefined) void this.#leftovers.remove(pid)
    if (crashed) this.#ports.log.warn({ agent: this.spec.agentId, pid, code, signal }, "An agent ended by itself")
    this.#peer.end(this.#gone)
    this.#over.resolve(this.#gone)
    this.onGone(crashed)
  }

  /** Ends it with all that it started; what waits for it fails with this reason. Resolves when nothing is left. */
  end(reason: PincerError, how: "kindly" | "now" = "kindly"): Promise<void> {
    this.#ending ??= this.#endNow(reason, how)
    return this.#ending
  }

  async #endNow(reason: PincerError, how: "kindly" | "now"): Promise<void> {
    this.#ended ??= reason
    this.#peer.end(this.#gone ?? reason)
    this.#over.resolve(this.#gone ?? reason)
    await this.#process?.end(how)
    if (!this.#process) this.onGone(false)
  }
}

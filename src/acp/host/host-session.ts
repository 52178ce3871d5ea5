// One session of an agent within its process: its updates become events for the turn that runs, or go aside when none does.
import type { HostedEvent, HostedTurn } from "../../agent/harness.ts"
import type { SessionFacts } from "../../protocol/session-facts.ts"
import { SessionBook, type Update } from "./session-book.ts"
import { ToolMemory } from "./tool-memory.ts"
import { translateV1 } from "./translate-v1.ts"
import { ToldMessages, translateV2 } from "./translate-v2.ts"

/** The turn that a session runs now, as the session and the agent's requests see it. */
export interface TurnEar {
  readonly turn: HostedTurn
  /** Aborted once the turn is to end, from outside or by us: what is asked then is refused. */
  readonly signal: AbortSignal
  readonly terminals: Map<string, Awaited<ReturnType<HostedTurn["openTerminal"]>>>
  hear(event: HostedEvent): void
  /** Version 2 says so when it works and when it rests. */
  state(update: Update): void
}

export interface SessionListener {
  /** False when nobody takes it. */
  aside(session: HostSession, event: HostedEvent): boolean
  /** The agent has begun a session below this one. */
  child(session: HostSession, childId: string): void
}

/** A session of ours, and its log. */
export interface OwnSession {
  key: string
  log: string
}

export class HostSession {
  readonly id: string
  /** The session of ours, and which log of it. */
  readonly key: string
  readonly log: string
  readonly book = new SessionBook()
  readonly #version: 1 | 2
  readonly #listener: SessionListener
  readonly #memory = new ToolMemory()
  readonly #told = new ToldMessages()
  #ear: TurnEar | undefined
  /** What it said of the session while nobody listened: titles come after the end of a turn. */
  #late: SessionFacts | undefined
  /** What was said before is said again: only what holds now is heard. */
  replaying = false

  constructor(id: string, { key, log }: OwnSession, version: 1 | 2, listener: SessionListener) {
    this.id = id
    this.key = key
    this.log = log
    this.#version = version
    this.#listener = listener
  }

  get ear(): TurnEar | undefined {
    return this.#ear
  }

  attach(ear: TurnEar): void {
    this.#ear = ear
    const late = this.#late
    this.#late = undefined
    if (late) ear.hear({ type: "facts", facts: late })
  }

  detach(ear: TurnEar): void {
    if (this.#ear === ear) this.#ear = undefined
  }

  get toolMemory(): ToolMemory {
    return this.#memory
  }

  get version(): 1 | 2 {
    return this.#version
  }

  update(update: Update): void {
    const kind = update["sessionUpdate"]
    if (kind === "state_update" && this.#version === 2 && !this.replaying) this.#ear?.state(update)
    const child = kind === "subagent_update" ? update["sessionId"] : undefined
    if (typeof child === "string" && child !== this.id) this.#listener.child(this, child)
    const translation = { book: this.book, memory: this.#memory, told: this.#told }
    if (this.#version === 2) for (const event of translateV2(update, translation)) this.tell(event)
    else {
      const event = translateV1(update, translation)
      if (event) this.tell(event)
    }
  }

  /** What a session below this one said. It is nobody's answer, so it is told as it came. */
  childUpdate(childId: string, update: Update): void {
    this.tell({ type: "other", update: { ...update, sessionId: childId } })
  }

  tell(event: HostedEvent): void {
    if (this.replaying && event.type !== "facts" && event.type !== "context") return
    if (this.#ear) this.#ear.hear(event)
    else if (!this.#listener.aside(this, event) && event.type === "facts")
      this.#late = { ...this.#late, ...event.facts }
  }
}

// Fan-out of turn events within the process, without secrets. publish() is synchronous and never fails: a listener that throws is
// logged and kept.
import type { Logger } from "../base/log.ts"
import { patternsOnly, type Redactor } from "../base/redact.ts"
import type { TurnEnvelope } from "../protocol/event.ts"
import { shownEnvelope } from "./shown.ts"

export type Listener = (envelope: TurnEnvelope) => void

export class Hub {
  readonly #all = new Set<Listener>()
  readonly #byTurn = new Map<string, Set<Listener>>()
  readonly #bySession = new Map<string, Set<Listener>>()
  readonly #asRecorded = new Map<string, Set<Listener>>()
  readonly #log: Logger
  readonly #redactor: Redactor

  constructor(log: Logger, redactor: Redactor = patternsOnly) {
    this.#log = log
    this.#redactor = redactor
  }

  publish(recorded: TurnEnvelope): void {
    this.#deliver(this.#asRecorded.get(recorded.turnId), recorded)
    const envelope = shownEnvelope(recorded, this.#redactor)
    this.#deliver(this.#byTurn.get(envelope.turnId), envelope)
    this.#deliver(this.#bySession.get(envelope.sessionKey), envelope)
    this.#deliver(this.#all, envelope)
  }

  /** Every event of every session. The returned function ends the subscription. */
  onAll(listener: Listener): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }

  onTurn(turnId: string, listener: Listener): () => void {
    return add(this.#byTurn, turnId, listener)
  }

  /** For a caller that runs tools of its own and so needs the arguments of its calls as the model wrote them. */
  onTurnAsRecorded(turnId: string, listener: Listener): () => void {
    return add(this.#asRecorded, turnId, listener)
  }

  onSession(sessionKey: string, listener: Listener): () => void {
    return add(this.#bySession, sessionKey, listener)
  }

  #deliver(listeners: Set<Listener> | undefined, envelope: TurnEnvelope): void {
    if (listeners === undefined) return
    for (const listener of listeners) {
      try {
        listener(envelope)
      } catch (error) {
        this.#log.error({ err: error, event: envelope.event.type }, "A listener failed")
      }
    }
  }
}

function add(map: Map<string, Set<Listener>>, key: string, listener: Listener): () => void {
  const listeners = map.get(key) ?? new Set()
  map.set(key, listeners.add(listener))
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0 && map.get(key) === listeners) map.delete(key)
  }
}

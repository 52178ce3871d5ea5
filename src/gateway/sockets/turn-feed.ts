// Turn events from the hub to every outbox. Growing text is shown at once and then at most every 40 ms, all viewers together: a
// token costs one addition to a string, however many are watching.
import type { Logger } from "../../base/log.ts"
import type { TurnEnvelope, TurnEvent } from "../../protocol/event.ts"
import type { Outbox } from "./outbox.ts"
import { RunView } from "./run-view.ts"

const BEAT_MS = 40

export interface FeedOptions {
  /** All who may want to hear: open connections, and those that may come back. */
  outboxes: () => Iterable<Outbox>
  after(ms: number, fn: () => void): () => void
  /** Whether a session wants its tool events shown to protocol 3 viewers without the cap. */
  isVerbose(sessionKey: string): Promise<boolean>
  log: Logger
}

/** Facts that are told of turns that have ended, too. */
const AFTERWARDS: ReadonlySet<TurnEvent["type"]> = new Set([
  "approval.resolved",
  "turn.ended",
  "message.added",
  "session.described",
  "notice.posted",
  "plan.updated",
  "context.measured",
  "update.received",
])

export class TurnFeed {
  readonly #options: FeedOptions
  readonly #runs = new Map<string, RunView>()
  /** Runs that were shown within the current beat. */
  readonly #fresh = new Set<RunView>()
  readonly #behind = new Set<Outbox>()
  #stopBeat: (() => void) | undefined

  constructor(options: FeedOptions) {
    this.#options = options
  }

  /** Runs that are remembered. */
  get size(): number {
    return this.#runs.size
  }

  tell(envelope: TurnEnvelope): void {
    const { event } = envelope
    const run = this.#runOf(envelope)
    if (event.type === "text.delta" || event.type === "thinking.delta") {
      run.grow(event.type === "text.delta" ? "text" : "thinking", event.messageId, event.delta)
      run.dirty = true
      if (run.fresh) return
      this.#show(run)
      run.fresh = true
      this.#fresh.add(run)
      this.#beat()
      return
    }
    // What had grown before a fact is shown before it.
    if (run.dirty) this.#show(run)
    run.step()
    const drawn = new Map()
    for (const outbox of this.#options.outboxes()) outbox.tell(envelope, run, drawn)
    if (event.type !== "turn.ended") return
    this.#runs.delete(run.turnId)
    this.#fresh.delete(run)
  }

  stop(): void {
    this.#stopBeat?.()
  }

  #runOf(envelope: TurnEnvelope): RunView {
    const known = this.#runs.get(envelope.turnId)
    if (known) return known
    const run = new RunView(envelope)
    // What can come after its turn has ended, or belong to none, begins no new run.
    if (AFTERWARDS.has(envelope.event.type) || envelope.turnId === "") return run
    this.#runs.set(envelope.turnId, run)
    this.#options.isVerbose(run.sessionKey).then(
      (verbose) => {
        run.verbose = verbose
      },
      (error: unknown) => this.#options.log.warn({ err: error, sessionKey: run.sessionKey }, "A session was not read"),
    )
    return run
  }

  #show(run: RunView): void {
    run.step()
    run.dirty = false
    const drawn = new Map()
    for (const outbox of this.#options.outboxes()) if (!outbox.grow(run, drawn)) this.#behind.add(outbox)
    run.shown.text = run.text.length
    run.shown.thinking = run.thinking.length
    if (this.#behind.size > 0) this.#beat()
  }

  #beat(): void {
    this.#stopBeat ??= this.#options.after(BEAT_MS, () => {
      this.#stopBeat = undefined
      for (const run of this.#fresh) {
        if (run.dirty) this.#show(run)
        else {
          run.fresh = false
          this.#fresh.delete(run)
        }
      }
      for (const outbox of this.#behind) if (outbox.catchUp()) this.#behind.delete(outbox)
      if (this.#fresh.size > 0 || this.#behind.size > 0) this.#beat()
    })
  }
}

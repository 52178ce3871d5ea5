// One prompt of this client, from its blocks to exactly one end. It may be canceled at any point; after that its end is "canceled" and
// never an error. A gateway that is lost is waited for: the turn goes on there, and its events are taken up where they were left.
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { NO_USAGE } from "../../protocol/message.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import { type Fields, fieldsOf } from "./params.ts"
import type { Bound, PromptEnd, Room, RunningPrompt } from "./room.ts"

/** How long a canceled turn may take to end before it is answered all the same. */
const CANCEL_MS = 10_000
/** How long the end of a turn that the gateway calls over may take to arrive. */
const LATE_MS = 5_000
const MAX_TRIES = 5

export class OwnPrompt implements RunningPrompt {
  readonly turnId = uuid()
  readonly #room: Room
  readonly #session: Bound
  readonly #end = Promise.withResolvers<PromptEnd>()
  readonly #open = new Map<string, AbortController>()
  readonly #accepted = Promise.withResolvers<Error | "accepted" | "canceled">()
  #sent: Promise<unknown> | undefined
  #canceled = false
  #over = false
  #stopTimer: (() => void) | undefined

  constructor(room: Room, session: Bound) {
    this.#room = room
    this.#session = session
  }

  get canceled(): boolean {
    return this.#canceled
  }

  /** What the gateway said to it, before it runs. Never rejects. */
  get accepted(): Promise<Error | "accepted" | "canceled"> {
    return this.#accepted.promise
  }

  /** Sends it and waits for its end. */
  async run(said: Fields): Promise<PromptEnd> {
    if (!this.#canceled) {
      this.#sent = this.#send(said)
      this.#sent.then(
        (answer) => {
          this.#accepted.resolve("accepted")
          this.#acknowledged(fieldsOf(answer))
        },
        (error: unknown) => {
          this.#accepted.resolve(error instanceof Error ? error : new Error(String(error)))
          this.settle({ type: "failed", error })
        },
      )
    }
    return this.#end.promise
  }

  /** Repeats what was lost on its way: the gateway knows it by its id. */
  async #send(said: Fields): Promise<unknown> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#room.gateway.request(
          "chat.send",
          { ...said, idempotencyKey: this.turnId },
          { timeoutMs: 60_000 },
        )
      } catch (error) {
        const lost = error instanceof PincerError && error.code === "UNAVAILABLE" && error.retryable
        if (!lost || tries === MAX_TRIES || this.#over) throw error
      }
    }
  }

  #acknowledged({ status, summary }: Fields): void {
    if (this.#over || (status !== "ok" && status !== "error")) return
    const error = { code: "INTERNAL_ERROR", message: String(summary ?? "The turn failed") }
    const base = { text: "", usage: NO_USAGE }
    const outcome: TurnOutcome =
      status === "ok"
        ? { status: "completed", stop: "end_turn", ...base }
        : { status: "failed", stop: "error", ...base, error }
    this.#later(LATE_MS, { type: "ended", outcome })
  }

  /** Stops it; resolves when it has ended. */
  async cancel(): Promise<void> {
    if (this.#over) return
    if (!this.#canceled) {
      this.#canceled = true
      for (const id of [...this.#open.keys()]) this.withdraw(id)
      if (!this.#sent) this.settle({ type: "canceled" })
      else {
        this.#later(CANCEL_MS, { type: "canceled" })
        this.#sent.then(
          () => this.#abort(),
          () => this.settle({ type: "canceled" }),
        )
      }
    }
    await this.#end.promise
  }

  async #abort(): Promise<void> {
    if (this.#over) return
    try {
      await this.#room.gateway.request("chat.abort", { sessionKey: this.#session.key, runId: this.turnId })
    } catch (error) {
      this.#room.log.warn({ err: error, turnId: this.turnId }, "A turn could not be stopped")
    }
  }

  #later(ms: number, end: PromptEnd): void {
    this.#stopTimer?.()
    this.#stopTimer = this.#room.after(ms, () => this.settle(end))
  }

  settle(end: PromptEnd): void {
    if (this.#over) return
    this.#over = true
    this.#stopTimer?.()
    for (const id of [...this.#open.keys()]) this.withdraw(id)
    this.#session.prompts.delete(this.turnId)
    this.#accepted.resolve("canceled")
    this.#end.resolve(this.#canceled ? { type: "canceled" } : end)
  }

  /** A question to the client about this turn begins; undefined when it was asked before. */
  asking(id: string): AbortSignal | undefined {
    if (this.#over || this.#open.has(id)) return undefined
    const controller = new AbortController()
    this.#open.set(id, controller)
    return controller.signal
  }

  asked(id: string): void {
    this.#open.delete(id)
  }

  /** Nobody waits for the client's answer any more. */
  withdraw(id: string): void {
    this.#open.get(id)?.abort()
    this.#open.delete(id)
  }
}

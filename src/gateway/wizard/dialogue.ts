// One wizard: a flow that asks step by step, whoever answers. A step waits until it is answered; an answer that does not fit asks the
// same step again. Nobody's silence keeps it: after a while it ends by itself.
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import type { Logger } from "../../base/log.ts"

/** One question, as clients of the original gateway show it. */
export interface WizardStep {
  id: string
  type: "note" | "select" | "text" | "confirm" | "progress"
  title?: string
  message?: string
  options?: { value: string; label: string; hint?: string }[]
  initialValue?: string | boolean
  placeholder?: string
  /** What is typed is not to be shown. */
  sensitive?: boolean
  executor: "gateway"
}

export type WizardStatus = "running" | "done" | "cancelled" | "error"

export interface WizardState {
  sessionId: string
  done: boolean
  status: WizardStatus
  step?: WizardStep
  error?: string
}

/** How a flow asks. */
export interface Prompter {
  /** Aborts when the wizard is cancelled. */
  readonly signal: AbortSignal
  note(id: string, title: string, message: string): Promise<void>
  text(step: Omit<WizardStep, "type" | "executor">, check?: (value: string) => string | undefined): Promise<string>
  select(step: Omit<WizardStep, "type" | "executor"> & { options: NonNullable<WizardStep["options"]> }): Promise<string>
  confirm(step: Omit<WizardStep, "type" | "executor">): Promise<boolean>
}

const IDLE_MS = 30 * 60_000
/** How long an answer waits for what comes of it. */
const PATIENCE_MS = 60_000

interface Asked {
  step: WizardStep
  /** The refusal of an answer, or undefined when it is taken. */
  take(value: unknown): string | undefined
}

export class Dialogue {
  readonly id: string
  readonly #clock: Clock
  readonly #controller = new AbortController()
  #asked: Asked | undefined
  #status: WizardStatus = "running"
  #error: string | undefined
  #news = Promise.withResolvers<void>()
  #stopIdle: () => void = () => undefined

  constructor(id: string, { clock, log }: { clock: Clock; log: Logger }, flow: (ask: Prompter) => Promise<void>) {
    this.id = id
    this.#clock = clock
    this.#wait()
    flow(this.#prompter()).then(
      () => this.#end("done"),
      (error: unknown) => {
        if (this.#controller.signal.aborted) this.#end("cancelled")
        else if (error instanceof PincerError) this.#end("error", error.message)
        else {
          log.error({ err: error }, "The set-up failed")
          this.#end("error", "The set-up failed: the gateway's log says why")
        }
      },
    )
  }

  get running(): boolean {
    return this.#status === "running"
  }

  get state(): WizardState {
    const step = this.#asked?.step
    return {
      sessionId: this.id,
      done: !this.running,
      status: this.#status,
      ...(step ? { step } : {}),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    }
  }

  /** The next step, once there is one; a wizard at work is shown as a step of progress. */
  async current(): Promise<WizardState> {
    if (this.running && !this.#asked) {
      const late = Promise.withResolvers<void>()
      const cancel = this.#clock.after(PATIENCE_MS, late.resolve)
      await Promise.race([this.#news.promise, late.promise])
      cancel()
    }
    if (!this.running || this.#asked) return this.state
    return { ...this.state, step: { id: "progress", type: "progress", message: "At work", executor: "gateway" } }
  }

  /** Throws INVALID_PARAMS for an answer to another step than the one that waits, or one that does not fit. */
  async answer(stepId: string, value: unknown): Promise<WizardState> {
    const asked = this.#asked
    if (asked?.step.id !== stepId)
      throw new PincerError(
        "INVALID_PARAMS",
        asked ? `Step "${stepId}" does not wait: answer "${asked.step.id}"` : `No step waits for an answer now`,
      )
    this.#wait()
    const problem = asked.take(value)
    if (problem !== undefined) throw new PincerError("INVALID_PARAMS", problem, { details: { stepId } })
    return this.current()
  }

  cancel(): WizardState {
    if (this.running) {
      this.#controller.abort(new PincerError("ABORTED", "The wizard was cancelled"))
      this.#end("cancelled")
    }
    return this.state
  }

  #end(status: WizardStatus, error?: string): void {
    if (!this.running) return
    this.#status = status
    this.#error = error
    this.#asked = undefined
    this.#stopIdle()
    this.#news.resolve()
  }

  #wait(): void {
    this.#stopIdle()
    this.#stopIdle = this.#clock.after(IDLE_MS, () => this.cancel())
  }

  #prompter(): Prompter {
    const { signal } = this.#controller
    return {
      signal,
      note: async (id, title, message) => {
        await this.#ask<true>({ id, type: "note", title, message, executor: "gateway" }, () => ({ value: true }))
      },
      text: (step, check) =>
        this.#ask<string>({ ...step, type: "text", executor: "gateway" }, (given) => {
          const value = given === undefined ? step.initialValue : given
          if (typeof value !== "string") return { problem: `"${step.id}" takes text` }
          const problem = check?.(value.trim())
          return problem === undefined ? { value: value.trim() } : { problem }
        }),
      select: (step) =>
        this.#ask<string>({ ...step, type: "select", executor: "gateway" }, (given) => {
          const value = given === undefined ? step.initialValue : given
          const found = step.options.find((option) => option.value === value)
          const all = step.options.map((option) => `"${option.value}"`).join(", ")
          return found ? { value: found.value } : { problem: `"${step.id}" takes one of ${all}` }
        }),
      confirm: (step) =>
        this.#ask<boolean>({ ...step, type: "confirm", executor: "gateway" }, (given) => {
          const value = given === undefined ? step.initialValue : given
          return typeof value === "boolean" ? { value } : { problem: `"${step.id}" takes true or false` }
        }),
    }
  }

  #ask<T>(step: WizardStep, read: (given: unknown) => { value: T } | { problem: string }): Promise<T> {
    const { signal } = this.#controller
    signal.throwIfAborted()
    return new Promise<T>((resolve, reject) => {
      const onAbort = () => reject(signal.reason)
      signal.addEventListener("abort", onAbort, { once: true })
      this.#asked = {
        step,
        take: (given) => {
          const answer = read(given)
          if ("problem" in answer) return answer.problem
          signal.removeEventListener("abort", onAbort)
          this.#asked = undefined
          this.#news = Promise.withResolvers<void>()
          resolve(answer.value)
          return undefined
        },
      }
      this.#news.resolve()
    })
  }
}

// What the gateway asks of a client that lends something, and the client's answers. Every ask ends exactly once: with the answer of the
// very connection that was asked, when its time is over, when nobody wants to know any more, or when the client is gone.
import { z } from "zod"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { parseWith } from "../../base/schema.ts"

/** Asks of one lender that wait at once. */
const MAX_OPEN = 100
/** How long a client may take, unless it waits for something itself. */
export const ASK_MS = 30_000
/** Characters of a text in either direction. */
export const MAX_TEXT = 10_000_000
const MAX_REASON = 500

/** What may be asked, and what an answer looks like. */
const ANSWERS = {
  readText: z.object({ text: z.string().max(MAX_TEXT) }),
  writeText: z.looseObject({}),
  "terminal.create": z.object({ terminalId: z.string().min(1).max(1_000) }),
  "terminal.output": z.object({
    output: z.string().max(MAX_TEXT),
    truncated: z.boolean(),
    exitCode: z.number().int().nullish(),
    signal: z.string().max(100).nullish(),
  }),
  "terminal.wait": z.object({
    exitCode: z.number().int().nullable().default(null),
    signal: z.string().max(100).nullable().default(null),
  }),
  "terminal.kill": z.looseObject({}),
  "terminal.release": z.looseObject({}),
  question: z.object({
    answer: z.discriminatedUnion("type", [
      z.object({ type: z.literal("accepted"), content: z.record(z.string(), z.unknown()) }),
      z.object({ type: z.literal("declined") }),
      z.object({ type: z.literal("canceled") }),
    ]),
  }),
} as const

export type AskKind = keyof typeof ANSWERS
export type AnswerTo<K extends AskKind> = z.infer<(typeof ANSWERS)[K]>
export const ASK_KINDS = Object.keys(ANSWERS) as AskKind[]

/** These wait for something at the client that goes on without us: they outlive a short loss of the connection and are told again. */
const WAITING: ReadonlySet<AskKind> = new Set(["terminal.wait", "question"])

/** The connection that hears what is asked. */
export interface Ear {
  readonly connId: string
  emit(event: string, payload: string): unknown
}

/** Who is asked. */
export interface AskedClient {
  /** The lender's id. */
  readonly id: string
  readonly sessionKey: string
  /** Undefined while its connection is lost. */
  ear: Ear | undefined
  /** Ids of what it was asked and has not answered. */
  readonly open: Set<string>
}

export interface AskOptions {
  signal?: AbortSignal
  turnId?: string
}

/** What a client says to an ask. */
export interface Said {
  result?: unknown
  error?: { message: string; code?: "NOT_FOUND" | "PERMISSION_DENIED" }
}

interface Open {
  readonly asked: AskedClient
  readonly what: AskKind
  /** The event's payload. */
  readonly payload: string
  end(outcome: { value: unknown } | { error: PincerError }): void
}

export class Asks {
  readonly #clock: Clock
  readonly #open = new Map<string, Open>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Throws UNAVAILABLE when the client is gone, TIMEOUT, ABORTED by the signal, RATE_LIMITED, or what the client says went wrong. */
  ask<K extends AskKind>(asked: AskedClient, what: K, params: unknown, options: AskOptions = {}): Promise<AnswerTo<K>> {
    const { signal, turnId } = options
    const { id: lender, sessionKey } = asked
    if (signal?.aborted) return Promise.reject(stopped(what))
    if (!asked.ear) return Promise.reject(lost(what))
    if (asked.open.size >= MAX_OPEN)
      return Promise.reject(
        new PincerError("RATE_LIMITED", `The client has ${MAX_OPEN} requests to answer already: try again later`),
      )
    const id = uuid(this.#clock.now())
    const payload = JSON.stringify({ id, lender, sessionKey, ...(turnId ? { turnId } : {}), what, params })
    return new Promise<AnswerTo<K>>((resolve, reject) => {
      const withdraw = (error: PincerError) => {
        open.end({ error })
        asked.ear?.emit("client.withdrawn", JSON.stringify({ id }))
      }
      const onAbort = () => withdraw(stopped(what))
      const stopClock = WAITING.has(what)
        ? undefined
        : this.#clock.after(ASK_MS, () => withdraw(new PincerError("TIMEOUT", `The client did not answer ${what}`)))
      const open: Open = {
        asked,
        what,
        payload,
        end: (outcome) => {
          if (!this.#open.delete(id)) return
          asked.open.delete(id)
          stopClock?.()
          signal?.removeEventListener("abort", onAbort)
          if ("error" in outcome) reject(outcome.error)
          else resolve(outcome.value as AnswerTo<K>)
        },
      }
      this.#open.set(id, open)
      asked.open.add(id)
      signal?.addEventListener("abort", onAbort, { once: true })
      asked.ear?.emit("client.asked", payload)
    })
  }

  /**
   * Throws NOT_FOUND for an answer to nothing (too late, or to somebody who no longer wants to know), PERMISSION_DENIED for one from
   * another connection than the asked one, INVALID_PARAMS for one that does not answer what was asked: that ends the ask as well.
   */
  answer(id: string, said: Said, connId: string): void {
    const open = this.#open.get(id)
    if (!open) throw new PincerError("NOT_FOUND", `Nobody waits for an answer to "${id}" any more`)
    if (open.asked.ear?.connId !== connId)
      throw new PincerError("PERMISSION_DENIED", `"${id}" was asked of another connection`)
    if (said.error) {
      const { code, message } = said.error
      const text = `The client could not do ${open.what}: ${message.slice(0, MAX_REASON)}`
      open.end({ error: new PincerError(code ?? "INTERNAL_ERROR", text, { retryable: false }) })
      return
    }
    try {
      open.end({ value: parseWith<unknown>(ANSWERS[open.what], said.result ?? {}, `invalid answer to ${open.what}`) })
    } catch (error) {
      const text = `The client's answer to ${open.what} makes no sense`
      open.end({ error: new PincerError("INTERNAL_ERROR", text, { cause: error }) })
      throw error
    }
  }

  /** The connection is gone: what waits for the client's own work goes on waiting, everything else fails. */
  lose(asked: AskedClient): void {
    asked.ear = undefined
    this.#each(asked, (open) => {
      if (!WAITING.has(open.what)) open.end({ error: lost(open.what) })
    })
  }

  /** The client is there again, maybe through another connection: it is told what it has not answered. */
  found(asked: AskedClient, ear: Ear): void {
    asked.ear = ear
    this.#each(asked, ({ payload }) => ear.emit("client.asked", payload))
  }

  /** Nothing is lent any more. */
  end(asked: AskedClient): void {
    this.#each(asked, (open, id) => {
      open.end({ error: lost(open.what) })
      asked.ear?.emit("client.withdrawn", JSON.stringify({ id }))
    })
  }

  #each(asked: AskedClient, run: (open: Open, id: string) => void): void {
    for (const id of [...asked.open]) {
      const open = this.#open.get(id)
      if (open) run(open, id)
    }
  }
}

function lost(what: AskKind): PincerError {
  return new PincerError("UNAVAILABLE", `The client that lends ${what} is not connected now`)
}

function stopped(what: AskKind): PincerError {
  return new PincerError("ABORTED", `Nobody waits for ${what} any more`)
}

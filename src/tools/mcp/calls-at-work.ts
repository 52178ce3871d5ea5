// The calls of one MCP server that are at work: how long each may take, whom the server's questions and wishes are for, and when it is
// calm. While a human is asked no call runs out of time.
import { CallLimit } from "./call-limit.ts"
import { CALL_MS, CALL_TOTAL_MS, type CallContext, type McpPorts } from "./ports.ts"
import { MAX_SAMPLES } from "./sampling.ts"
import type { AskHeld, Held, SampleHeld } from "./server-requests.ts"

export class CallsAtWork {
  readonly #ports: McpPorts
  /** Aborts when the server is closed. */
  readonly #closed: AbortSignal
  readonly #calls = new Map<CallLimit, CallContext>()
  /** The question that the server has put to the user; withdrawn with the last call. */
  #question: AbortController | undefined
  #samples = 0
  #calm: (() => void) | undefined

  constructor(ports: McpPorts, closed: AbortSignal) {
    this.#ports = ports
    this.#closed = closed
  }

  get size(): number {
    return this.#calls.size
  }

  begin(context: CallContext): CallLimit {
    const { callMs = CALL_MS, callTotalMs = CALL_TOTAL_MS } = this.#ports.limits ?? {}
    const limit = new CallLimit(this.#ports.clock, callMs, callTotalMs)
    this.#calls.set(limit, context)
    return limit
  }

  end(limit: CallLimit): void {
    limit.end()
    this.#calls.delete(limit)
    if (this.#calls.size > 0) return
    this.#question?.abort("The call has ended")
    this.#samples = 0
    this.#calm?.()
  }

  /** Resolves when no call is at work, and after `ms` at the latest. */
  async whenCalm(ms: number): Promise<void> {
    if (this.#calls.size === 0) return
    const calm = Promise.withResolvers<void>()
    const cancel = this.#ports.clock.after(ms, calm.resolve)
    this.#calm = calm.resolve
    await calm.promise
    this.#calm = undefined
    cancel()
  }

  /** One question at a time. */
  ask(): AskHeld | undefined {
    const wanted = this.#ports.ask
    const ask = wanted === "caller" ? this.#caller()?.ask : wanted
    if (!ask || this.#question || this.#calls.size === 0) return undefined
    const question = new AbortController()
    this.#question = question
    const held = this.#hold()
    return {
      ask,
      signal: AbortSignal.any([held.signal, question.signal]),
      done: () => {
        this.#question = undefined
        held.done()
      },
    }
  }

  sample(): SampleHeld | undefined {
    const { sample } = this.#ports
    const call = this.#caller()
    if (!sample || !call || this.#samples >= MAX_SAMPLES) return undefined
    this.#samples += 1
    const held = this.#hold()
    const signal = AbortSignal.any([held.signal, call.signal])
    return { ...held, signal, sample: (wish, until) => sample(wish, call, until) }
  }

  /** The call for which the server asks. Undefined when calls of several sessions are at work: nobody can say which one it is. */
  #caller(): CallContext | undefined {
    const calls = [...this.#calls.values()]
    const [first] = calls
    return calls.every((call) => call.turn?.sessionKey === first?.turn?.sessionKey) ? first : undefined
  }

  #hold(): Held {
    const releases = [...this.#calls.keys()].map((limit) => limit.hold())
    return {
      signal: this.#closed,
      done: () => {
        for (const release of releases) release()
      },
    }
  }
}

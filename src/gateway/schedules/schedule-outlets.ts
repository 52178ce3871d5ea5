// Where results and alerts of schedules are told: as a note in a session, or by one guarded POST to a URL. A note is written once, as
// its id follows from the tick; never between a call and its result.
import type { Lanes } from "../../agent/agent.ts"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import type { Redactor } from "../../base/redact.ts"
import { type AddressRules, postGuarded } from "../../jobs/callback-post.ts"
import type { OutletMessage } from "../../jobs/schedule.ts"
import type { RecordedEnvelope } from "../../protocol/event.ts"
import type { Message } from "../../protocol/message.ts"
import type { ScheduleOutlet } from "../../protocol/schedule.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import type { Transcript } from "../../store/store.ts"

export interface OutletParts {
  transcript: Pick<Transcript, "add" | "messages">
  lanes: Pick<Lanes, "active" | "wait">
  clock: Clock
  redactor: Redactor
  publish: (envelope: RecordedEnvelope) => void
  rules: AddressRules
  callback: () => { timeoutMs: number; maxTries: number; backoffMs: number }
}

/** How long a note waits for the turn that runs in its session. */
const WAIT_MS = 30 * 60_000
const MAX_PAUSE_MS = 60_000

export class Outlets {
  readonly #parts: OutletParts

  constructor(parts: OutletParts) {
    this.#parts = parts
  }

  async tell(outlet: ScheduleOutlet, message: OutletMessage, signal: AbortSignal): Promise<void> {
    if (outlet.kind === "session") return this.#note(outlet.sessionKey, message, signal)
    return this.#post(outlet.url, message, signal)
  }

  async #note(sessionKey: string, { id, schedule, text }: OutletMessage, signal: AbortSignal): Promise<void> {
    const { clock, lanes, publish, redactor, transcript } = this.#parts
    if (text.trim() === "") return
    if ((await transcript.messages(sessionKey)).some((one) => one.id === id)) return
    const limit = clock.now() + WAIT_MS
    for (;;) {
      const turn = lanes.active(sessionKey).find(({ status }) => status !== "queued")
      if (!turn) break
      await lanes.wait(turn.turnId, { timeoutMs: Math.max(0, limit - clock.now()), signal })
      if (signal.aborted || clock.now() >= limit)
        throw new PincerError("TIMEOUT", `A turn runs in ${sessionKey}: nothing could be told there`)
    }
    // Nothing is awaited between the last look at the lane and the writing.
    const at = clock.now()
    const message: Message = {
      id,
      role: "assistant",
      content: [{ type: "text", text: `[${schedule.name}]\n\n${redactor.text(text)}` }],
      at,
      provider: "pincer",
      model: "schedule",
      stopReason: "stop",
    }
    const { agentId } = parseSessionKey(sessionKey)
    for (const envelope of await transcript.add(sessionKey, agentId, [{ type: "message.added", message }]))
      publish(envelope)
  }

  async #post(url: string, { id, schedule, text, tick }: OutletMessage, signal: AbortSignal): Promise<void> {
    const { callback, clock, redactor, rules } = this.#parts
    const { backoffMs, maxTries, timeoutMs } = callback()
    const { error, reason, scheduledFor, state } = tick
    const status = state === "ran" ? "ok" : state === "failed" ? "error" : "skipped"
    const said = { jobId: schedule.id, name: schedule.name, agentId: schedule.agentId, runId: tick.id, status }
    const body = JSON.stringify(redactor.value({ ...said, scheduledFor, text, error, reason }))
    for (let tries = 1; ; tries++) {
      let problem: string
      try {
        const headers = { "x-pincer-delivery": id }
        const status = await postGuarded({ url, body, headers, timeoutMs, signal, clock, rules })
        if (status >= 200 && status < 300) return
        problem = `${new URL(url).host} answered with ${status}`
      } catch (error) {
        if (!(error instanceof PincerError) || error.code === "INVALID_PARAMS" || signal.aborted) throw error
        problem = error.message
      }
      if (tries >= maxTries) throw new PincerError("UNAVAILABLE", problem, { retryable: false })
      await clock.sleep(Math.min(MAX_PAUSE_MS, backoffMs * 4 ** (tries - 1)), signal)
    }
  }
}

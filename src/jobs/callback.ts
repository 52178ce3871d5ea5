// Tells a job's caller that it has ended: one signed POST, tried again with growing pauses until it is taken or given up. Which jobs
// are owed one is in the store, so a restart forgets none; a receiver may hear of the same end twice and tells by the delivery id.
import { createHmac } from "node:crypto"
import type { JobRecord, WireJob } from "../protocol/job.ts"
import { type AddressRules, postGuarded } from "./callback-post.ts"
import type { CallbackSettings, JobPorts } from "./job.ts"

/** Deliveries at once. */
const AT_ONCE = 8
const MAX_PAUSE_MS = 60 * 60_000

export interface CallbackPorts extends Pick<JobPorts, "clock" | "log"> {
  jobs: JobPorts["books"]["jobs"]
  settings: CallbackSettings
  /** What is told of a job. */
  show: (record: JobRecord) => Promise<WireJob>
  rules: AddressRules
}

export class CallbackSender {
  readonly #ports: CallbackPorts
  readonly #controller = new AbortController()
  readonly #busy = new Map<string, Promise<void>>()
  #stopTimer: (() => void) | undefined
  #looking = false
  #again = false
  delivered = 0
  givenUp = 0

  constructor(ports: CallbackPorts) {
    this.#ports = ports
  }

  /** Sends what is due, and sees to it that what is due later is sent then. */
  wake(): void {
    if (this.#controller.signal.aborted) return
    if (this.#looking) {
      this.#again = true
      return
    }
    this.#looking = true
    this.#look().catch((error: unknown) => {
      this.#looking = false
      this.#ports.log.error({ err: error }, "Callbacks of jobs could not be looked up")
    })
  }

  async #look(): Promise<void> {
    const { jobs, clock } = this.#ports
    this.#again = false
    const { due, nextAt } = await jobs.dueCallbacks(clock.now(), AT_ONCE * 2)
    this.#looking = false
    if (this.#controller.signal.aborted) return
    // A try has ended meanwhile: what was read may be older than its outcome.
    if (this.#again) {
      this.wake()
      return
    }
    for (const record of due) {
      if (this.#busy.size >= AT_ONCE) break
      if (!this.#busy.has(record.id)) this.#busy.set(record.id, this.#deliver(record))
    }
    this.#stopTimer?.()
    this.#stopTimer = undefined
    // What is being sent now looks again when it is done.
    if (nextAt !== null) this.#stopTimer = clock.after(nextAt - clock.now(), () => this.wake())
  }

  async #deliver(record: JobRecord): Promise<void> {
    const { jobs, clock, log, settings } = this.#ports
    const tries = record.callback.tries + 1
    try {
      const problem = await this.#post(record, tries)
      if (this.#controller.signal.aborted) return
      if (problem === undefined) {
        await jobs.called(record.id, "delivered", tries, null)
        this.delivered += 1
        return
      }
      const last = tries >= settings.maxTries
      log.info({ jobId: record.id, tries, problem, last }, "The callback of a job was not taken")
      if (last) {
        await jobs.called(record.id, "given-up", tries, null)
        this.givenUp += 1
        return
      }
      const pause = Math.min(MAX_PAUSE_MS, settings.backoffMs * 4 ** (tries - 1))
      await jobs.called(record.id, "waiting", tries, clock.now() + pause)
    } catch (error) {
      log.error({ err: error, jobId: record.id }, "The outcome of a callback could not be recorded")
    } finally {
      this.#busy.delete(record.id)
      this.wake()
    }
  }

  /** Undefined when it was taken, else why not. */
  async #post(record: JobRecord, tries: number): Promise<string | undefined> {
    const { clock, settings, show } = this.#ports
    const { callback } = record.request
    if (!callback) return undefined
    const body = JSON.stringify({ event: `job.${record.status}`, job: await show(record) })
    const timestamp = Math.floor(clock.now() / 1000)
    try {
      const status = await postGuarded({
        url: callback.url,
        body,
        headers: {
          "x-pincer-job": record.id,
          "x-pincer-delivery": `${record.id}.${record.attempt}`,
          "x-pincer-try": String(tries),
          "x-pincer-timestamp": String(timestamp),
          "x-pincer-signature": signature(callback.secret, timestamp, body),
        },
        timeoutMs: settings.timeoutMs,
        signal: this.#controller.signal,
        clock,
        rules: this.#ports.rules,
      })
      if (status >= 200 && status < 300) return undefined
      return status >= 300 && status < 400 ? `it redirects (${status}), which is not followed` : `it answered ${status}`
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  async close(): Promise<void> {
    this.#controller.abort()
    this.#stopTimer?.()
    await Promise.all(this.#busy.values())
  }
}

/** HMAC-SHA-256 over "<timestamp>.<body>", as `sha256=<hex>`. */
export function signature(secret: string, timestamp: number, body: string): string {
  return `sha256=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`
}

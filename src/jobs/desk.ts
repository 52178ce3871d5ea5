// Jobs as doors see them: submit, look at, cancel, retry, delete, read what happened. Puts the room's parts together: the runner,
// the callbacks, and the daily removal of jobs that ended long ago.
import type { TurnEnvelope } from "../protocol/event.ts"
import { attemptTurn, type JobRecord, type WireJob } from "../protocol/job.ts"
import type { JobFilter } from "../store/jobs.ts"
import { CallbackSender } from "./callback.ts"
import { type AddressRules, checkCallbackUrl } from "./callback-post.ts"
import { type FeedPage, logLines, readFeed } from "./feed.ts"
import type { JobFigures, JobPorts, Submission, Submitted } from "./job.ts"
import { LIST_PROMPT_CHARS, wholeJob } from "./project.ts"
import { JobRunner } from "./runner.ts"

/** Characters of a result that come with the job; more is read page by page. */
export const RESULT_CHARS = 256 * 1024
const DAY_MS = 86_400_000
const SWEEP_AT_ONCE = 50
/** How long what the lanes have ended may take to be written down when the gateway stops. */
const SETTLE_MS = 2_000

export interface ResultPage {
  text: string
  offset: number
  size: number
  /** Where to go on, or null at the end. */
  next: number | null
}

export interface ListPage {
  records: JobRecord[]
  /** All that fit the filter. */
  total: number
  /** `before` of the next page, or null. */
  next: number | null
}

export class JobDesk {
  readonly #ports: JobPorts
  readonly #runner: JobRunner
  readonly #callbacks: CallbackSender
  readonly #rules: AddressRules
  #stopSweep: (() => void) | undefined
  #held = false

  constructor(ports: JobPorts, rules: AddressRules) {
    this.#ports = ports
    this.#rules = rules
    this.#runner = new JobRunner(ports)
    this.#callbacks = new CallbackSender({
      clock: ports.clock,
      log: ports.log,
      jobs: ports.books.jobs,
      get settings() {
        return ports.settings.callback
      },
      show: async (record) => ports.redactor.value(await this.show(record)),
      rules,
    })
    this.#runner.onEnd = (record) => {
      if (record.request.callback && !this.#held) this.#callbacks.wake()
    }
  }

  /** To be called after the lanes have started. `hold`: nothing begins, is told to anybody, or is removed. */
  async start({ hold = false }: { hold?: boolean } = {}): Promise<void> {
    this.#held = hold
    await this.#runner.start({ hold })
    if (hold) return
    this.#callbacks.wake()
    this.#stopSweep = this.#ports.clock.after(60_000, () => this.#sweep())
  }

  /** To be called before the lanes are drained. */
  stop(): void {
    this.#runner.stop()
    this.#stopSweep?.()
  }

  /** To be called after the lanes were drained. */
  async close(): Promise<void> {
    await this.#runner.settled(SETTLE_MS)
    await this.#callbacks.close()
  }

  settingsChanged(): void {
    this.#runner.settingsChanged()
  }

  /** Throws what JobRunner.submit() does, and INVALID_PARAMS for a callback that may not be called. */
  async submit(said: Submission): Promise<Submitted> {
    if (said.callback) checkCallbackUrl(said.callback.url, this.#rules)
    return this.#runner.submit(said)
  }

  /** Throws NOT_FOUND. */
  get(id: string): Promise<JobRecord> {
    return this.#runner.get(id)
  }

  /** The job that was submitted with this idempotency key. */
  byKey(key: string): Promise<JobRecord | undefined> {
    return this.#ports.books.jobs.byKey(key)
  }

  cancel(id: string): Promise<JobRecord> {
    return this.#runner.cancel(id)
  }

  retry(id: string): Promise<JobRecord> {
    return this.#runner.retry(id)
  }

  delete(id: string, purge: boolean): Promise<{ record: JobRecord; removed: boolean }> {
    return this.#runner.delete(id, purge)
  }

  /** A job with its logs and as much of its result as comes with it. */
  async show(record: JobRecord): Promise<WireJob> {
    const { jobs } = this.#ports.books
    const logs = logLines(await jobs.facts(record.id))
    const result = await this.#result(record)
    return wholeJob(record, { logs, resultChars: RESULT_CHARS, ...(result === undefined ? {} : { result }) })
  }

  async list(filter: JobFilter): Promise<ListPage> {
    const { jobs } = this.#ports.books
    const records = await jobs.list({ ...filter, limit: filter.limit + 1 }, LIST_PROMPT_CHARS)
    const more = records.length > filter.limit
    if (more) records.pop()
    return { records, total: await jobs.count(filter), next: more ? records.at(-1)!.n : null }
  }

  /** A piece of the result; empty while there is none. Never cuts a surrogate pair. */
  async result(record: JobRecord, offset: number, limit: number): Promise<ResultPage> {
    const whole = (await this.#result(record)) ?? ""
    let end = Math.min(whole.length, offset + limit)
    if (end < whole.length && /[\ud800-\udbff]/.test(whole.charAt(end - 1))) end += 1
    return { text: whole.slice(offset, end), offset, size: whole.length, next: end < whole.length ? end : null }
  }

  /** The result is the outcome of the last attempt's turn, and stored there. */
  async #result({ id, status, attempt }: JobRecord): Promise<string | undefined> {
    if (status !== "completed") return undefined
    const turn = await this.#ports.books.turns.get(attemptTurn(id, attempt))
    return turn?.outcome?.text
  }

  /** What happened after a place in the job's events. Throws INVALID_PARAMS for what is no such place. */
  events(id: string, after: string | undefined, limit: number): Promise<FeedPage> {
    return readFeed(this.#ports.books.jobs, id, after, limit)
  }

  onJob(id: string, listener: () => void): () => void {
    return this.#runner.onJob(id, listener)
  }

  observe(envelope: TurnEnvelope): void {
    this.#runner.observe(envelope)
  }

  figures(): JobFigures {
    const { delivered, givenUp } = this.#callbacks
    return { ...this.#runner.figures(), callbacksDelivered: delivered, callbacksGivenUp: givenUp }
  }

  /** Removes jobs that ended long ago, some at a time, so that others get a word in (IM-JOB-19). */
  #sweep(): void {
    const { books, clock, log, settings } = this.#ports
    this.#stopSweep = clock.after(DAY_MS, () => this.#sweep())
    const removeSome = async (): Promise<void> => {
      const old = await books.jobs.endedBefore(clock.now() - settings.keepDays * DAY_MS, SWEEP_AT_ONCE)
      for (const record of old) await this.#runner.remove(record)
      if (old.length === SWEEP_AT_ONCE) await removeSome()
    }
    removeSome().catch((error: unknown) => log.error({ err: error }, "Old jobs could not be removed"))
  }
}

// Schedules on a real store and a clock that is moved by hand, with work that only counts. A life can be killed at any point: what
// is on disk at that moment is copied, and the next life opens the copy.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { silentLogger } from "../../src/base/log.ts"
import type {
  AttemptOutcome,
  OutletMessage,
  ScheduleCheckpoint,
  ScheduleNews,
  ScheduleSettings,
  TickAttempt,
  TickLauncher,
} from "../../src/jobs/schedule.ts"
import { ScheduleDesk } from "../../src/jobs/schedule-desk.ts"
import type { ScheduleOutlet, ScheduleSpec, ScheduleWhen, TickRef } from "../../src/protocol/schedule.ts"
import { type Books, openStore } from "../../src/store/open.ts"
import { type StillClock, stillClock } from "./still-clock.ts"

export const SETTINGS: ScheduleSettings = {
  enabled: true,
  autonomous: true,
  maxSchedules: 1000,
  maxConcurrent: 100,
  maxWaiting: 100,
  catchUp: "last",
  catchUpMax: 10,
  overlap: "skip",
  graceMs: 60_000,
  retries: 0,
  backoffMs: 1_000,
  maxBackoffMs: 60_000,
  keepDays: 10_000,
  keepTicks: 1_000_000,
  lookMs: 2 ** 31 - 1,
  timeZone: "UTC",
}

/** What the outside has seen: it remembers work by its key, as jobs and runs do. */
export interface World {
  /** Key of an attempt -> how often it was really begun. */
  begun: Map<string, number>
  told: { outlet: ScheduleOutlet; message: OutletMessage }[]
  stopped: string[]
}

interface Work {
  outcome: PromiseWithResolvers<AttemptOutcome>
}

export interface RoomOptions {
  start?: number
  /** Default: one that stands still, and whose timers are late after a jump. */
  clock?: StillClock
  settings?: Partial<ScheduleSettings>
  /** How an attempt ends; undefined: it goes on until it is ended by hand. Default: done at once. */
  work?: (attempt: TickAttempt) => AttemptOutcome | undefined
  /** Asked at each point of each life; true kills it there. */
  kills?: (point: ScheduleCheckpoint) => boolean
}

export class ScheduleRoom {
  readonly clock: StillClock
  readonly world: World = { begun: new Map(), told: [], stopped: [] }
  readonly news: ScheduleNews[] = []
  readonly settings: ScheduleSettings
  readonly #folder = mkdtempSync(join(tmpdir(), "pincer-schedules-"))
  readonly #work: (attempt: TickAttempt) => AttemptOutcome | undefined
  readonly #kills: (point: ScheduleCheckpoint) => boolean
  readonly #atWork = new Map<string, Work>()
  readonly #lives: Books[] = []
  #number = 0
  desk!: ScheduleDesk
  books!: Books
  kills = 0
  #rise: Promise<void> | undefined

  constructor({ clock, kills, settings, start, work }: RoomOptions) {
    this.clock = clock ?? stillClock(start)
    this.settings = { ...SETTINGS, ...settings }
    this.#work = work ?? (() => ({ status: "done", summary: "ok" }))
    this.#kills = kills ?? (() => false)
  }

  /** A new life on what is on disk. */
  async begin(): Promise<void> {
    this.#number += 1
    const life = this.#number
    this.books = openStore({ path: this.#path(life), durability: "normal" }, this.clock, silentLogger)
    this.#lives.push(this.books)
    this.desk = new ScheduleDesk({
      books: this.books,
      settings: () => this.settings,
      launcher: this.#launcher(life),
      clock: this.clock,
      log: silentLogger,
      checkpoint: (point) => {
        if (life === this.#number && this.#kills(point)) this.kill()
      },
    })
    this.desk.onNews = (news) => void this.news.push(news)
    await this.desk.start()
  }

  /** As kill -9: nothing that is not on disk survives, and nothing of the old life is heard of again. */
  kill(): void {
    this.kills += 1
    for (const suffix of ["", "-wal"]) {
      const from = this.#path(this.#number) + suffix
      if (existsSync(from)) copyFileSync(from, this.#path(this.#number + 1) + suffix)
    }
    void this.desk.stop()
    this.#rise = this.begin()
  }

  /** Resolves once the life after the last kill has begun. */
  async risen(): Promise<void> {
    for (let seen: Promise<void> | undefined; seen !== this.#rise; ) {
      seen = this.#rise
      await seen
    }
  }

  async restart(): Promise<void> {
    await this.desk.stop()
    copyFileSync(this.#path(this.#number), this.#path(this.#number + 1))
    const log = `${this.#path(this.#number)}-wal`
    if (existsSync(log)) copyFileSync(log, `${this.#path(this.#number + 1)}-wal`)
    await this.begin()
  }

  #path(life: number): string {
    return join(this.#folder, `${life}.db`)
  }

  #launcher(life: number): TickLauncher {
    return {
      run: (attempt, signal, note) => {
        if (life !== this.#number) return new Promise(() => undefined)
        return this.#run(attempt, signal, note)
      },
      tell: async (outlet, message) => void this.world.told.push({ outlet, message }),
    }
  }

  async #run(attempt: TickAttempt, signal: AbortSignal, note: (ref: TickRef) => void): Promise<AttemptOutcome> {
    const { key } = attempt
    let work = this.#atWork.get(key)
    if (!work) {
      work = { outcome: Promise.withResolvers() }
      this.#atWork.set(key, work)
      this.world.begun.set(key, (this.world.begun.get(key) ?? 0) + 1)
      const outcome = this.#work(attempt)
      if (outcome) work.outcome.resolve(outcome)
    }
    note({ runId: key })
    const stopped = Promise.withResolvers<AttemptOutcome>()
    const onAbort = () => {
      if (signal.reason === "left") return stopped.resolve({ status: "left" })
      this.world.stopped.push(`${key} ${signal.reason}`)
      stopped.resolve({ status: "canceled" })
    }
    if (signal.aborted) onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    return Promise.race([work.outcome.promise, stopped.promise])
  }

  /** Ends work that goes on. */
  async end(key: string, outcome: AttemptOutcome = { status: "done", summary: "ok" }): Promise<void> {
    this.#atWork.get(key)!.outcome.resolve(outcome)
    await this.clock.advance(0)
  }

  get atWork(): string[] {
    return [...this.#atWork.keys()]
  }

  /** Reason or state of each line of the ledger, oldest first. */
  async lines(scheduleId: string): Promise<string[]> {
    const { ticks } = await this.desk.ticks({ scheduleId, limit: 1_000_000, oldestFirst: true })
    return ticks.map(({ reason, state }) => (reason === null ? state : `${state}:${reason}`))
  }

  async times(scheduleId: string): Promise<number[]> {
    const { ticks } = await this.desk.ticks({ scheduleId, limit: 1_000_000, oldestFirst: true })
    return ticks.map(({ scheduledFor }) => scheduledFor)
  }

  async close(): Promise<void> {
    await this.desk.stop()
    for (const books of this.#lives) await books.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export async function openScheduleRoom(options: RoomOptions = {}): Promise<ScheduleRoom> {
  const room = new ScheduleRoom(options)
  await room.begin()
  return room
}

export function spec(when: ScheduleWhen, more: Partial<ScheduleSpec> = {}): ScheduleSpec {
  return {
    name: "test",
    agentId: "main",
    when,
    task: { kind: "turn", message: "hello", session: "isolated" },
    clientId: "test",
    ...more,
  }
}

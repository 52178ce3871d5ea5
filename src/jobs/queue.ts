// Which job is next. Jobs of one session are worked off strictly in order; between sessions the one with the higher priority goes
// first, then the older one. Holds only what has not ended, and no more of it than an id and its place.
import type { Clock } from "../base/clock.ts"
import type { OpenJob } from "../store/jobs.ts"

export interface Waiting extends Pick<OpenJob, "id" | "rank" | "priority" | "sessionKey" | "notBefore"> {
  taken: boolean
}

interface Line {
  /** In order of rank; the first one is being worked on when it is taken. */
  jobs: Waiting[]
  stopTimer: (() => void) | undefined
}

export class JobQueue {
  readonly #clock: Clock
  readonly #lines = new Map<string, Line>()
  readonly #byId = new Map<string, Waiting>()
  readonly #ready: Waiting[] = []
  /** Called when a job that had to wait for a time may be taken. */
  onReady: () => void = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** All that have not ended, taken ones included. */
  get size(): number {
    return this.#byId.size
  }

  add(job: OpenJob): Waiting {
    const { id, rank, priority, sessionKey, notBefore } = job
    const waiting: Waiting = { id, rank, priority, sessionKey, notBefore, taken: job.status === "running" }
    let line = this.#lines.get(sessionKey)
    if (!line) {
      line = { jobs: [], stopTimer: undefined }
      this.#lines.set(sessionKey, line)
    }
    let at = line.jobs.length
    while (at > 0 && line.jobs[at - 1]!.rank > rank) at -= 1
    line.jobs.splice(at, 0, waiting)
    this.#byId.set(id, waiting)
    if (at === 0) this.#look(line)
    return waiting
  }

  find(id: string): Waiting | undefined {
    return this.#byId.get(id)
  }

  /** The next one to work on; it keeps its place at the head of its session until it is removed or put back. */
  take(): Waiting | undefined {
    for (let job = this.#pop(); job; job = this.#pop()) {
      const isHead = this.#lines.get(job.sessionKey)?.jobs[0] === job
      if (!isHead || job.taken || this.#byId.get(job.id) !== job || this.#isEarly(job)) continue
      job.taken = true
      return job
    }
    return undefined
  }

  /** A job waits for another attempt; the session's later jobs wait behind it. */
  putBack(id: string, notBefore: number): void {
    const job = this.#byId.get(id)
    if (!job) return
    job.taken = false
    job.notBefore = notBefore
    this.#look(this.#lines.get(job.sessionKey)!)
  }

  /** A job has ended; the next one of its session may go. */
  remove(id: string): void {
    const job = this.#byId.get(id)
    if (!job) return
    this.#byId.delete(id)
    const line = this.#lines.get(job.sessionKey)!
    const at = line.jobs.indexOf(job)
    line.jobs.splice(at, 1)
    if (at === 0) this.#look(line)
    if (line.jobs.length > 0) return
    line.stopTimer?.()
    this.#lines.delete(job.sessionKey)
  }

  /** Ends all timers. */
  close(): void {
    for (const line of this.#lines.values()) line.stopTimer?.()
  }

  #isEarly(job: Waiting): boolean {
    return job.notBefore !== null && job.notBefore > this.#clock.now()
  }

  /** Makes a line's head ready, now or when its time comes. */
  #look(line: Line): void {
    line.stopTimer?.()
    line.stopTimer = undefined
    const head = line.jobs[0]
    if (!head || head.taken) return
    if (!this.#isEarly(head)) {
      this.#push(head)
      return
    }
    line.stopTimer = this.#clock.after(head.notBefore! - this.#clock.now(), () => {
      this.#look(line)
      this.onReady()
    })
  }

  // A binary heap; what is not ready any more when it comes up is thrown away by take().

  #push(job: Waiting): void {
    const heap = this.#ready
    let at = heap.push(job) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(job, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = job
  }

  #pop(): Waiting | undefined {
    const heap = this.#ready
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return top
  }
}

function before(a: Waiting, b: Waiting): boolean {
  return a.priority === b.priority ? a.rank < b.rank : a.priority > b.priority
}

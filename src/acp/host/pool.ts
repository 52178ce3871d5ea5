// The agents that run, one process for everything that is started alike: begun when it is first needed, kept warm, ended when nobody has
// used it for long. A program that keeps falling over is started ever more slowly.
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { AgentLink, type LinkSpec } from "./agent-link.ts"
import type { HostPorts } from "./host-ports.ts"
import type { Leftovers } from "./leftovers.ts"
import { untilAborted } from "./serve.ts"

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 30_000
const MAX_FAILURES = 1_000

interface Entry {
  link: AgentLink
  starting: Promise<AgentLink>
  leases: number
  idleMs: number
  idleSince: number | null
  cancelIdle: (() => void) | undefined
}

export interface Lease {
  link: AgentLink
  /** It was started for this lease. */
  fresh: boolean
  release(): void
}

export class AgentPool {
  readonly #ports: HostPorts
  readonly #leftovers: Leftovers
  readonly #entries = new Map<string, Entry>()
  readonly #failures = new Map<string, { count: number; until: number }>()
  readonly #ending = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  constructor(ports: HostPorts, leftovers: Leftovers) {
    this.#ports = ports
    this.#leftovers = leftovers
  }

  /** Undefined when the signal aborts first. Throws PincerError when it cannot be started. */
  async acquire(spec: LinkSpec, idleMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    if (this.#closing.signal.aborted) throw closed()
    const key = keyOf(spec)
    const known = this.#entries.get(key)
    const entry = known ?? this.#begin(key, spec, idleMs)
    entry.leases += 1
    entry.idleMs = idleMs
    entry.idleSince = null
    entry.cancelIdle?.()
    entry.cancelIdle = undefined
    let released = false
    const release = () => {
      if (released) return
      released = true
      this.#release(entry)
    }
    try {
      const link = await untilAborted(entry.starting, signal)
      if (link) return { link, fresh: !known, release }
      release()
      return undefined
    } catch (error) {
      release()
      throw error
    }
  }

  #begin(key: string, spec: LinkSpec, idleMs: number): Entry {
    const link = new AgentLink(spec, this.#ports, this.#leftovers)
    const entry: Entry = {
      ...{ link, leases: 0, idleMs, idleSince: null, cancelIdle: undefined },
      starting: this.#start(key, link),
    }
    this.#entries.set(key, entry)
    link.onGone = (crashed) => {
      this.#forget(key, entry)
      if (crashed) this.#failed(key)
    }
    entry.starting.catch(() => this.#forget(key, entry))
    return entry
  }

  async #start(key: string, link: AgentLink): Promise<AgentLink> {
    const { clock } = this.#ports
    const pause = (this.#failures.get(key)?.until ?? 0) - clock.now()
    if (pause > 0) await paused(clock, pause, this.#closing.signal)
    if (this.#closing.signal.aborted) throw closed()
    try {
      return await link.start()
    } catch (error) {
      // A program that is not there is not one that falls over.
      if (link.pid !== undefined) this.#failed(key)
      throw error
    }
  }

  #failed(key: string): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(count - 1, 20))
    this.#failures.delete(key)
    this.#failures.set(key, { count, until: this.#ports.clock.now() + pause })
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > MAX_FAILURES && oldest !== undefined) this.#failures.delete(oldest)
  }

  /** A turn has ended well: whatever happened before is forgiven. */
  succeeded(link: AgentLink): void {
    this.#failures.delete(keyOf(link.spec))
  }

  #release(entry: Entry): void {
    entry.leases -= 1
    if (entry.leases > 0) return
    entry.idleSince = this.#ports.clock.now()
    if (entry.idleMs === 0) return
    entry.cancelIdle?.()
    entry.cancelIdle = this.#ports.clock.after(entry.idleMs, () => {
      if (entry.leases > 0) return
      const { agentId } = entry.link.spec
      this.#ports.log.debug({ agent: agentId, pid: entry.link.pid }, "An agent that nobody used is ended")
      this.#end(entry, new PincerError("UNAVAILABLE", "The agent was ended because nobody used it"))
    })
  }

  #forget(key: string, entry: Entry): void {
    entry.cancelIdle?.()
    if (this.#entries.get(key) === entry) this.#entries.delete(key)
  }

  #end(entry: Entry, reason: PincerError): void {
    this.#forget(keyOf(entry.link.spec), entry)
    this.ended(entry.link.end(reason))
  }

  /** Is waited for when the host is closed. */
  ended(ending: Promise<void>): void {
    const kept = ending.catch((error: unknown) => this.#ports.log.warn({ err: error }, "An agent could not be ended"))
    this.#ending.add(kept)
    void kept.then(() => this.#ending.delete(kept))
  }

  /** Those that are ready, the oldest first. */
  running(): { link: AgentLink; leases: number; idleSince: number | null }[] {
    return [...this.#entries.values()].filter((one) => one.link.ready)
  }

  /** Ends them all; resolves when nothing is left. */
  async close(): Promise<void> {
    this.#closing.abort()
    for (const entry of [...this.#entries.values()]) this.#end(entry, closed())
    while (this.#ending.size > 0) await Promise.all(this.#ending)
  }
}

/** All that makes one process unlike another; values of variables stay in memory only. */
function keyOf({ agentId, argv, confined, cwd, program, protocol }: LinkSpec): string {
  const env = Object.entries(program.env).sort(([a], [b]) => (a < b ? -1 : 1))
  // In the sandbox a process sees the folder that it was started for, and no other.
  return JSON.stringify([agentId, argv, program.file, protocol, env, confined ? cwd : null])
}

function closed(): PincerError {
  return new PincerError("UNAVAILABLE", "Pincer is stopping: external agents are not started any more")
}

function paused(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel()
      signal.removeEventListener("abort", done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    signal.addEventListener("abort", done, { once: true })
  })
}

// Updates of this very program: one at a time, written down before and after what they do, told to whoever listens. The restart is somebody
// else's (the command line's, which started the process); what became of it is said by the program that comes up afterwards.
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { Clock } from "../../base/clock.ts"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import type { Logger } from "../../base/log.ts"
import type { Config } from "../../config/schema.ts"
import type { StepName } from "./install.ts"
import type { ProgramOwner } from "./owner.ts"
import type { UpdateRun } from "./record.ts"

export interface UpdatePorts {
  /** bin/pincer.js of this process; absent where the gateway runs inside another program. */
  program?: string
  /** Ends this process in order and starts the program again in its place; absent where nobody can. */
  restart?: (why: string) => void
  home: string
  version: string
  env: Readonly<Record<string, string | undefined>>
  /** Node that runs this process. */
  node: string
  settings(): Config["update"]
  clock: Clock
  log: Logger
}

export interface UpdateWish {
  /** Default: the newest. */
  version?: string
  sessionKey?: string
  note?: string
  continuationMessage?: string
  timeoutMs?: number
  /** Between the answer and the restart. */
  restartDelayMs?: number
  /** Leave the restart to somebody else. */
  keepRunning?: boolean
}

const TIMEOUT_MS = 300_000
const DELAY_MS = 1_000
const VERSION = /^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]+)?$/
/** While a program runs, its last words are told so often. */
const WORDS_MS = 500

export class UpdateDesk {
  readonly #ports: UpdatePorts
  #now: UpdateRun | undefined
  readonly #stop = new AbortController()
  /** Told of a run whenever it changes; `words`: what is done now. */
  onChanged: (run: UpdateRun & { words?: string }) => void = () => undefined
  /** Told once, after the restart, what became of a run that names a session. */
  onSettled: (run: UpdateRun) => Promise<void> = async () => undefined

  constructor(ports: UpdatePorts) {
    this.#ports = ports
  }

  get canRestart(): boolean {
    return this.#ports.restart !== undefined
  }

  /** Ends this process and starts it again. False when nobody can. */
  restart(why: string, delayMs = DELAY_MS): boolean {
    const { clock, log, restart } = this.#ports
    if (!restart) return false
    log.info({ delayMs }, `The gateway restarts: ${why}`)
    clock.sleep(delayMs, this.#stop.signal).then(
      () => restart(why),
      (error: unknown) => log.debug({ err: error }, "The restart was called off: the gateway stops"),
    )
    return true
  }

  /** Whose this program is; undefined where the gateway runs inside another program. */
  async owner(): Promise<ProgramOwner | undefined> {
    const { program } = this.#ports
    return program === undefined ? undefined : (await import("./owner.ts")).ownerOf(program)
  }

  async #record() {
    return new (await import("./record.ts")).UpdateRecord(this.#ports.home)
  }

  /** Newest first. */
  async runs(): Promise<UpdateRun[]> {
    const known = await (await this.#record()).runs()
    return this.#now ? [this.#now, ...known.filter(({ id }) => id !== this.#now?.id)] : known
  }

  /**
   * Installs the version that is wished for and asks for the restart. A program that fails is an outcome. Throws UNAVAILABLE when one runs
   * already or the newest version is not known, CONFLICT and PERMISSION_DENIED with the command to type where this program is not ours.
   */
  async run(wish: UpdateWish): Promise<UpdateRun> {
    if (this.#now)
      throw new PincerError("UNAVAILABLE", `An update to ${this.#now.target} runs already: wait for its end`, {
        retryAfterMs: 10_000,
      })
    const { clock, version } = this.#ports
    const owner = await this.owner()
    if (!owner)
      throw new PincerError(
        "CONFLICT",
        "This gateway runs inside another program, which has to be updated: run pincer gateway run for one that updates itself",
        { details: { code: "NOT_SELF_UPDATABLE", kind: "unknown" } },
      )
    const { requireOwned } = await import("./owner.ts")
    const target = await this.#target(wish)
    const { prefix, root } = await requireOwned(owner, target)
    const { continuationMessage, note, sessionKey } = wish
    const run: UpdateRun = {
      id: uuid(clock.now()),
      state: "running",
      ...{ from: version, target, version, root, steps: [], startedAt: clock.now(), endedAt: null },
      ...(note === undefined ? {} : { note }),
      ...(sessionKey === undefined ? {} : { sessionKey }),
      ...(continuationMessage === undefined ? {} : { continuationMessage }),
    }
    if (target === version) {
      const reason = `Pincer ${version} runs already`
      return this.#changed({ ...run, state: "skipped", reason, endedAt: clock.now() })
    }
    // Another call may have come in the meantime.
    if (this.#now) return this.run(wish)
    this.#now = run
    try {
      return await this.#install(run, prefix, wish)
    } finally {
      this.#now = undefined
    }
  }

  async #install(run: UpdateRun, prefix: string, wish: UpdateWish): Promise<UpdateRun> {
    const { clock, env, log, node, restart, settings } = this.#ports
    await this.#changed(run)
    const { install } = await import("./install.ts")
    const { versionIn } = await import("./owner.ts")
    let told = 0
    let step: StepName | undefined
    const room = {
      ...{ root: run.root, prefix, registry: settings().registry, env, node },
      now: () => clock.now(),
      signal: this.#stop.signal,
      onStep: (name: StepName, words: string) => {
        const now = clock.now()
        if (name === step && now - told < WORDS_MS) return
        step = name
        told = now
        this.onChanged({ ...run, words: words === "" ? name : `${name}: ${words}` })
      },
    }
    try {
      const { ok, reason, steps } = await install(room, run.target, wish.timeoutMs ?? TIMEOUT_MS)
      const there = (await versionIn(run.root)) ?? run.from
      const restarts = ok && restart !== undefined && !wish.keepRunning
      const state = !ok ? "failed" : restarts ? "restarting" : "installed"
      const done = await this.#changed({
        ...run,
        ...{ state, steps, version: there, endedAt: clock.now() },
        ...(reason === undefined ? {} : { reason }),
      })
      if (!ok) log.error({ reason }, `The update to ${run.target} failed`)
      if (restarts) this.restart(`updated from ${run.from} to ${run.target}`, wish.restartDelayMs)
      return done
    } catch (error) {
      const { message: reason } = asPincerError(error)
      await this.#changed({ ...run, state: "failed", reason, endedAt: clock.now() })
      throw error
    }
  }

  /** Throws INVALID_PARAMS for what is no version or an older one, UNAVAILABLE when the newest is not known. */
  async #target({ version: wanted }: UpdateWish): Promise<string> {
    const { clock, home, settings, version } = this.#ports
    const { checkUpdate, compareVersions } = await import("../update-check.ts")
    if (wanted === undefined || wanted === "latest") {
      const room = { settings: settings(), home, version, now: () => clock.now() }
      const { latestVersion, note } = await checkUpdate(room, { fresh: true })
      if (latestVersion === null)
        throw new PincerError("UNAVAILABLE", `${note}: name the version that you want (version, --to)`)
      return compareVersions(latestVersion, version) > 0 ? latestVersion : version
    }
    if (!VERSION.test(wanted))
      throw new PincerError("INVALID_PARAMS", `version: "${wanted}" is not a version such as 1.2.3, or latest`)
    if (compareVersions(wanted, version) < 0)
      throw new PincerError(
        "INVALID_PARAMS",
        `version: ${wanted} is older than ${version}, and may not read what this one has written: restore a backup with it by hand`,
      )
    return wanted
  }

  async #changed(run: UpdateRun): Promise<UpdateRun> {
    await (await this.#record()).put(run)
    if (this.#now?.id === run.id) this.#now = run
    this.onChanged(run)
    return run
  }

  /** After a start: what became of the run that this program is the outcome of. */
  async settle(): Promise<void> {
    const { clock, home, log, version } = this.#ports
    if (!existsSync(join(home, "update-runs.json"))) return
    const [last] = await this.runs()
    if (!last || (last.state !== "restarting" && last.state !== "running" && last.state !== "installed")) return
    const ended = { ...last, version, endedAt: last.endedAt ?? clock.now() }
    const settled: UpdateRun =
      version === last.target
        ? { ...ended, state: "done" }
        : {
            ...ended,
            state: "failed",
            reason:
              last.state === "running"
                ? "The gateway ended while the update was installed"
                : `Version ${version} was started, not ${last.target}`,
          }
    await this.#changed(settled)
    log.info({ from: settled.from, to: settled.target, reason: settled.reason }, `Update: ${settled.state}`)
    if (settled.sessionKey !== undefined) await this.onSettled(settled)
  }

  close(): void {
    this.#stop.abort()
  }
}

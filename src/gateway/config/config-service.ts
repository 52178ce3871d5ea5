// The configuration of a running gateway: one snapshot in force, replaced as a whole, and one way to replace it (reload), whoever
// asks: a signal, a changed file, a call. What nobody takes while running keeps its value until the next start. A refused change
// changes nothing; one that fails half-way is taken back.
import type { Clock } from "../../base/clock.ts"
import { asPincerError, PincerError } from "../../base/errors.ts"
import type { Logger } from "../../base/log.ts"
import { changesBetween, isBelow, keepBefore, type PlacedChange } from "../../config/changes.ts"
import type { LoadedConfig } from "../../config/load.ts"
import type { Config } from "../../config/schema.ts"
import type { ConfigTaker, LiveConfig } from "./live-config.ts"

/** Who asked for a reload. */
export type ReloadCause = "signal" | "file" | "call" | "write"

/** What a reload did. */
export interface ReloadOutcome {
  /** Places that count now. */
  changed: string[]
  /** Places that the file holds and that count after a restart. */
  restart: string[]
  warnings: string[]
}

/** Why what the file says now does not count. */
export interface ConfigRefusal {
  /** ms since 1970. */
  at: number
  cause: ReloadCause | "start"
  message: string
  issues: readonly unknown[]
}

/**
 * What the gateway runs with: what the file says; what it said when a gateway last ran with it, because it cannot be used now; or next
 * to nothing, because starts failed.
 */
export type ConfigMode = "configured" | "last-known-good" | "safe"

/** How a start came to its configuration. */
export interface BootState {
  mode: ConfigMode
  /** Why it is not what the file says. */
  refused?: Pick<ConfigRefusal, "message" | "issues">
  /** The text that was refused, as far as it could be read. */
  seen?: string | undefined
}

export interface ConfigServicePorts {
  /** What is in force first. */
  loaded: LoadedConfig
  boot?: BootState
  /** Reads the file again, or judges `text` as if the file held it: parsed, validated, exposure judged. Throws PincerError. */
  load(text?: string): LoadedConfig
  clock: Clock
  log: Logger
}

/** Of everybody who prepares or applies. */
const TAKER_MS = 30_000

export class ConfigService implements LiveConfig {
  readonly #ports: ConfigServicePorts
  readonly #takers = new Set<ConfigTaker>()
  #loaded: LoadedConfig
  #config: Config
  #last: Promise<unknown> = Promise.resolve()
  /** The text of the file that was judged last, accepted or not: what is written there anew is not news. */
  seen: string | undefined
  /** Set while what the file says is not what counts, and could not be. */
  refused: ConfigRefusal | undefined
  /** Told after every reload that changed something or was refused. */
  onReload: (cause: ReloadCause, outcome: ReloadOutcome | ConfigRefusal) => void = () => undefined
  /** Told after every load that was accepted, also when nothing has changed: what the configuration only refers to may have. */
  onLoaded: () => void = () => undefined
  #mode: ConfigMode

  constructor(ports: ConfigServicePorts) {
    this.#ports = ports
    this.#loaded = ports.loaded
    const { mode, refused, seen }: BootState = ports.boot ?? { mode: "configured" }
    this.#mode = mode
    if (refused) this.refused = { at: ports.clock.now(), cause: "start", ...refused }
    this.seen = mode === "configured" ? ports.loaded.text : seen
    this.#config = frozen(ports.loaded.config)
  }

  /** Only a restart leaves "safe". */
  get mode(): ConfigMode {
    return this.#mode
  }

  current(): Config {
    return this.#config
  }

  /** The text of the file that the snapshot in force comes from; undefined when there was none. */
  get text(): string | undefined {
    return this.#loaded.text
  }

  take(taker: ConfigTaker): () => void {
    this.#takers.add(taker)
    return () => void this.#takers.delete(taker)
  }

  /** What the file said when it was loaded last, also where that counts after a restart only. */
  filed(): Config {
    return this.#loaded.config
  }

  /** What a reload would do, or what this text would do in the file's place; nothing changes. Throws what would refuse it. */
  async check(text?: string): Promise<ReloadOutcome> {
    const loaded = this.#ports.load(text)
    if (text === undefined) this.#refuseNothing(loaded)
    const { changes, concerned, held, next } = this.#plan(loaded)
    for (const { own, taker } of concerned) await this.#inTime(taker, () => taker.prepare?.(next, own))
    return { changed: pathsOf(changes), restart: pathsOf(held), warnings: loaded.warnings }
  }

  /** Whether a change at this path counts without a restart. */
  isLive(path: string): boolean {
    return [...this.#takers].some((taker) => isBelow({ path }, taker.prefixes))
  }

  /** Places where the file that was loaded last says something else than what counts. */
  waiting(): PlacedChange[] {
    return changesBetween(this.#config, this.#loaded.config)
  }

  /** Reads the file and puts into force what it says now. Throws what refuses it; the old configuration then stays. */
  reload(cause: ReloadCause): Promise<ReloadOutcome> {
    return this.exclusively(() => this.#reload(cause))
  }

  /** One after another: nothing else reads, writes or replaces the configuration meanwhile. */
  exclusively<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(run)
    this.#last = result.catch(() => undefined)
    return result
  }

  /**
   * Puts a text into force that was not read from the file: `commit` is called when everybody has agreed and before anything changes.
   * Only within exclusively(). Throws what refuses it, or what failed; then the old configuration is in force.
   */
  async put(text: string, commit: () => void): Promise<ReloadOutcome> {
    const outcome = await this.#replace(this.#ports.load(text), () => {
      commit()
      this.seen = text
    })
    this.#tell("write", outcome)
    return outcome
  }

  async #reload(cause: ReloadCause): Promise<ReloadOutcome> {
    try {
      const loaded = this.#ports.load()
      this.seen = loaded.text
      this.#refuseNothing(loaded)
      const outcome = await this.#replace(loaded)
      this.#tell(cause, outcome)
      return outcome
    } catch (error) {
      const { details, message } = asPincerError(error)
      const issues = Array.isArray(details?.["issues"]) ? details["issues"] : []
      this.refused = { at: this.#ports.clock.now(), cause, message, issues }
      this.#ports.log.warn({ cause }, `The new configuration was refused, the old one goes on: ${message}`)
      this.onReload(cause, this.refused)
      throw error
    }
  }

  /** A file that vanished or was emptied is not meant as "all defaults": it may be half-way through being written. */
  #refuseNothing({ path, text = "" }: LoadedConfig): void {
    if (text.trim() !== "" || (this.#loaded.text ?? "").trim() === "") return
    throw new PincerError(
      "NOT_FOUND",
      `${path} is gone or empty: bring it back ("pincer config undo --last-good" does), or write {} into it to use the defaults`,
    )
  }

  #tell(cause: ReloadCause, outcome: ReloadOutcome): void {
    this.onLoaded()
    const isMended = this.refused !== undefined
    this.refused = undefined
    const { changed, restart, warnings } = outcome
    for (const warning of warnings) this.#ports.log.warn({}, warning)
    if (changed.length + restart.length === 0 && !isMended) return
    this.#ports.log.info({ cause, changed: few(changed), restart: few(restart) }, "The configuration was loaded anew")
    this.onReload(cause, outcome)
  }

  #plan(loaded: LoadedConfig) {
    const all = changesBetween(this.#config, loaded.config)
    const takers = [...this.#takers]
    const isTaken = (change: PlacedChange) =>
      this.#mode !== "safe" && takers.some((taker) => isBelow(change, taker.prefixes))
    const held = all.filter((change) => !isTaken(change))
    const changes = all.filter(isTaken)
    const next = frozen(keepBefore(loaded.config, held))
    const concerned = takers
      .map((taker) => ({ taker, own: changes.filter((change) => isBelow(change, taker.prefixes)) }))
      .filter(({ own }) => own.length > 0)
    return { changes, concerned, held, next }
  }

  async #replace(loaded: LoadedConfig, commit: () => void = () => undefined): Promise<ReloadOutcome> {
    const { changes, concerned, held, next } = this.#plan(loaded)
    for (const { taker, own } of concerned) await this.#inTime(taker, () => taker.prepare?.(next, own))
    commit()
    const before = { config: this.#config, loaded: this.#loaded }
    this.#config = next
    this.#loaded = loaded
    const done: typeof concerned = []
    try {
      for (const one of concerned) {
        done.push(one)
        await this.#inTime(one.taker, () => one.taker.apply(next, one.own))
      }
    } catch (error) {
      this.#config = before.config
      this.#loaded = before.loaded
      await this.#takeBack(done, before.config)
      throw error
    }
    if (this.#mode === "last-known-good") this.#mode = "configured"
    return { changed: pathsOf(changes), restart: pathsOf(held), warnings: loaded.warnings }
  }

  /** The last one first. One that cannot go back either does not keep the others from it. */
  async #takeBack(done: { taker: ConfigTaker; own: PlacedChange[] }[], config: Config): Promise<void> {
    for (const { taker, own } of done.reverse()) {
      const back = own.map((change) => ({ ...change, before: change.after, after: change.before }))
      try {
        await this.#inTime(taker, () => taker.apply(config, back))
      } catch (error) {
        this.#ports.log.error(
          { err: error, prefixes: taker.prefixes },
          "A change of the configuration was not taken back",
        )
      }
    }
  }

  async #inTime(taker: ConfigTaker, run: () => void | Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>()
    const cancel = this.#ports.clock.after(TAKER_MS, () =>
      late.reject(
        new PincerError("TIMEOUT", `${taker.prefixes.join(", ")}: the change took longer than ${TAKER_MS / 1000} s`),
      ),
    )
    try {
      await Promise.race([run(), late.promise])
    } finally {
      cancel()
    }
  }
}

function pathsOf(list: readonly PlacedChange[]): string[] {
  return list.map((change) => change.path)
}

/** A line of the log names so many places at most. */
const LOGGED = 20

export function few(paths: readonly string[]): string[] {
  const more = paths.length - LOGGED
  return more > 0 ? [...paths.slice(0, LOGGED), `and ${more} more`] : [...paths]
}

/** Nobody changes a snapshot by mistake. */
function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}

// Model files of this machine as the service "local": which there are, and the one process that runs them. Before it is ready the gateway
// looks at one folder of its own and no further; everything that runs a model is loaded when one is first asked.
import { existsSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import type { Logger } from "../../base/log.ts"
import type { Env } from "../../config/paths.ts"
import type { Config } from "../../config/schema.ts"
import type { ModelEngine } from "../../local/engine.ts"
import type { LocalRunner } from "../../local/runner.ts"
import type { LocalModel } from "../../local/shelf.ts"
import type { ProviderSettings, StartedService } from "../../providers/settings.ts"

export interface LocalModelsOptions {
  config(): Config
  home: string
  userHome: string
  env: Env
  clock: Clock
  log: Logger
}

const ID = "local"
/** A long prompt takes minutes on a small machine before the first word comes. */
const PATIENCE_MS = 15 * 60_000

export class LocalModels implements StartedService {
  readonly #options: LocalModelsOptions
  #models: readonly LocalModel[] = []
  #engine: ModelEngine | undefined
  #seen = "[]"
  #runner: Promise<LocalRunner> | undefined
  #closed = false
  /** Told when there are other models, or another engine. */
  onChanged: () => void = () => undefined

  constructor(options: LocalModelsOptions) {
    this.#options = options
  }

  /** Looks again: in our own folder, or also where other programs keep theirs. */
  async look({ everywhere = false } = {}): Promise<void> {
    const { home, userHome, env } = this.#options
    if (!this.#isWanted() || (!everywhere && !existsSync(join(home, "models")))) return
    const { listModels, shelves } = await import("../../local/shelf.ts")
    const places = shelves(home, userHome, env)
    const models = await listModels(everywhere ? places : places.slice(0, 1), this.#models)
    const { findEngine } = await import("../../local/engine.ts")
    const engine = models.length > 0 ? findEngine(home, env["PATH"] ?? "") : undefined
    const seen = JSON.stringify([models, engine])
    if (seen === this.#seen) return
    this.#seen = seen
    this.#models = models
    this.#engine = engine
    this.onChanged()
  }

  /** The service as the catalogue takes it; undefined when no file here could answer. */
  service(): { settings: ProviderSettings; source: string; defaultModel: string | undefined } | undefined {
    const usable = this.#usable()
    if (usable.length === 0) return undefined
    const settings: ProviderSettings = {
      ...{ id: ID, wire: "openai-chat", baseUrl: "http://127.0.0.1/v1", apiKey: () => undefined, headers: {} },
      models: usable.map((model) => model.name),
      connectTimeoutMs: PATIENCE_MS,
      stallMs: PATIENCE_MS,
      quirks: { keyless: true },
      startedBy: this,
    }
    const isChosen = this.#engine && this.#options.config().models.discover
    const source = `${usable[0]!.path}, run by ${this.#engine?.type ?? "nothing yet"}`
    return { settings, source, defaultModel: isChosen ? usable[0]!.name : undefined }
  }

  /** One line, when a model is here and nothing that runs it. */
  suggestion(): string | undefined {
    const [first] = this.#usable()
    if (!first || this.#engine) return undefined
    return `${first.name} is on this machine and can answer once an engine is installed (85 MB): pincer models engine install`
  }

  async start(name: string, signal: AbortSignal) {
    if (!this.#models.some((one) => one.name === name)) await this.look({ everywhere: true })
    const model = this.#models.find((one) => one.name === name)
    if (!model) throw new PincerError("NOT_FOUND", `There is no local model "${name}": run "pincer models local list"`)
    if (model.problem !== undefined) throw new PincerError("UNAVAILABLE", model.problem, { retryable: false })
    return (await this.#open()).lease(model, signal)
  }

  async models() {
    if (!this.#engine) return []
    return this.#usable().map(({ name, contextLength }) => {
      const most = this.#options.config().models.local.contextSize
      return { id: name, name, tools: true, contextWindow: Math.min(contextLength ?? most, most) }
    })
  }

  /** Ends the process that runs a model. */
  async close(): Promise<void> {
    this.#closed = true
    await (await this.#runner)?.close()
  }

  #usable(): readonly LocalModel[] {
    return this.#models.filter((one) => one.kind === "model" && one.problem === undefined)
  }

  /** Without discovery only when an agent names one of these models. */
  #isWanted(): boolean {
    const { agents, models } = this.#options.config()
    if (models.discover) return true
    const named = [agents.defaults, ...Object.values(agents.entries)].flatMap((one) => [
      one.model,
      ...(one.fallbacks ?? []),
    ])
    return named.some((model) => model?.startsWith(`${ID}/`))
  }

  #open(): Promise<LocalRunner> {
    if (this.#closed) throw new PincerError("UNAVAILABLE", "The gateway is stopping", { retryable: false })
    this.#runner ??= this.#make()
    return this.#runner
  }

  async #make(): Promise<LocalRunner> {
    const { config, clock, log, home, userHome, env } = this.#options
    const { LocalRunner } = await import("../../local/runner.ts")
    const { findEngine } = await import("../../local/engine.ts")
    return new LocalRunner({
      settings() {
        const { threads = Math.max(1, availableParallelism() - 1), ...rest } = config().models.local
        return { threads, ...rest }
      },
      engine: () => findEngine(home, env["PATH"] ?? ""),
      env: { PATH: env["PATH"] ?? "", HOME: userHome, LANG: env["LANG"] ?? "C.UTF-8" },
      clock,
      log,
    })
  }
}

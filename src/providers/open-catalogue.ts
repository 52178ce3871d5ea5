// The catalogue: providers there are now, names into models, lists, probes, costs. Settings may be replaced while it runs (a
// local server was found); what is being streamed goes on.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import type { Logger } from "../base/log.ts"
import type { Usage } from "../protocol/message.ts"
import type { Catalogue, ModelRef, ProbeResult } from "./catalogue.ts"
import type { Discovered } from "./discovery.ts"
import { streamWithFallback } from "./fallback.ts"
import { openProvider } from "./index.ts"
import { costAt, type Price, tableCost } from "./prices.ts"
import type {
  EmbedRequest,
  EmbedResult,
  FailureKind,
  ModelFailure,
  ModelInfo,
  ModelRequest,
  Provider,
} from "./provider.ts"
import { serviceOf, services } from "./services.ts"

export interface CatalogueOptions {
  discovered: Discovered
  /** The configured default model, or undefined for the first provider that was found. */
  chosenModel: string | undefined
  fallbackProviders: readonly string[]
  prices: Readonly<Record<string, Price>>
  clock: Clock
  log: Logger
}

/** Lists of services are kept this long. */
const LIST_MS = 5 * 60_000
const LIST_DEADLINE_MS = 5_000

export class OpenCatalogue implements Catalogue {
  readonly #options: CatalogueOptions
  #discovered: Discovered
  #providers = new Map<string, Provider>()
  #infos = new Map<string, ModelInfo>()
  #listed: { at: number; models: Promise<ModelInfo[]> } | undefined

  constructor(options: CatalogueOptions) {
    this.#options = options
    this.#discovered = options.discovered
    this.replace(options.discovered)
  }

  /** Takes other settings up. */
  replace(discovered: Discovered): void {
    this.#discovered = discovered
    this.#providers = new Map(discovered.settings.map((one) => [one.id, openProvider(one)]))
    this.#listed = undefined
    for (const info of this.#known()) this.#infos.set(`${info.provider}/${info.id}`, info)
  }

  get discovered(): Discovered {
    return this.#discovered
  }

  providers(): readonly Provider[] {
    return [...this.#providers.values()]
  }

  provider(id: string): Provider | undefined {
    return this.#providers.get(id)
  }

  chosen(): ModelRef & { why: string } {
    const { chosenModel } = this.#options
    if (chosenModel !== undefined) {
      const ref = this.resolve(chosenModel)
      return { ...ref, why: `${ref.provider}/${ref.model} (agents.defaults.model in the configuration)` }
    }
    for (const { id } of this.#discovered.settings) {
      const model = this.#discovered.defaultModels.get(id)
      if (model === undefined) continue
      const source = this.#discovered.sources.get(id) ?? "found"
      if (id === "offline") return { provider: id, model, why: OFFLINE }
      return {
        provider: id,
        model,
        why: `${id}/${model} (${source}); to change it: pincer config set agents.defaults.model provider/model`,
      }
    }
    return { provider: "offline", model: "rules", why: OFFLINE }
  }

  resolve(name: string | undefined, provider?: string): ModelRef {
    if (provider !== undefined && !this.#providers.has(provider))
      throw new PincerError("NOT_FOUND", `Unknown provider "${provider}": run "pincer models list"`)
    if (name === undefined || name === "") {
      if (provider === undefined) {
        const { provider: id, model } = this.chosen()
        return { provider: id, model }
      }
      const model = this.#discovered.defaultModels.get(provider)
      if (model === undefined)
        throw new PincerError("NOT_FOUND", `Provider "${provider}" has no default model: name one`)
      return { provider, model }
    }
    if (provider !== undefined)
      return { provider, model: name.startsWith(`${provider}/`) ? name.slice(provider.length + 1) : name }
    const slash = name.indexOf("/")
    if (slash > 0 && this.#providers.has(name.slice(0, slash)))
      return { provider: name.slice(0, slash), model: name.slice(slash + 1) }
    for (const info of this.#infos.values())
      if (info.id === name && this.#providers.has(info.provider)) return { provider: info.provider, model: info.id }
    throw new PincerError("NOT_FOUND", `Unknown model "${name}": run "pincer models list"`, {
      details: { code: "UNKNOWN_MODEL", model: name },
    })
  }

  models(signal: AbortSignal): Promise<ModelInfo[]> {
    const now = this.#options.clock.now()
    if (!this.#listed || this.#listed.at + LIST_MS < now) this.#listed = { at: now, models: this.#ask() }
    const listed = this.#listed.models
    if (signal.aborted) return Promise.reject(signal.reason)
    return listed
  }

  /** What the configuration and the service table know without asking anybody. */
  #known(): ModelInfo[] {
    return this.#discovered.settings.flatMap((one) => {
      const row = serviceOf(one.id) ?? services.find((service) => service.baseUrl === one.baseUrl)
      const ids = new Set([...one.models, ...(row?.models?.map((model) => model.id) ?? [])])
      const fallback = this.#discovered.defaultModels.get(one.id)
      if (fallback) ids.add(fallback)
      return [...ids].map((id): ModelInfo => {
        const known = row?.models?.find((model) => model.id === id)
        return { id, provider: one.id, name: id, tools: true, ...known }
      })
    })
  }

  async #ask(): Promise<ModelInfo[]> {
    const lists = await Promise.all(
      this.providers().map(async (provider) => {
        try {
          return await provider.listModels(AbortSignal.timeout(LIST_DEADLINE_MS))
        } catch (error) {
          this.#options.log.debug({ err: error, provider: provider.id }, "A model service did not list its models")
          return []
        }
      }),
    )
    const all = new Map(this.#known().map((info) => [`${info.provider}/${info.id}`, info]))
    for (const info of lists.flat())
      all.set(`${info.provider}/${info.id}`, { ...all.get(`${info.provider}/${info.id}`), ...info })
    this.#infos = all
    return [...all.values()]
  }

  info(ref: ModelRef): ModelInfo | undefined {
    return this.#infos.get(`${ref.provider}/${ref.model}`)
  }

  async probe(ref: ModelRef, timeoutMs: number): Promise<ProbeResult> {
    const began = performance.now()
    const provider = this.#providers.get(ref.provider)
    if (!provider) return { ...ref, status: "no_model", latencyMs: 0, error: `there is no provider "${ref.provider}"` }
    const request: ModelRequest = {
      model: ref.model,
      messages: [
        { id: "probe", role: "user", content: [{ type: "text", text: "Say OK." }], at: this.#options.clock.now() },
      ],
      tools: [],
      sampling: { maxOutputTokens: 16 },
    }
    let failure: ModelFailure | undefined
    for await (const event of provider.stream(request, AbortSignal.timeout(timeoutMs)))
      if (event.type === "failed") failure = event.failure
    const latencyMs = Math.round(performance.now() - began)
    if (!failure) return { ...ref, status: "ok", latencyMs }
    return { ...ref, status: probeWord(failure.kind), latencyMs, error: failure.message }
  }

  async cost(ref: ModelRef, usage: Usage): Promise<number | null> {
    const { prices } = this.#options
    const price = prices[`${ref.provider}/${ref.model}`] ?? prices[ref.model]
    if (price) return costAt(price, usage)
    if (ref.provider === "offline" || serviceOf(ref.provider)?.local) return 0
    // Only services of the table have list prices; a server of the user's own costs what the user says.
    if (!serviceOf(ref.provider)) return null
    return tableCost(ref, usage)
  }

  async embed(ref: ModelRef, request: Omit<EmbedRequest, "model">, signal: AbortSignal): Promise<EmbedResult> {
    const provider = this.#providers.get(ref.provider)
    if (!provider?.embed)
      throw new PincerError(
        "INVALID_PARAMS",
        `Provider "${ref.provider}" offers no embeddings: name a model of one that does`,
      )
    return provider.embed({ ...request, model: ref.model }, signal)
  }

  stream(refs: ModelRef[], request: Omit<ModelRequest, "model">, signal: AbortSignal) {
    return streamWithFallback((id) => this.#providers.get(id), refs, request, signal, this.#options.clock)
  }

  fallbacks(ref: ModelRef, configured: readonly string[]): ModelRef[] {
    const refs = [ref, ...configured.map((name) => this.resolve(name))]
    for (const provider of this.#options.fallbackProviders) refs.push(this.resolve(undefined, provider))
    const seen = new Set<string>()
    return refs.filter((one) => {
      const name = `${one.provider}/${one.model}`
      if (seen.has(name)) return false
      seen.add(name)
      return true
    })
  }
}

const OFFLINE =
  "offline/rules: no language model is configured. Set ANTHROPIC_API_KEY, OPENAI_API_KEY or another key, run Ollama, or: pincer config set agents.defaults.model provider/model"

function probeWord(kind: FailureKind): ProbeResult["status"] {
  switch (kind) {
    case "auth":
    case "billing":
    case "rate_limit":
    case "format":
      return kind
    case "aborted":
    case "stalled":
      return "timeout"
    case "not_found":
      return "no_model"
    default:
      return "unknown"
  }
}

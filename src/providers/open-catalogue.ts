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
import { serviceOf, serviceOfModel } from "./services.ts"
import type { ProviderSettings } from "./settings.ts"

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
  /** By `provider/model`: what is known now, from the table and from the services' last lists. */
  #infos = new Map<string, ModelInfo>()
  #listed: { at: number; models: Promise<ModelInfo[]> } | undefined
  readonly #complained = new Set<string>()

  constructor(options: CatalogueOptions) {
    this.#options = options
    this.#discovered = options.discovered
    this.replace(options.discovered)
  }

  /** Takes other settings up; what is being streamed goes on with the old ones. */
  replace(discovered: Discovered): void {
    this.#discovered = discovered
    this.#providers = new Map(discovered.settings.map((one) => [one.id, openProvider(one)]))
    this.#listed = undefined
    this.#infos = new Map([...this.#infos, ...this.#known()].filter(([, info]) => this.#providers.has(info.provider)))
  }

  /**
   * Providers that were named without a model are asked for their lists; the first model becomes their default. Those that do
   * not answer within `timeoutMs` stay without one.
   */
  async findDefaults(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const open = this.#discovered.settings.filter((one) => !this.#discovered.defaultModels.has(one.id))
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    await Promise.all(
      open.map(async ({ id }) => {
        const [first] = await this.#list(id, limit)
        if (first) this.#discovered.defaultModels.set(id, first.id)
      }),
    )
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
      const ref = this.#find(chosenModel)
      if (ref) return { ...ref, why: `${nameOf(ref)} (agents.defaults.model in the configuration)` }
      const slash = Math.max(0, chosenModel.indexOf("/"))
      const why = `agents.defaults.model is "${chosenModel}", which no provider that is here offers: run "pincer models list"`
      return { provider: chosenModel.slice(0, slash), model: chosenModel.slice(slash && slash + 1), why }
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
    if (name !== undefined && name !== "") {
      if (provider !== undefined)
        return { provider, model: name.startsWith(`${provider}/`) ? name.slice(provider.length + 1) : name }
      const ref = this.#find(name)
      if (ref) return ref
      throw new PincerError("NOT_FOUND", `Unknown model "${name}": run "pincer models list"`, {
        details: { code: "UNKNOWN_MODEL", model: name },
      })
    }
    if (provider !== undefined) return this.#defaultOf(provider)
    const { provider: id, model, why } = this.chosen()
    if (!this.#providers.has(id))
      throw new PincerError("NOT_FOUND", `Unknown model: ${why}`, { details: { code: "UNKNOWN_MODEL" } })
    return { provider: id, model }
  }

  #defaultOf(provider: string): ModelRef {
    const model = this.#discovered.defaultModels.get(provider)
    if (model === undefined)
      throw new PincerError("NOT_FOUND", `Provider "${provider}" has no default model: name one, ${provider}/model`)
    return { provider, model }
  }

  /** Who is meant: `provider/model`, a model that is known here, or one of a family that a provider here is the home of. */
  #find(name: string): ModelRef | undefined {
    const slash = name.indexOf("/")
    const head = name.slice(0, slash)
    if (slash > 0 && slash + 1 < name.length && this.#providers.has(head))
      return { provider: head, model: name.slice(slash + 1) }
    for (const { id } of this.#discovered.settings)
      if (this.#infos.has(`${id}/${name}`)) return { provider: id, model: name }
    const service = serviceOfModel(name)?.id
    const home = service && this.#discovered.settings.find((one) => one.service === service)
    return home ? { provider: home.id, model: name } : undefined
  }

  async models(signal: AbortSignal): Promise<ModelInfo[]> {
    const now = this.#options.clock.now()
    if (!this.#listed || this.#listed.at + LIST_MS < now) this.#listed = { at: now, models: this.#ask() }
    const listed = this.#listed.models
    signal.throwIfAborted()
    let leave: (() => void) | undefined
    try {
      return await Promise.race([
        listed,
        new Promise<never>((_, reject) => {
          leave = () => reject(signal.reason)
          signal.addEventListener("abort", leave, { once: true })
        }),
      ])
    } finally {
      if (leave) signal.removeEventListener("abort", leave)
    }
  }

  /** What the configuration and the service table know without asking anybody. */
  #known(): Map<string, ModelInfo> {
    const known = new Map<string, ModelInfo>()
    for (const one of this.#discovered.settings) {
      const row = one.service === undefined ? undefined : serviceOf(one.service)
      const byDefault = this.#discovered.defaultModels.get(one.id)
      const ids = [...one.models, ...(row?.models ?? []).map((model) => model.id), ...(byDefault ? [byDefault] : [])]
      for (const id of ids) {
        const model = row?.models?.find((candidate) => candidate.id === id)
        known.set(`${one.id}/${id}`, { provider: one.id, name: id, tools: true, id, ...model })
      }
    }
    return known
  }

  async #ask(): Promise<ModelInfo[]> {
    const limit = AbortSignal.timeout(LIST_DEADLINE_MS)
    const lists = await Promise.all(this.#discovered.settings.map(({ id }) => this.#list(id, limit)))
    // Other settings may have come while the services were asked: theirs count, too.
    const all = this.#known()
    for (const info of lists.flat()) {
      const name = `${info.provider}/${info.id}`
      all.set(name, { ...all.get(name), ...info })
    }
    this.#infos = all
    return [...all.values()]
  }

  /** Empty when the service does not say. */
  async #list(id: string, signal: AbortSignal): Promise<ModelInfo[]> {
    try {
      return (await this.#providers.get(id)?.listModels(signal)) ?? []
    } catch (error) {
      if (!(error instanceof PincerError)) throw error
      this.#options.log.debug({ err: error, provider: id }, "A model service did not list its models")
      return []
    }
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
    const price = prices[nameOf(ref)] ?? prices[ref.model]
    if (price) return costAt(price, usage)
    const settings = this.#settings(ref.provider)
    // What runs on this machine and was given no key costs nobody anything.
    if (settings?.wire === "offline" || (settings?.quirks.keyless && isLoopback(settings.baseUrl))) return 0
    // Only services of the table have list prices; a server of the user's own costs what the user says.
    if (settings?.service === undefined || serviceOf(settings.service)?.local) return null
    return tableCost(settings.service, ref.model, usage)
  }

  #settings(id: string): ProviderSettings | undefined {
    return this.#discovered.settings.find((one) => one.id === id)
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

  /** A name that means nobody now (its server is down) is left out; a turn does not fail for it. */
  fallbacks(ref: ModelRef, configured: readonly string[]): ModelRef[] {
    const refs = new Map([[nameOf(ref), ref]])
    const add = (what: string, find: () => ModelRef | undefined) => {
      const found = find()
      if (found && !refs.has(nameOf(found))) refs.set(nameOf(found), found)
      if (found || this.#complained.has(what)) return
      this.#complained.add(what)
      this.#options.log.warn({ fallback: what }, "A fallback is left out: no provider that is here offers it")
    }
    for (const name of configured) add(name, () => this.#find(name))
    for (const id of this.#options.fallbackProviders)
      add(id, () => {
        const model = this.#providers.has(id) ? this.#discovered.defaultModels.get(id) : undefined
        return model === undefined ? undefined : { provider: id, model }
      })
    return [...refs.values()]
  }
}

function nameOf(ref: ModelRef): string {
  return `${ref.provider}/${ref.model}`
}

function isLoopback(baseUrl: string): boolean {
  const host = new URL(baseUrl).hostname
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host)
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

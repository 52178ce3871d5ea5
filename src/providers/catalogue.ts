// Which providers there are now, which models they offer, which one answers a name, and who takes over when one fails.
import type { Usage } from "../protocol/message.ts"
import type { EmbedRequest, EmbedResult, ModelEvent, ModelInfo, ModelRequest, Provider } from "./provider.ts"

/** A model that can be asked: provider id and model id there. Written `provider/model`. */
export interface ModelRef {
  provider: string
  model: string
}

export interface ProbeResult {
  provider: string
  model: string
  status: "ok" | "auth" | "rate_limit" | "billing" | "timeout" | "format" | "unknown" | "no_model"
  latencyMs: number
  error?: string
}

export interface Catalogue {
  providers(): readonly Provider[]
  provider(id: string): Provider | undefined
  /** What answers when nobody names a model, and one line that says why and how to change it. */
  chosen(): ModelRef & { why: string }
  /**
   * Resolves `provider/model`, a bare model id, or undefined (the default). Throws NOT_FOUND
   * `Unknown model "x": run "pincer models list"` when no provider is meant by it.
   */
  resolve(name: string | undefined, provider?: string): ModelRef
  /** Known models of all providers; asks services that list them, caches for minutes, leaves out those that do not answer. */
  models(signal: AbortSignal): Promise<ModelInfo[]>
  info(ref: ModelRef): ModelInfo | undefined
  /** One tiny real request; never throws. */
  probe(ref: ModelRef, timeoutMs: number): Promise<ProbeResult>
  /** US dollars, or null when no price is known. */
  cost(ref: ModelRef, usage: Usage): Promise<number | null>
  embed(ref: ModelRef, request: Omit<EmbedRequest, "model">, signal: AbortSignal): Promise<EmbedResult>
  /**
   * Streams from `refs` in order: the next is tried only while nothing has been shown and the failure is retryable there
   * (quota, overload, network, gateway errors; one same-model retry after retry-after when short). `attempt` events say who answers.
   */
  stream(refs: ModelRef[], request: Omit<ModelRequest, "model">, signal: AbortSignal): AsyncIterable<CatalogueEvent>
  /** `ref` followed by configured fallbacks and then other providers' defaults, without repeats. */
  fallbacks(ref: ModelRef, configured: readonly string[]): ModelRef[]
}

export type CatalogueEvent = ModelEvent | { type: "attempt"; ref: ModelRef; after?: { ref: ModelRef; message: string } }

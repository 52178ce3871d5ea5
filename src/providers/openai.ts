// What OpenAI's two wires share: the key as a bearer token, the list of models, embeddings.
import { isObject } from "../base/json.ts"
import { asRefusal, failureOf } from "./failure.ts"
import { requestJson } from "./http.ts"
import type { EmbedRequest, EmbedResult, ModelInfo } from "./provider.ts"
import type { ProviderSettings } from "./settings.ts"

/** The key is read at the moment of use. */
export function bearer(settings: ProviderSettings): Record<string, string> {
  const key = settings.quirks.keyless ? undefined : settings.apiKey()
  return key === undefined ? {} : { authorization: `Bearer ${key}` }
}

export async function listModels(settings: ProviderSettings, signal: AbortSignal): Promise<ModelInfo[]> {
  try {
    const body = await requestJson(settings, "GET", "/models", bearer(settings), undefined, signal)
    const list: unknown = isObject(body) ? body["data"] : body
    if (!Array.isArray(list)) return []
    return list.filter(isObject).flatMap((row): ModelInfo[] => {
      if (typeof row["id"] !== "string") return []
      const window = row["context_length"] ?? row["context_window"] ?? row["max_model_len"]
      return [
        {
          id: row["id"],
          provider: settings.id,
          name: typeof row["name"] === "string" ? row["name"] : row["id"],
          ...(typeof window === "number" ? { contextWindow: window } : {}),
        },
      ]
    })
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}

export async function embed(
  settings: ProviderSettings,
  request: EmbedRequest,
  signal: AbortSignal,
): Promise<EmbedResult> {
  try {
    const { model, input, dimensions } = request
    const wire = { model, input, encoding_format: "float", ...(dimensions === undefined ? {} : { dimensions }) }
    const body = await requestJson(settings, "POST", "/embeddings", bearer(settings), wire, signal)
    const rows: unknown = isObject(body) ? body["data"] : undefined
    const vectors = new Map<number, number[]>()
    for (const [i, row] of (Array.isArray(rows) ? rows : []).entries())
      if (isObject(row) && Array.isArray(row["embedding"]))
        vectors.set(typeof row["index"] === "number" ? row["index"] : i, row["embedding"].map(Number))
    const inOrder = input.map((_, i) => vectors.get(i))
    if (inOrder.some((vector) => vector === undefined))
      throw failureOf("format", `the service gave ${vectors.size} vectors for ${input.length} texts`)
    const usage = isObject(body) && isObject(body["usage"]) ? body["usage"] : {}
    return {
      vectors: inOrder.filter((vector) => vector !== undefined),
      inputTokens: Number(usage["prompt_tokens"] ?? 0),
    }
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}

// The Gemini API. The key travels in a header: in the address it would end in logs.
import { isObject } from "../../base/json.ts"
import { asRefusal, failureOf } from "../failure.ts"
import { postStream, requestJson } from "../http.ts"
import type { EmbedRequest, EmbedResult, ModelInfo, Provider } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { decodeStream } from "../stream.ts"
import { GeminiDecoder } from "./decode.ts"
import { encodeGemini } from "./encode.ts"

export function gemini(settings: ProviderSettings): Provider {
  return {
    id: settings.id,
    wire: "gemini",
    stream: (request, signal) =>
      decodeStream(() => {
        const path = `/${resource(request.model)}:streamGenerateContent?alt=sse`
        return postStream(settings, path, encodeGemini(request, settings.id), headers(settings), signal)
      }, new GeminiDecoder(request, settings.id)),
    listModels: (signal) => listModels(settings, signal),
    embed: (request, signal) => embed(settings, request, signal),
  }
}

function headers(settings: ProviderSettings): Record<string, string> {
  const key = settings.quirks.keyless ? undefined : settings.apiKey()
  return key === undefined ? {} : { "x-goog-api-key": key }
}

/** "gemini-x" is models/gemini-x; "tunedModels/x" names its collection itself. Throws FailureError for anything else. */
function resource(model: string): string {
  const name = model.includes("/") ? model : `models/${model}`
  if (!/^[a-zA-Z]+\/[a-zA-Z0-9][\w.:-]*$/.test(name)) throw failureOf("not_found", `"${model}" is not a model's name`)
  return name
}

async function listModels(settings: ProviderSettings, signal: AbortSignal): Promise<ModelInfo[]> {
  try {
    const body = await requestJson(settings, "GET", "/models?pageSize=1000", headers(settings), undefined, signal)
    const list: unknown = isObject(body) ? body["models"] : undefined
    return (Array.isArray(list) ? list : []).filter(isObject).flatMap((row) => decodeModel(row, settings.id))
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}

function decodeModel(row: Record<string, unknown>, provider: string): ModelInfo[] {
  const methods = row["supportedGenerationMethods"]
  if (typeof row["name"] !== "string") return []
  if (Array.isArray(methods) && !methods.includes("generateContent")) return []
  const id = row["name"].replace(/^models\//, "")
  const name = row["displayName"]
  const size = (key: "contextWindow" | "maxOutputTokens", value: unknown) =>
    typeof value === "number" && value > 0 ? { [key]: value } : {}
  return [
    {
      id,
      provider,
      name: typeof name === "string" && name !== "" ? name : id,
      ...size("contextWindow", row["inputTokenLimit"]),
      ...size("maxOutputTokens", row["outputTokenLimit"]),
      ...(typeof row["thinking"] === "boolean" ? { reasoning: row["thinking"] } : {}),
    },
  ]
}

/** The service counts no tokens for embeddings; `inputTokens` is 0. */
async function embed(settings: ProviderSettings, request: EmbedRequest, signal: AbortSignal): Promise<EmbedResult> {
  try {
    const model = resource(request.model)
    const size = request.dimensions === undefined ? {} : { outputDimensionality: request.dimensions }
    const requests = request.input.map((text) => ({ model, content: { parts: [{ text }] }, ...size }))
    const path = `/${model}:batchEmbedContents`
    const body = await requestJson(settings, "POST", path, headers(settings), { requests }, signal)
    const rows: unknown = isObject(body) ? body["embeddings"] : undefined
    const vectors = (Array.isArray(rows) ? rows : []).flatMap((row): number[][] =>
      isObject(row) && Array.isArray(row["values"]) ? [row["values"].map(Number)] : [],
    )
    if (vectors.length !== request.input.length)
      throw failureOf("format", `gave ${vectors.length} vectors for ${request.input.length} texts`)
    return { vectors, inputTokens: 0 }
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}

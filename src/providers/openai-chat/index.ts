// OpenAI chat completions and everything that speaks them.
import { Readable } from "node:stream"
import { isObject } from "../../base/json.ts"
import { asRefusal, FailureError, postStream, requestJson, send } from "../http.ts"
import type { EmbedRequest, EmbedResult, ModelEvent, ModelInfo, ModelRequest, Provider } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { ChatDecoder } from "./decode.ts"
import { encodeChat } from "./encode.ts"

export function openaiChat(settings: ProviderSettings): Provider {
  return {
    id: settings.id,
    wire: "openai-chat",
    stream: (request, signal) => stream(settings, request, signal),
    listModels: (signal) => listModels(settings, signal),
    embed: (request, signal) => embed(settings, request, signal),
    relay: (body, signal) => relay(settings, body, signal),
  }
}

/** The key as a bearer token; read at the moment of use. */
export function bearer(settings: ProviderSettings): Record<string, string> {
  const key = settings.quirks.keyless ? undefined : settings.apiKey()
  return key === undefined ? {} : { authorization: `Bearer ${key}` }
}

async function* stream(
  settings: ProviderSettings,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const decoder = new ChatDecoder(request, settings.quirks)
  try {
    const body = encodeChat(request, settings.quirks)
    for await (const batch of postStream(settings, "/chat/completions", body, bearer(settings), signal)) {
      const out: ModelEvent[] = []
      for (const { data } of batch) decoder.push(data, out)
      yield* out
    }
    yield decoder.end()
  } catch (error) {
    if (!(error instanceof FailureError)) throw error
    yield { type: "failed", failure: { ...error.failure, received: decoder.answer.received() } }
  }
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

async function embed(settings: ProviderSettings, request: EmbedRequest, signal: AbortSignal): Promise<EmbedResult> {
  try {
    const { model, input, dimensions } = request
    const wire = { model, input, encoding_format: "float", ...(dimensions === undefined ? {} : { dimensions }) }
    const body = await requestJson(settings, "POST", "/embeddings", bearer(settings), wire, signal)
    const rows: unknown = isObject(body) ? body["data"] : undefined
    const vectors: number[][] = []
    for (const [i, row] of (Array.isArray(rows) ? rows : []).entries()) {
      if (!isObject(row) || !Array.isArray(row["embedding"])) continue
      vectors[typeof row["index"] === "number" ? row["index"] : i] = row["embedding"].map(Number)
    }
    if (vectors.length !== input.length || vectors.includes(undefined as never))
      throw new FailureError({
        kind: "format",
        message: `gave ${vectors.length} vectors for ${input.length} texts`,
        retryable: false,
      })
    const usage = isObject(body) && isObject(body["usage"]) ? body["usage"] : {}
    return { vectors, inputTokens: Number(usage["prompt_tokens"] ?? 0) }
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}

/** Byte for byte: what the service answers is handed back unread, whatever its status. */
async function relay(
  settings: ProviderSettings,
  body: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Response> {
  try {
    const sent = await send(settings, "POST", "/chat/completions", bearer(settings), JSON.stringify(body), signal)
    const headers = new Headers()
    for (const name of ["content-type", "retry-after", "x-request-id"]) {
      const value = sent.response.headers[name]
      if (typeof value === "string") headers.set(name, value)
    }
    sent.response.once("close", () => sent.close())
    const stream = Readable.toWeb(sent.response) as ReadableStream<Uint8Array>
    return new Response(stream, { status: sent.response.statusCode ?? 502, headers })
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}

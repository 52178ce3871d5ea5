// Anthropic's Messages API, and services that speak it.
import { isObject } from "../../base/json.ts"
import { asRefusal } from "../failure.ts"
import { postStream, requestJson } from "../http.ts"
import type { ModelInfo, Provider } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { decodeStream } from "../stream.ts"
import { AnthropicDecoder } from "./decode.ts"
import { encodeAnthropic } from "./encode.ts"

export function anthropic(settings: ProviderSettings): Provider {
  return {
    id: settings.id,
    wire: "anthropic",
    stream: (request, signal) => {
      const decoder = new AnthropicDecoder(request, settings.id)
      const body = () => encodeAnthropic(request, settings.id)
      return decodeStream(
        () => postStream(settings, "/messages", body(), headers(settings), signal, () => decoder.isOver),
        decoder,
      )
    },
    listModels: (signal) => listModels(settings, signal),
  }
}

function headers(settings: ProviderSettings): Record<string, string> {
  const key = settings.quirks.keyless ? undefined : settings.apiKey()
  return { "anthropic-version": "2023-06-01", ...(key === undefined ? {} : { "x-api-key": key }) }
}

async function listModels(settings: ProviderSettings, signal: AbortSignal): Promise<ModelInfo[]> {
  try {
    const body = await requestJson(settings, "GET", "/models?limit=1000", headers(settings), undefined, signal)
    const list: unknown = isObject(body) ? body["data"] : undefined
    return (Array.isArray(list) ? list : []).filter(isObject).flatMap((row) => decodeModel(row, settings.id))
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}

function decodeModel(row: Record<string, unknown>, provider: string): ModelInfo[] {
  const id = row["id"]
  if (typeof id !== "string" || row["lifecycle"] === "retired") return []
  const name = row["display_name"]
  const can = isObject(row["capabilities"]) ? row["capabilities"] : {}
  const supports = (what: string) => (isObject(can[what]) ? can[what]["supported"] : undefined)
  const flag = (key: "images" | "reasoning", value: unknown) => (typeof value === "boolean" ? { [key]: value } : {})
  const size = (key: "contextWindow" | "maxOutputTokens", value: unknown) =>
    typeof value === "number" && value > 0 ? { [key]: value } : {}
  return [
    {
      id,
      provider,
      name: typeof name === "string" && name !== "" ? name : id,
      tools: true,
      ...size("contextWindow", row["max_input_tokens"]),
      ...size("maxOutputTokens", row["max_tokens"]),
      ...flag("images", supports("image_input")),
      ...flag("reasoning", supports("thinking")),
    },
  ]
}

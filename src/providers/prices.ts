// What tokens cost. The configuration's prices first; else the table of @pydantic/genai-prices, loaded at the first answer with usage.
import type { Usage } from "../protocol/message.ts"
import type { ModelRef } from "./catalogue.ts"

/** US dollars per million tokens. */
export interface Price {
  input: number
  output: number
  cacheRead?: number
  cacheWrite?: number
}

/** Ids of services as the price table knows them. */
const TABLE_IDS: Readonly<Record<string, string>> = {
  gemini: "google",
  xai: "x-ai",
  zai: "zai",
  moonshot: "moonshotai",
  qwen: "aliyun",
}

export function costAt(price: Price, usage: Usage): number {
  const fresh = Math.max(0, usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens)
  const read = usage.cacheReadTokens * (price.cacheRead ?? price.input)
  const write = usage.cacheWriteTokens * (price.cacheWrite ?? price.input)
  return (fresh * price.input + read + write + usage.outputTokens * price.output) / 1_000_000
}

/** US dollars, or null when nobody knows the price. */
export async function tableCost(ref: ModelRef, usage: Usage): Promise<number | null> {
  const { calcPrice } = await import("@pydantic/genai-prices")
  const result = calcPrice(
    {
      input_tokens: usage.inputTokens,
      cache_read_tokens: usage.cacheReadTokens,
      cache_write_tokens: usage.cacheWriteTokens,
      output_tokens: usage.outputTokens,
    },
    ref.model,
    { providerId: TABLE_IDS[ref.provider] ?? ref.provider },
  )
  return result?.total_price ?? null
}

// What tokens cost. The configuration's prices first; else the table of @pydantic/genai-prices, loaded at the first answer with usage.
import type { Usage } from "../protocol/message.ts"

/** US dollars per million tokens. */
export interface Price {
  input: number
  output: number
  cacheRead?: number
  cacheWrite?: number
}

/** Services that the price table knows under another id than ours. */
const TABLE_IDS: Readonly<Record<string, string>> = { gemini: "google", xai: "x-ai", moonshot: "moonshotai" }

export function costAt(price: Price, usage: Usage): number {
  const fresh = Math.max(0, usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens)
  const read = usage.cacheReadTokens * (price.cacheRead ?? price.input)
  const write = usage.cacheWriteTokens * (price.cacheWrite ?? price.input)
  return (fresh * price.input + read + write + usage.outputTokens * price.output) / 1_000_000
}

/** US dollars, or null when nobody knows the price. `service`: a row id of the service table. */
export async function tableCost(service: string, model: string, usage: Usage): Promise<number | null> {
  const { calcPrice, findProvider } = await import("@pydantic/genai-prices")
  const provider = findProvider({ providerId: TABLE_IDS[service] ?? service })
  // Without a provider the table would look for the model's name anywhere, and name somebody else's price.
  if (!provider) return null
  const cacheReadTokens = Math.max(0, usage.cacheReadTokens)
  const cacheWriteTokens = Math.max(0, usage.cacheWriteTokens)
  const tokens = {
    // The table throws at counts that contradict each other, and services do report such.
    input_tokens: Math.max(usage.inputTokens, cacheReadTokens + cacheWriteTokens),
    cache_read_tokens: cacheReadTokens,
    cache_write_tokens: cacheWriteTokens,
    output_tokens: Math.max(0, usage.outputTokens),
  }
  // A dated snapshot costs what its model costs.
  for (const name of new Set([model, model.replace(/-\d{4}-?\d{2}-?\d{2}$/, "")])) {
    const price = calcPrice(tokens, name, { provider })
    if (price) return price.total_price
  }
  return null
}

// POST /v1/embeddings, where a model service offers them. Source: platform.openai.com/docs/api-reference/embeddings/create.
import { z } from "zod"
import { parseWith } from "../../base/schema.ts"
import type { Exchange } from "./exchange.ts"
import { badField, unknownModel } from "./refusal.ts"
import { chooseModel } from "./select.ts"

const MAX_INPUTS = 2_048

const text = z.string().min(1, { error: "must not be empty" })
const schema = z.looseObject({
  model: z.string().nullish(),
  input: z.union([text, z.array(text).min(1).max(MAX_INPUTS)], {
    error: `must be text or a list of 1 to ${MAX_INPUTS} texts; token numbers are not accepted`,
  }),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.number().int().min(1).nullish(),
})

export async function createEmbeddings(exchange: Exchange, raw: Record<string, unknown>): Promise<object> {
  const { request, response, parts } = exchange
  const body = parseWith(schema, raw, "Invalid request")
  const choice = chooseModel(body.model ?? undefined, request, parts)
  if (choice.type === "raw" && !parts.catalogue.provider(choice.provider)) throw unknownModel(body.model ?? "")
  if (choice.model === undefined)
    throw badField("model", "an agent makes no embeddings: name a provider/model, or send it as x-pincer-model")
  const ref = choice.type === "raw" ? choice : parts.catalogue.resolve(choice.model)
  const gone = new AbortController()
  response.once("close", () => gone.abort())
  const input = typeof body.input === "string" ? [body.input] : body.input
  const result = await parts.catalogue.embed(
    { provider: ref.provider, model: ref.model },
    { input, ...(typeof body.dimensions === "number" ? { dimensions: body.dimensions } : {}) },
    gone.signal,
  )
  const encode = body.encoding_format === "base64" ? base64 : (vector: number[]) => vector
  return {
    object: "list",
    data: result.vectors.map((vector, index) => ({ object: "embedding", index, embedding: encode(vector) })),
    model: body.model ?? `${ref.provider}/${ref.model}`,
    usage: { prompt_tokens: result.inputTokens, total_tokens: result.inputTokens },
  }
}

/** 32-bit floats, little-endian whatever the machine. */
function base64(vector: number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4)
  return bytes.toString("base64")
}

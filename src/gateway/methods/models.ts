// models.*: which models there are, and whether one really answers.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { ModelInfo } from "../../providers/provider.ts"
import { type Method, method } from "./method.ts"
import { tidy } from "./params.ts"

const model = () =>
  z.looseObject({
    id: z.string(),
    key: z.string().describe("provider/id: what other calls take as `model`"),
    name: z.string(),
    provider: z.string(),
    contextWindow: z.number().optional(),
    reasoning: z.boolean().optional(),
    input: z.array(z.enum(["text", "image"])),
    default: z.boolean(),
  })

function shown(info: ModelInfo, isDefault: boolean) {
  return {
    id: info.id,
    key: `${info.provider}/${info.id}`,
    name: info.name,
    provider: info.provider,
    ...(info.contextWindow === undefined ? {} : { contextWindow: info.contextWindow }),
    ...(info.maxOutputTokens === undefined ? {} : { maxTokens: info.maxOutputTokens }),
    ...(info.reasoning === undefined ? {} : { reasoning: info.reasoning }),
    ...(info.tools === undefined ? {} : { tools: info.tools }),
    input: info.images ? ["text", "image"] : ["text"],
    available: true,
    default: isDefault,
  }
}

const list = method({
  name: "models.list",
  summary: "Models of all configured and discovered services.",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ provider: z.string().min(1).optional() }),
  result: () => z.object({ models: z.array(model()) }),
  async run(params, { caller, parts }) {
    await parts.localModels?.look({ everywhere: true })
    const chosen = parts.catalogue.chosen()
    const all = await parts.catalogue.models(caller.signal)
    const wanted = all.filter((info) => params.provider === undefined || info.provider === params.provider)
    return { models: wanted.map((info) => shown(info, info.provider === chosen.provider && info.id === chosen.model)) }
  },
  py: (result): unknown => result.models,
})

const probe = method({
  name: "models.probe",
  summary: "Makes one tiny real request to a model and says how it went.",
  scope: "operator.admin",
  normalize: tidy,
  params: () =>
    z
      .object({
        provider: z.string().min(1).optional(),
        model: z.string().min(1).optional(),
        timeoutMs: z.number().int().min(100).max(120_000).optional(),
      })
      .refine((p) => p.provider !== undefined || p.model !== undefined, {
        path: ["model"],
        error: "model or provider is required",
      }),
  result: () =>
    z.looseObject({
      provider: z.string(),
      model: z.string(),
      status: z.enum(["ok", "auth", "rate_limit", "billing", "timeout", "format", "unknown", "no_model"]),
      available: z.boolean(),
      latencyMs: z.number(),
      latency: z.number().describe("The same, ms"),
      error: z.string().optional(),
      results: z.array(z.unknown()),
    }),
  async run(params, { parts }) {
    if (params.provider !== undefined && !parts.catalogue.provider(params.provider))
      throw new PincerError("NOT_FOUND", `Unknown provider "${params.provider}": run "pincer models list"`)
    const ref = parts.catalogue.resolve(params.model, params.provider)
    const result = await parts.catalogue.probe(ref, params.timeoutMs ?? 20_000)
    return {
      ...result,
      available: result.status === "ok",
      latency: result.latencyMs,
      results: [{ label: `${result.provider}/${result.model}`, ...result }],
    }
  },
})

export const modelMethods: readonly Method[] = [list, probe]

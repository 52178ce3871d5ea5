// GET /v1/models: the agents first, then what the model services offer. Both kinds of name are accepted as `model` everywhere.

import type { Exchange } from "./exchange.ts"
import { badField, unknownModel } from "./refusal.ts"

interface WireModel {
  id: string
  object: "model"
  created: number
  owned_by: string
  [more: string]: unknown
}

const VIEWS = ["agents", "models", "all"]

/** `view`: agents, models or all. */
export async function listModels(exchange: Exchange, view = "all"): Promise<{ object: "list"; data: WireModel[] }> {
  if (!VIEWS.includes(view)) throw badField("view", `"${view}" is not one of ${VIEWS.join(", ")}`)
  const agents = view === "models" ? [] : agentModels(exchange)
  const models = view === "agents" ? [] : await providerModels(exchange)
  return { object: "list", data: [...agents, ...models] }
}

/** Throws NOT_FOUND (model_not_found). */
export async function findModel(exchange: Exchange, id: string): Promise<WireModel> {
  const { data } = await listModels(exchange)
  const found = data.find((one) => one.id === id)
  if (!found) throw unknownModel(id)
  return found
}

function created({ parts }: Exchange): number {
  return Math.floor(parts.startedAt / 1000)
}

function agentModels(exchange: Exchange): WireModel[] {
  const { agents, config } = exchange.parts
  const first = config.agents.default
  const ids = [first, ...[...agents.keys()].filter((id) => id !== first)]
  return ids.map((id) => ({
    id: `pincer/${id}`,
    object: "model",
    created: created(exchange),
    owned_by: "pincer",
    name: agents.get(id)?.name ?? id,
  }))
}

async function providerModels(exchange: Exchange): Promise<WireModel[]> {
  const gone = new AbortController()
  exchange.response.once("close", () => gone.abort())
  const models = await exchange.parts.catalogue.models(gone.signal)
  return models.map((info) => ({
    id: `${info.provider}/${info.id}`,
    object: "model",
    created: created(exchange),
    owned_by: info.provider,
    name: info.name,
    ...(info.contextWindow === undefined ? {} : { context_window: info.contextWindow }),
    ...(info.maxOutputTokens === undefined ? {} : { max_output_tokens: info.maxOutputTokens }),
  }))
}

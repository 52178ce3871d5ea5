// GET /v1/models: the agents first, then what the model services offer. Both kinds of name are accepted as `model` everywhere.
import { usableAgents } from "../agents/agents.ts"
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
  const agents = view === "models" ? [] : await agentModels(exchange)
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

async function agentModels(exchange: Exchange): Promise<WireModel[]> {
  const first = exchange.parts.config.agents.default
  const agents = await usableAgents(exchange.parts)
  const inOrder = [...agents.filter(({ id }) => id === first), ...agents.filter(({ id }) => id !== first)]
  return inOrder.map(({ id, name }) => ({
    id: `pincer/${id}`,
    object: "model",
    created: created(exchange),
    owned_by: "pincer",
    name,
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

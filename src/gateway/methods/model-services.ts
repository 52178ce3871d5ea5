// models.providers and models.authStatus: the model services that are usable now, those that lack something, and where their keys are from.
import { z } from "zod"
import { serviceOf } from "../../providers/services.ts"
import type { Parts } from "../parts.ts"
import { type Method, method } from "./method.ts"

const row = () =>
  z.object({
    id: z.string(),
    provider: z.string().describe("The same as id"),
    displayName: z.string(),
    configured: z.boolean().describe("The configuration names it"),
    usable: z.boolean(),
    default: z.boolean(),
    key: z.enum(["config", "environment", "none"]).describe("Where its key is from; none: it needs or has none"),
  })

function rowsOf({ catalogue, config }: Parts) {
  const usable = new Set(catalogue.providers().map(({ id }) => id))
  const ids = new Set([...usable, ...Object.keys(config.providers)])
  const chosen = catalogue.chosen().provider
  return [...ids].map((id) => {
    const entry = config.providers[id]
    const service = serviceOf(entry?.service ?? id)
    const needsKey = (service?.keyEnv.length ?? 0) > 0
    const key =
      entry?.apiKey !== undefined
        ? ("config" as const)
        : needsKey && usable.has(id)
          ? ("environment" as const)
          : ("none" as const)
    const displayName = service?.name ?? id
    return {
      id,
      provider: id,
      displayName,
      configured: entry !== undefined,
      usable: usable.has(id),
      default: id === chosen,
      key,
    }
  })
}

const providers = method({
  name: "models.providers",
  summary: "Model services: those that can be asked now, and those of the configuration that cannot.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.object({ providers: z.array(row()), count: z.number() }),
  async run(_params, { parts }) {
    const rows = rowsOf(parts)
    return { providers: rows, count: rows.length }
  },
})

const authStatus = method({
  name: "models.authStatus",
  summary: "Which model services have the key that they need. Whether a key is good, models.probe tells.",
  scope: "operator.read",
  params: () => z.object({ refresh: z.boolean().optional(), agentId: z.string().optional() }),
  result: () =>
    z.object({
      ts: z.number(),
      providers: z.array(
        z.object({
          provider: z.string(),
          displayName: z.string(),
          status: z
            .enum(["static", "missing", "none"])
            .describe("static: a key that does not expire; none: needs none"),
          source: z.enum(["config", "environment", "none"]),
        }),
      ),
    }),
  async run(_params, { parts }) {
    const rows = rowsOf(parts).map(({ displayName, key, provider, usable }) => ({
      provider,
      displayName,
      status: key !== "none" ? ("static" as const) : usable ? ("none" as const) : ("missing" as const),
      source: key,
    }))
    return { ts: parts.clock.now(), providers: rows }
  },
})

export const modelServiceMethods: readonly Method[] = [providers, authStatus]

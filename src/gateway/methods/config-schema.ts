// config.schema and config.schema.lookup: what may stand in the configuration, for forms and for completion.
import { z } from "zod"
import { type Method, method } from "./method.ts"

const view = () => import("../../config/schema-view.ts")

const whole = method({
  name: "config.schema",
  summary: "The JSON Schema of the configuration file, with a label and a sentence for each place.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.looseObject({
      schema: z.unknown().describe("JSON Schema, draft 2020-12"),
      uiHints: z.record(z.string(), z.unknown()).describe('By path; "*" stands for a free name'),
      version: z.string(),
      generatedAt: z.string(),
    }),
  async run(_params, { parts }) {
    const { jsonSchema, uiHints } = await view()
    return {
      schema: jsonSchema(),
      uiHints: uiHints(),
      version: parts.version,
      generatedAt: new Date(parts.clock.now()).toISOString(),
    }
  },
})

const lookup = method({
  name: "config.schema.lookup",
  summary: "What may stand at one path of the configuration, and whether a change of it needs a restart.",
  scope: "operator.read",
  params: () => z.object({ path: z.string().describe('Dotted path; "" for the whole, "*" for any name') }),
  result: () =>
    z.looseObject({
      path: z.string(),
      schema: z.unknown(),
      reloadKind: z.enum(["restart", "hot", "none"]),
      hint: z.unknown(),
      hintPath: z.string(),
      children: z.array(z.unknown()),
    }),
  async run({ path }, { parts }) {
    const { lookUp } = await view()
    const place = lookUp(path)
    const reloadKind = place.path === "$schema" ? "none" : parts.live.isLive(place.path) ? "hot" : "restart"
    return { ...place, hintPath: place.path, reloadKind }
  },
})

export const configSchemaMethods: readonly Method[] = [whole, lookup]

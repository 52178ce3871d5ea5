// tools.list: what models may call.
import { z } from "zod"
import type { Tool } from "../../tools/tool.ts"
import { knownTools } from "../policy/known-tools.ts"
import { type Method, method } from "./method.ts"
import { tidy } from "./params.ts"

interface ToolRow {
  name: string
  description: string
  class: string
}

const schemas = new WeakMap<Tool, unknown>()

/** The arguments as JSON Schema; made once for each tool. */
function schemaOf(tool: Tool): unknown {
  let schema = schemas.get(tool)
  if (schema === undefined) {
    schema = z.toJSONSchema(tool.args, { io: "input", unrepresentable: "any" })
    schemas.set(tool, schema)
  }
  return schema
}

export const toolRowSchema = () =>
  z.object({
    name: z.string(),
    description: z.string(),
    class: z.string(),
    effect: z.string(),
    aliases: z.array(z.string()),
    schema: z.unknown(),
  })

export function toolRow(tool: Tool) {
  const { aliases, class: kind, description, effect, name } = tool
  return { name, description, class: kind, effect, aliases: [...aliases], schema: tool.inputSchema ?? schemaOf(tool) }
}

const list = method({
  name: "tools.list",
  summary: "The tools that models may call, with the JSON Schema of their arguments.",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ agentId: z.string().optional().describe("Only the tools of this agent") }),
  result: () =>
    z.object({
      tools: z.array(toolRowSchema()),
    }),
  async run(params, { parts }) {
    return { tools: (await knownTools(params.agentId, parts)).map(toolRow) }
  },
  py: (result): unknown =>
    result.tools.map((tool: ToolRow) => ({ name: tool.name, description: tool.description, class: tool.class })),
})

export const toolMethods: readonly Method[] = [list]

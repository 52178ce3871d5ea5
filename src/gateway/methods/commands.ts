// commands.list: words with a slash that mean something in a session: the gateway's own, those of the external agent that runs it, and prompts of MCP servers.
import { z } from "zod"
import { resolveSession } from "../inbound.ts"
import { offerOf } from "../sessions/session-options.ts"
import { type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"

/** What chat.send understands itself. */
const OWN = [{ name: "stop", description: "Stops what runs in the session; what waits goes on.", acceptsArgs: false }]

const list = method({
  name: "commands.list",
  summary: "Commands with a slash that a session understands.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z.object({
      ...sessionFields(),
      provider: z.string().optional(),
      scope: z.enum(["text", "native", "both"]).optional(),
      includeArgs: z.boolean().optional(),
    }),
  result: () =>
    z.object({
      commands: z.array(
        z.object({
          name: z.string(),
          nativeName: z.string(),
          textAliases: z.array(z.string()),
          description: z.string(),
          category: z.string(),
          source: z
            .enum(["native", "plugin"])
            .describe(
              "plugin: of the external agent that runs the session, or (category mcp) a prompt of an MCP server",
            ),
          scope: z.enum(["text", "both"]),
          acceptsArgs: z.boolean(),
          takes: z.string().optional().describe("What may stand after a prompt of an MCP server: <needed> [more]"),
        }),
      ),
    }),
  async run(params, { parts }) {
    const session = await resolveSession(params, parts)
    const { commands } = await offerOf(session, parts)
    const { promptCommands } = await import("../mcp/mcp-prompts.ts")
    const prompts = await promptCommands(session.agentId, parts)
    const rows = [
      ...OWN.map((one) => ({ ...one, category: "session", source: "native" as const })),
      ...commands
        .filter(({ name }) => !OWN.some((own) => own.name === name))
        .map(({ description, name }) => ({
          name,
          description,
          acceptsArgs: true,
          category: "tools",
          source: "plugin" as const,
        })),
      ...prompts.map(({ description, name, takes }) => ({
        ...{ name, description, acceptsArgs: takes !== "", category: "mcp", source: "plugin" as const },
        ...(takes === "" ? {} : { takes }),
      })),
    ]
    return {
      commands: rows.map(({ name, ...rest }) => ({
        name,
        nativeName: name,
        textAliases: [`/${name}`],
        ...rest,
        scope: "text" as const,
      })),
    }
  },
})

export const commandMethods: readonly Method[] = [list]

// mcp.*: the MCP servers of the configuration: how they are, what they offer, their resources and prompts, a trial of one before it is
// written down. Calls of their tools are made by turns and steps alone, where policy judges them.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { mcpServer } from "../../config/mcp.ts"
import type { McpHouse } from "../../tools/mcp/house.ts"
import type { HouseServer } from "../../tools/mcp/house-server.ts"
import { requireAgent } from "../inbound.ts"
import { addressOf, typeOf } from "../mcp/mcp-servers.ts"
import type { Parts } from "../parts.ts"
import { loginMethods } from "./mcp-logins.ts"
import { type Method, method } from "./method.ts"
import { tidy } from "./params.ts"

const MAX_READ_CHARS = 200_000

const server = () => z.string().min(1).describe("Its name in tools.mcpServers")
const agentId = () => z.string().optional().describe("Works where this agent does; default: the default agent")
const serverRow = () =>
  z.object({
    name: z.string(),
    type: z.string().describe('"stdio", "http" or "sse"'),
    address: z.string().describe("The command line, or the URL without its secrets"),
    enabled: z.boolean(),
    state: z
      .string()
      .describe('"off" (disabled), "idle" (the next call starts it), "connecting", "connected" or "failed"'),
    connections: z.number().describe("Of a program: one for each folder that it works in"),
    calls: z.number().describe("At work now"),
    tools: z.number().nullable().describe("Offered tools; null when it was never asked"),
    resources: z.boolean(),
    prompts: z.boolean(),
    agents: z.array(z.string()).nullable().describe("Who has it; null: all agents"),
    trusted: z.boolean(),
    login: z
      .string()
      .describe(
        '"none" (nobody signed in, and it did not ask for it), "signed-in", "needed", or "never" where there is no sign-in',
      ),
    redirectPort: z.number().optional().describe("Where a sign-in must wait for the browser on this machine"),
    sandbox: z.string(),
    sampling: z.string(),
    problem: z.string().optional(),
    problems: z.array(z.string()),
  })

const status = method({
  name: "mcp.status",
  summary: "The MCP servers of the configuration and how each of them is. Starts none.",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ server: server().optional() }),
  result: () => z.object({ servers: z.array(serverRow()) }),
  async run(params, { parts }) {
    const house = await parts.servers?.house()
    const named = Object.entries(parts.config.tools.mcpServers).filter(
      ([name]) => params.server === undefined || params.server === name,
    )
    if (params.server !== undefined && named.length === 0) throw unknownServer(params.server, parts)
    const logins = await parts.servers?.logins()
    return {
      servers: named.map(([name, settings]) => {
        const port = settings.oauth ? settings.oauth.redirectPort : undefined
        const one = house?.servers.find((each) => each.settings.name === name)
        const state = one?.state
        return {
          ...{ name, type: typeOf(settings), address: addressOf(settings), enabled: settings.enabled },
          state: state?.state ?? "off",
          connections: state?.connections ?? 0,
          calls: state?.calls ?? 0,
          tools: state?.tools ?? null,
          resources: one?.offersResources ?? false,
          prompts: one?.offersPrompts ?? false,
          agents: settings.agents ?? null,
          trusted: settings.trusted,
          login: logins?.of(name, settings)?.state ?? "never",
          ...(port === undefined ? {} : { redirectPort: port }),
          sandbox: typeOf(settings) === "stdio" ? settings.sandbox : "none",
          sampling: settings.sampling,
          ...(state?.problem === undefined ? {} : { problem: state.problem }),
          problems: [...(state?.problems ?? [])],
        }
      }),
    }
  },
})

const toolRow = () =>
  z.object({
    id: z.string().describe("mcp:<server>:<tool>, as policies name it"),
    name: z.string().describe("As models call it"),
    server: z.string(),
    tool: z.string().describe("By the server's own name"),
    description: z.string(),
    schema: z.unknown(),
    title: z.string().optional(),
    outputSchema: z.unknown().optional(),
    hints: z
      .record(z.string(), z.boolean())
      .optional()
      .describe("What the server says of its tool; believed in nothing"),
  })

const tools = method({
  name: "mcp.tools",
  aliases: ["mcp.list_tools"],
  summary: "The tools of the MCP servers. Servers that were never asked are started for that.",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ server: server().optional(), agentId: agentId() }),
  result: () =>
    z.object({
      tools: z.array(toolRow()),
      problems: z.array(z.object({ server: z.string(), message: z.string() })),
    }),
  async run(params, { caller, parts }) {
    const all = await wanted(params.server, parts)
    const cwd = workspaceOf(params.agentId, parts)
    await Promise.all(all.map((one) => one.tools(cwd, caller.signal)))
    return {
      tools: all.flatMap(rowsOf),
      problems: all.flatMap((one) => {
        const { problem } = one.state
        return problem === undefined ? [] : [{ server: one.settings.name, message: problem }]
      }),
    }
  },
})

function rowsOf({ listed, settings }: HouseServer) {
  return listed.map(({ beside, description, id, inputSchema, ownName, spoken }) => ({
    ...{ id, name: spoken, server: settings.name, tool: ownName, description, schema: inputSchema },
    ...(beside as { title?: string; outputSchema?: unknown; hints?: Record<string, boolean> }),
  }))
}

const restart = method({
  name: "mcp.restart",
  summary: "Ends what runs of an MCP server and forgets its failures; the next call starts it anew.",
  scope: "operator.admin",
  normalize: tidy,
  params: () => z.object({ server: server() }),
  result: () => z.object({ ok: z.literal(true), server: z.string() }),
  async run(params, { parts }) {
    const one = (await requireHouse(parts)).server(params.server)
    await one.restart("It was restarted by hand")
    return { ok: true as const, server: params.server }
  },
})

const probe = method({
  name: "mcp.probe",
  aliases: ["mcp.test"],
  summary:
    "Connects an MCP server afresh, of the configuration or as it would be written there, and says what it offers.",
  scope: "operator.admin",
  normalize: tidy,
  params: () =>
    z.object({
      server: server(),
      settings: z
        .record(z.string(), z.unknown())
        .optional()
        .describe("As under tools.mcpServers.<name>; default: what the configuration says"),
      agentId: agentId(),
    }),
  result: () =>
    z.object({
      ok: z.boolean(),
      server: z.string(),
      ms: z.number(),
      tools: z.array(toolRow()),
      resources: z.boolean(),
      prompts: z.boolean(),
      login: z.string().describe('"needed" when it wants people to sign in (mcp.login)'),
      problem: z.string().optional(),
      problems: z.array(z.string()),
    }),
  async run({ agentId, server, settings }, { caller, parts }) {
    const { clock, config, servers } = parts
    const given = settings === undefined ? config.tools.mcpServers[server] : read(server, settings)
    if (!given || !servers) throw unknownServer(server, parts)
    const startedAt = clock.now()
    const one = await servers.trial(server, given)
    let problem: string | undefined
    try {
      await one.connect(workspaceOf(agentId, parts), caller.signal)
    } catch (error) {
      caller.signal.throwIfAborted()
      problem = error instanceof Error ? error.message : String(error)
    } finally {
      await one.close("The trial is over")
    }
    return {
      ...{ ok: problem === undefined, server, ms: clock.now() - startedAt, tools: rowsOf(one) },
      ...{ resources: one.offersResources, prompts: one.offersPrompts, problems: [...one.state.problems] },
      login: one.login?.state ?? "never",
      ...(problem === undefined ? {} : { problem }),
    }
  },
})

function read(name: string, settings: Record<string, unknown>) {
  const parsed = mcpServer.safeParse(settings)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const place = ["tools.mcpServers", name, ...(issue?.path ?? [])].join(".")
  throw new PincerError("INVALID_PARAMS", `${place} ${issue?.message ?? "is not valid"}`)
}

const resourceList = method({
  name: "mcp.resources.list",
  summary: "What can be read from MCP servers: addresses, and patterns of addresses.",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ server: server().optional(), agentId: agentId() }),
  result: () =>
    z.object({
      resources: z.array(
        z.object({
          server: z.string(),
          uri: z.string(),
          name: z.string(),
          template: z.boolean(),
          description: z.string().optional(),
          mimeType: z.string().optional(),
        }),
      ),
    }),
  async run(params, { caller, parts }) {
    const { listResources } = await import("../../tools/mcp/resources.ts")
    const cwd = workspaceOf(params.agentId, parts)
    const lists = await eachOffering("offersResources", params.server, cwd, caller.signal, parts, async (one) => {
      const found = await listResources(one.asked(cwd), caller.signal)
      return found.map((resource) => ({ server: one.settings.name, ...resource }))
    })
    return { resources: lists.flat() }
  },
})

const resourceRead = method({
  name: "mcp.resources.read",
  summary: "Reads one resource of an MCP server: text, pictures that models take, everything else told in words.",
  scope: "operator.write",
  normalize: tidy,
  params: () => z.object({ server: server(), uri: z.string().min(1).max(4_000), agentId: agentId() }),
  result: () =>
    z.object({
      server: z.string(),
      uri: z.string(),
      content: z.array(z.looseObject({ type: z.string() })),
    }),
  async run({ agentId, server, uri }, { caller, parts }) {
    const one = (await requireHouse(parts)).server(server)
    const { readResource } = await import("../../tools/mcp/resources.ts")
    const asked = one.asked(workspaceOf(agentId, parts))
    const { content } = await readResource(asked, server, uri, { maxChars: MAX_READ_CHARS, signal: caller.signal })
    return { server, uri, content }
  },
})

const promptList = method({
  name: "mcp.prompts.list",
  summary: "The prompts that MCP servers offer to people.",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ server: server().optional(), agentId: agentId() }),
  result: () =>
    z.object({
      prompts: z.array(
        z.object({
          server: z.string(),
          name: z.string(),
          description: z.string().optional(),
          arguments: z.array(z.object({ name: z.string(), description: z.string().optional(), required: z.boolean() })),
        }),
      ),
    }),
  async run(params, { caller, parts }) {
    const { listPrompts } = await import("../../tools/mcp/resources.ts")
    const cwd = workspaceOf(params.agentId, parts)
    const lists = await eachOffering("offersPrompts", params.server, cwd, caller.signal, parts, async (one) => {
      const found = await listPrompts(one.asked(cwd), caller.signal)
      return found.map((prompt) => ({ server: one.settings.name, ...prompt }))
    })
    return { prompts: lists.flat() }
  },
})

const promptGet = method({
  name: "mcp.prompts.get",
  summary: "A prompt of an MCP server as text, its blanks filled in. It is text from outside until a person sends it.",
  scope: "operator.write",
  normalize: tidy,
  params: () =>
    z.object({
      server: server(),
      name: z.string().min(1),
      arguments: z.record(z.string(), z.string()).default({}),
      agentId: agentId(),
    }),
  result: () => z.object({ server: z.string(), name: z.string(), text: z.string() }),
  async run({ agentId, arguments: args, name, server }, { caller, parts }) {
    const one = (await requireHouse(parts)).server(server)
    const { promptText } = await import("../../tools/mcp/resources.ts")
    const text = await promptText(one.asked(workspaceOf(agentId, parts)), name, args, caller.signal)
    return { server, name, text }
  },
})

const promptComplete = method({
  name: "mcp.prompts.complete",
  summary: "What an MCP server offers for a blank of one of its prompts; nothing where it offers no such help.",
  scope: "operator.read",
  normalize: tidy,
  params: () =>
    z.object({
      server: server(),
      name: z.string().min(1),
      argument: z.string().min(1).max(500),
      value: z.string().max(10_000).default("").describe("What was typed so far"),
      arguments: z.record(z.string(), z.string()).default({}).describe("Blanks that are filled in already"),
      agentId: agentId(),
    }),
  result: () => z.object({ values: z.array(z.string()) }),
  async run({ agentId, argument, arguments: filled, name, server, value }, { caller, parts }) {
    const one = (await requireHouse(parts)).server(server)
    const { completions } = await import("../../tools/mcp/resources.ts")
    const asked = one.asked(workspaceOf(agentId, parts))
    return { values: await completions(asked, name, { name: argument, value }, filled, caller.signal) }
  },
})

/** Asks all servers that offer it; one alone says what is wrong, of several those that answer count. */
async function eachOffering<T>(
  what: "offersPrompts" | "offersResources",
  server: string | undefined,
  cwd: string,
  signal: AbortSignal,
  parts: Parts,
  ask: (one: HouseServer) => Promise<T[]>,
): Promise<T[][]> {
  const all = await wanted(server, parts)
  await Promise.all(all.map((one) => one.tools(cwd, signal)))
  const offering = all.filter((one) => one[what])
  if (server !== undefined) return Promise.all(offering.map(ask))
  const answers = await Promise.allSettled(offering.map(ask))
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []))
}

async function wanted(name: string | undefined, parts: Parts): Promise<readonly HouseServer[]> {
  if (name !== undefined) return [(await requireHouse(parts)).server(name)]
  return (await parts.servers?.house())?.servers ?? []
}

async function requireHouse(parts: Parts): Promise<McpHouse> {
  const house = await parts.servers?.house()
  if (house) return house
  throw new PincerError("NOT_FOUND", 'No MCP server is configured: add one with "pincer mcp add"')
}

function workspaceOf(agentId: string | undefined, parts: Parts): string {
  return requireAgent(agentId ?? parts.config.agents.default, parts).workspace
}

function unknownServer(name: string, { config }: Parts): PincerError {
  const names = Object.keys(config.tools.mcpServers)
  return new PincerError(
    "NOT_FOUND",
    `No MCP server "${name}" is configured: ${names.length > 0 ? `there are ${names.join(", ")}` : 'add one with "pincer mcp add"'}`,
  )
}

export const mcpMethods: readonly Method[] = [
  status,
  tools,
  restart,
  probe,
  resourceList,
  resourceRead,
  promptList,
  promptGet,
  promptComplete,
  ...loginMethods,
]

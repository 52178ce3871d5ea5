// mcp.login, mcp.login.finish, mcp.logout: a person signs in at an MCP server that is an address. The gateway asks for the tokens and keeps
// them; the client shows the page, and brings back the address to which the browser was sent at last.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { ServerLogin } from "../../tools/mcp/server-login.ts"
import { requireAgent } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { type Method, method } from "./method.ts"
import { tidy } from "./params.ts"

const server = () => z.string().min(1).describe("Its name in tools.mcpServers")

const begin = method({
  name: "mcp.login",
  summary: "Begins a sign-in at an MCP server: the page that a person must open. It replaces one that is open.",
  scope: "operator.admin",
  normalize: tidy,
  params: () =>
    z.object({
      server: server(),
      redirectUri: z
        .string()
        .min(1)
        .max(2_000)
        .describe("Where the browser goes at last: http://127.0.0.1:<port>/callback, on the machine of that browser"),
    }),
  result: () =>
    z.object({
      server: z.string(),
      url: z.string().describe("The page"),
      expiresAt: z.number().describe("When it is too late to finish, in milliseconds since 1970"),
    }),
  // The page's address holds a random value that is no secret to whoever opens it.
  reveals: true,
  async run({ redirectUri, server }, { caller, parts }) {
    const { until, url } = await (await requireLogin(server, parts)).begin(redirectUri, caller.signal)
    return { server, url, expiresAt: until }
  },
})

const finish = method({
  name: "mcp.login.finish",
  summary: "Finishes a sign-in with the address to which the browser was sent at last; the server is connected anew.",
  scope: "operator.admin",
  normalize: tidy,
  params: () =>
    z.object({
      server: server(),
      answer: z.string().min(1).max(16_000).describe("That address, or what stands after its question mark"),
    }),
  result: () =>
    z.object({
      ok: z.literal(true),
      server: z.string(),
      connected: z.boolean(),
      tools: z.number().nullable(),
      problem: z.string().optional().describe("Why it could not be connected then"),
    }),
  async run({ answer, server }, { caller, parts }) {
    await (await requireLogin(server, parts)).finish(answer, caller.signal)
    const one = (await parts.servers?.house())?.servers.find(({ settings }) => settings.name === server)
    if (!one) return { ok: true as const, server, connected: false, tools: null }
    await one.restart("Somebody signed in")
    let problem: string | undefined
    try {
      const agent = requireAgent(parts.config.agents.default, parts)
      await one.connect(agent.workspace, caller.signal)
    } catch (error) {
      caller.signal.throwIfAborted()
      problem = error instanceof Error ? error.message : String(error)
    }
    const outcome = { ok: true as const, server, connected: problem === undefined, tools: one.state.tools ?? null }
    return { ...outcome, ...(problem === undefined ? {} : { problem }) }
  },
})

const end = method({
  name: "mcp.logout",
  summary: "Forgets a sign-in at an MCP server, takes its tokens back where they came from, and ends its connection.",
  scope: "operator.admin",
  normalize: tidy,
  params: () => z.object({ server: server() }),
  result: () =>
    z.object({
      ok: z.literal(true),
      server: z.string(),
      signedIn: z.boolean().describe("Whether somebody was"),
      revoked: z.boolean().describe("Whether the sign-in service took the tokens back"),
      problem: z.string().optional().describe("Why it did not"),
    }),
  async run({ server }, { caller, parts }) {
    const outcome = await (await requireLogin(server, parts)).end(caller.signal)
    const one = (await parts.servers?.house())?.servers.find(({ settings }) => settings.name === server)
    await one?.restart("Somebody signed out")
    return { ok: true as const, server, ...outcome }
  },
})

async function requireLogin(name: string, { config, servers }: Parts): Promise<ServerLogin> {
  const settings = config.tools.mcpServers[name]
  if (!settings || !servers) {
    const names = Object.keys(config.tools.mcpServers)
    const next = names.length > 0 ? `there are ${names.join(", ")}` : 'add one with "pincer mcp add"'
    throw new PincerError("NOT_FOUND", `No MCP server "${name}" is configured: ${next}`)
  }
  const login = (await servers.logins()).of(name, settings)
  if (login) return login
  const why =
    settings.url === undefined
      ? "is a program: what it needs to know goes into its env"
      : settings.oauth === false
        ? "has oauth: false, so nobody signs in there"
        : "has an Authorization header of its own: take that out to sign in instead"
  throw new PincerError("INVALID_PARAMS", `MCP server "${name}" ${why}`)
}

export const loginMethods: readonly Method[] = [begin, finish, end]

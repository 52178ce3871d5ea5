// `pincer mcp status`, `list-tools`, `test`, `restart`: what the gateway says of its MCP servers.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { loadConfig } from "../config/load.ts"
import type { Cli } from "./cli.ts"
import { reachGateway } from "./connect.ts"
import { inert } from "./inert.ts"
import { Exit } from "./report.ts"

export type McpRow = Record<string, unknown>

interface JsonWish {
  json?: boolean
}

/** Long enough for a program that is fetched before it starts. */
const TIMEOUT_MS = 120_000

export async function askMcp(
  cli: Cli,
  method: string,
  params: Record<string, unknown>,
  otherwise: "start" | "refuse" = "start",
): Promise<McpRow> {
  const link = await reachGateway(cli, { otherwise })
  try {
    const answer: unknown = await link.client.request(method, params, { timeoutMs: TIMEOUT_MS })
    return isObject(answer) ? answer : {}
  } finally {
    await link.close()
  }
}

export function rowsIn(answer: McpRow, key: string): McpRow[] {
  const rows = answer[key]
  return Array.isArray(rows) ? rows.filter(isObject) : []
}

export function only(server: string | undefined): { server?: string } {
  return server === undefined ? {} : { server }
}

export async function showStatus(cli: Cli, server: string | undefined, flags: JsonWish): Promise<void> {
  const answer = await statusOf(cli, server)
  const rows = rowsIn(answer, "servers")
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  const { out } = cli
  if (rows.length === 0) {
    out.line(
      "No MCP server is configured. To add one: pincer mcp add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes",
    )
    return
  }
  out.table(
    ["SERVER", "STATE", "TOOLS", "AGENTS", "REACHED BY"],
    rows.map((row) => [
      String(row["name"]),
      row["login"] === "needed" ? "needs login" : String(row["state"]),
      typeof row["tools"] === "number" ? String(row["tools"]) : "?",
      Array.isArray(row["agents"]) ? row["agents"].join(", ") : "all",
      String(row["address"]),
    ]),
  )
  for (const row of rows) {
    if (row["login"] === "needed")
      tellProblem(cli, row["name"], `it wants you to sign in: type "pincer mcp login ${String(row["name"])}"`)
    else if (typeof row["problem"] === "string") tellProblem(cli, row["name"], row["problem"])
    for (const problem of texts(row["problems"])) tellProblem(cli, row["name"], problem)
  }
}

/** Without a gateway: what the configuration says, and that nothing runs. */
async function statusOf(cli: Cli, server: string | undefined): Promise<McpRow> {
  try {
    return await askMcp(cli, "mcp.status", only(server), "refuse")
  } catch (error) {
    if (!(error instanceof PincerError) || error.code !== "UNAVAILABLE" || cli.flags.server !== undefined) throw error
    const { config } = loadConfig({ env: cli.env, flags: cli.flags })
    const named = Object.entries(config.tools.mcpServers).filter(([name]) => server === undefined || name === server)
    if (server !== undefined && named.length === 0)
      throw new PincerError("NOT_FOUND", `No MCP server "${server}" is configured: see "pincer mcp status"`)
    return {
      servers: named.map(([name, { agents, args, command, enabled, url }]) => ({
        name,
        enabled,
        state: enabled ? "no gateway runs" : "off",
        tools: null,
        agents: agents ?? null,
        address: url === undefined ? [command, ...args].join(" ") : new URL(url).origin,
      })),
    }
  }
}

export async function listTools(cli: Cli, server: string | undefined, flags: JsonWish): Promise<void> {
  const answer = await askMcp(cli, "mcp.tools", only(server))
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  const tools = rowsIn(answer, "tools")
  const problems = rowsIn(answer, "problems")
  showTools(cli, tools)
  for (const { message, server: of } of problems) tellProblem(cli, of, String(message))
  if (tools.length === 0 && problems.length === 0) cli.out.line('No tools. See "pincer mcp status".')
}

export function showTools(cli: Cli, tools: readonly McpRow[]): void {
  if (tools.length === 0) return
  const said = (row: McpRow) => String(row["description"] ?? "").replace(/^\[MCP server "[^"]*"\] ?/, "")
  cli.out.table(
    ["TOOL", "WHAT IT SAYS OF ITSELF"],
    tools.map((row) => [String(row["id"]), said(row).split("\n", 1)[0] ?? ""]),
  )
}

/** Throws Exit(1) when it cannot be reached. */
export async function testServer(cli: Cli, server: string, flags: JsonWish): Promise<void> {
  const answer = await askMcp(cli, "mcp.probe", { server })
  if (flags.json) cli.out.json(answer)
  else showTrial(cli, server, answer)
  if (answer["ok"] !== true) throw new Exit(1)
}

export function showTrial(cli: Cli, server: string, answer: McpRow): void {
  const { out } = cli
  if (answer["ok"] !== true) {
    out.line(`${out.paint("✗", "red")} ${inert(String(answer["problem"] ?? "It cannot be reached"))}`)
    return
  }
  const tools = rowsIn(answer, "tools")
  const more = ["resources", "prompts"].filter((one) => answer[one] === true)
  const beside = more.length > 0 ? `, and ${more.join(" and ")}` : ""
  out.line(
    `${out.paint("✓", "green")} ${inert(server)} answered after ${String(answer["ms"])} ms with ${tools.length} tools${beside}`,
  )
  showTools(cli, tools)
  for (const problem of texts(answer["problems"])) tellProblem(cli, server, problem)
}

export async function restartServer(cli: Cli, server: string, flags: JsonWish): Promise<void> {
  const answer = await askMcp(cli, "mcp.restart", { server }, "refuse")
  if (flags.json) cli.out.json(answer)
  else cli.out.line(`${inert(server)} was ended; the next call starts it.`)
}

function tellProblem(cli: Cli, server: unknown, message: string): void {
  const words = message.startsWith("MCP server ") ? message : `${String(server)}: ${message}`
  cli.err.line(`${cli.err.paint("!", "yellow")} ${inert(words)}`)
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : []
}

// `pincer mcp resources`, `read`, `prompts`, `prompt`: what MCP servers offer besides tools.
import { PincerError } from "../base/errors.ts"
import type { Cli } from "./cli.ts"
import { inert } from "./inert.ts"
import { askMcp, type McpRow, only, rowsIn } from "./mcp.ts"

interface JsonWish {
  json?: boolean
}

export async function listResources(cli: Cli, server: string | undefined, flags: JsonWish): Promise<void> {
  const answer = await askMcp(cli, "mcp.resources.list", only(server))
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  const rows = rowsIn(answer, "resources")
  if (rows.length === 0) cli.out.line("No resources.")
  else
    cli.out.table(
      ["SERVER", "ADDRESS", "WHAT"],
      rows.map((row) => [String(row["server"]), String(row["uri"]), whatOf(row)]),
    )
}

function whatOf({ description, name, template }: McpRow): string {
  return [template === true ? "pattern" : "", name, description].filter((one) => one).join("; ")
}

export async function readResource(cli: Cli, server: string, uri: string, flags: JsonWish): Promise<void> {
  const answer = await askMcp(cli, "mcp.resources.read", { server, uri })
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  for (const part of rowsIn(answer, "content"))
    cli.out.line(part["type"] === "text" ? inert(String(part["text"])) : `[${inert(String(part["mimeType"]))}]`)
}

export async function listPrompts(cli: Cli, server: string | undefined, flags: JsonWish): Promise<void> {
  const answer = await askMcp(cli, "mcp.prompts.list", only(server))
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  const rows = rowsIn(answer, "prompts")
  if (rows.length === 0) cli.out.line("No prompts.")
  else
    cli.out.table(
      ["SERVER", "PROMPT", "BLANKS", "WHAT"],
      rows.map((row) => [
        String(row["server"]),
        String(row["name"]),
        rowsIn(row, "arguments")
          .map(({ name, required }) => (required === true ? String(name) : `[${String(name)}]`))
          .join(" "),
        String(row["description"] ?? ""),
      ]),
    )
}

export async function showPrompt(
  cli: Cli,
  server: string,
  name: string,
  values: readonly string[],
  flags: JsonWish,
): Promise<void> {
  const blanks = values.map((value) => {
    const at = value.indexOf("=")
    if (at > 0) return [value.slice(0, at), value.slice(at + 1)] as const
    throw new PincerError("INVALID_PARAMS", `"${value}" fills in no blank: write it like blank=value`)
  })
  const answer = await askMcp(cli, "mcp.prompts.get", { server, name, arguments: Object.fromEntries(blanks) })
  if (flags.json) cli.out.json(answer)
  else cli.out.line(inert(String(answer["text"])))
}

// Prompts of MCP servers as commands of a conversation (/mcp:<server>:<prompt> …): which ones there are, and what completes them. The
// gateway carries them out.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"

export interface OfferedPrompt {
  /** Without the slash. */
  name: string
  about: string
  /** "<file> [style]" */
  takes: string
}

/** What it needs of a conversation. */
interface Talk {
  client: GatewayClient
  sessionKey: string
  agentId: string | undefined
}

/** As far as the gateway knows them; none from a gateway that does not know the question. */
export async function offeredPrompts(talk: Talk): Promise<OfferedPrompt[]> {
  const { agentId, client, sessionKey } = talk
  try {
    const answer = await client.request("commands.list", { sessionKey, ...(agentId === undefined ? {} : { agentId }) })
    const rows = isObject(answer) && Array.isArray(answer["commands"]) ? answer["commands"].filter(isObject) : []
    return rows
      .filter(({ category }) => category === "mcp")
      .map(({ description, name, takes }) => ({
        name: String(name),
        about: String(description ?? ""),
        takes: typeof takes === "string" ? takes : "",
      }))
  } catch (error) {
    if (error instanceof PincerError) return []
    throw error
  }
}

export async function promptNames(talk: Talk, line: string): Promise<string[]> {
  const names = (await offeredPrompts(talk)).map(({ name, takes }) => `/${name}${takes === "" ? "" : " "}`)
  return names.filter((name) => name.startsWith(line))
}

/** "/mcp:docs:review fi" → "file="; "/mcp:docs:review file=a" → what the server offers for it. */
export async function promptChoices(talk: Talk, line: string): Promise<[string[], string]> {
  const [, name = "", before = "", begun = ""] = /^\/(\S+)\s+(.*?)(\S*)$/.exec(line) ?? []
  const prompt = (await offeredPrompts(talk)).find((one) => one.name === name)
  if (!prompt) return [[], begun]
  const blanks = [...prompt.takes.matchAll(/[<[]([^>\]]+)[>\]]/g)].map(([, blank = ""]) => blank)
  const [, blank = "", value = ""] = /^([^=]+)=(.*)$/.exec(begun) ?? []
  if (!blanks.includes(blank)) return [blanks.map((one) => `${one}=`).filter((one) => one.startsWith(begun)), begun]
  const values = await offeredValues(talk, name, { argument: blank, value, filled: filledIn(before, blanks) })
  return [values.filter((one) => one.startsWith(value)).map((one) => `${blank}=${quoted(one)}`), begun]
}

function filledIn(words: string, blanks: readonly string[]): Record<string, string> {
  const pairs = [...words.matchAll(/(\S+?)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value] as const)
  return Object.fromEntries(pairs.filter(([name]) => blanks.includes(name)))
}

async function offeredValues(
  { client }: Pick<Talk, "client">,
  name: string,
  wish: { argument: string; value: string; filled: Record<string, string> },
): Promise<string[]> {
  const [, server = "", own = ""] = name.split(":")
  const params = { server, name: decodeURIComponent(own), argument: wish.argument, value: wish.value }
  try {
    const answer = await client.request("mcp.prompts.complete", { ...params, arguments: wish.filled })
    const values = isObject(answer) ? answer["values"] : undefined
    return Array.isArray(values) ? values.filter((one) => typeof one === "string") : []
  } catch (error) {
    if (error instanceof PincerError) return []
    throw error
  }
}

function quoted(value: string): string {
  return /[\s"'\\]/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : value
}

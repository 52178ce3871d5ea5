// Prompts of MCP servers as commands that a person types: "/mcp:<server>:<prompt> words". What the server makes of it is said in the
// person's place, and marked as text from outside unless the owner trusts the server.
import { PincerError } from "../../base/errors.ts"
import { nearWords } from "../../base/spelling.ts"
import { splitWords } from "../../base/words.ts"
import type { Part } from "../../protocol/message.ts"
import type { HouseServer } from "../../tools/mcp/house-server.ts"
import { readToolId, toolName } from "../../tools/mcp/names.ts"
import { type McpPrompt, promptText } from "../../tools/mcp/resources.ts"
import { seenLine } from "../../tools/mcp/words.ts"
import { requireAgent, type TurnInput } from "../inbound.ts"
import type { Parts } from "../parts.ts"

const MAX_COMMANDS = 200

/** One prompt as a command. */
export interface PromptCommand {
  /** "mcp:docs:review", without the slash. */
  name: string
  description: string
  /** What may stand after it: "<file> [style]"; empty when it takes nothing. */
  takes: string
}

/** What the agent's servers offer, as far as it is known: nothing is started for it. */
export async function promptCommands(agentId: string, parts: Parts): Promise<PromptCommand[]> {
  const house = await parts.servers?.house()
  const own = house?.servers.filter((server) => server.isFor(agentId)) ?? []
  return own.flatMap((server) => server.prompts.map((prompt) => commandOf(server, prompt))).slice(0, MAX_COMMANDS)
}

function commandOf({ settings }: HouseServer, prompt: McpPrompt): PromptCommand {
  const takes = prompt.arguments.map(({ name, required }) =>
    required ? `<${seenLine(name, 60)}>` : `[${seenLine(name, 60)}]`,
  )
  return {
    name: toolName(settings.name, prompt.name).id,
    description: prompt.description ?? `A prompt of the MCP server ${settings.name}`,
    takes: takes.join(" "),
  }
}

/** The words with the prompt's text in the place of the command. Throws NOT_FOUND and INVALID_PARAMS, naming what there is. */
export async function withPrompt(
  input: readonly Part[],
  session: { agentId: string },
  room: { parts: Parts; cwd: string | undefined; signal: AbortSignal },
): Promise<Pick<TurnInput, "input" | "outside">> {
  const [first, ...rest] = input
  const [, id = "", words = ""] = /^\s*\/(\S+)\s*([\s\S]*)$/.exec(first?.type === "text" ? first.text : "") ?? []
  const { parts, signal } = room
  const server = await requireServer(id, session.agentId, parts)
  const cwd = room.cwd ?? requireAgent(session.agentId, parts).workspace
  // What it said in an earlier life may be less than it has.
  const known = server.prompts.some(({ name }) => name === readToolId(id)?.own)
  if (!known && server.state.state !== "connected") await server.connect(cwd, signal)
  const prompt = requirePrompt(id, server)
  const text = await promptText(server.asked(cwd), prompt.name, valuesOf(id, prompt, words), signal)
  if (text === "") throw new PincerError("UNAVAILABLE", `/${id} gave no words: see "pincer mcp prompt"`)
  const said: Part[] = [{ type: "text", text }, ...rest]
  return server.settings.trusted
    ? { input: said }
    : { input: said, outside: [{ source: "mcp", detail: id.slice(0, 200) }] }
}

async function requireServer(id: string, agentId: string, parts: Parts): Promise<HouseServer> {
  const named = readToolId(id)
  if (!named) throw new PincerError("INVALID_PARAMS", `"/${seenLine(id, 100)}" is not like /mcp:<server>:<prompt>`)
  const house = await parts.servers?.house()
  if (!house) throw new PincerError("NOT_FOUND", 'No MCP server is configured: add one with "pincer mcp add"')
  const server = house.server(named.label)
  if (server.isFor(agentId)) return server
  throw new PincerError(
    "NOT_FOUND",
    `MCP server "${named.label}" is not for the agent ${agentId}: see agents in its settings`,
  )
}

function requirePrompt(id: string, server: HouseServer): McpPrompt {
  const own = readToolId(id)?.own
  const { prompts, settings } = server
  const found = prompts.find(({ name }) => name === own)
  if (found) return found
  const ids = prompts.map(({ name }) => toolName(settings.name, name).id)
  const near = nearWords(id, ids)
  const some = ids.slice(0, 10).map((one) => `/${one}`)
  const hint =
    near.length > 0
      ? `did you mean ${near.map((one) => `/${one}`).join(" or ")}?`
      : some.length > 0
        ? `there are ${some.join(", ")}`
        : `MCP server "${settings.name}" has none`
  throw new PincerError("NOT_FOUND", `No prompt "/${seenLine(id, 100)}": ${hint}`)
}

/** `name=value` fills the blank of that name, other words the blanks in their order; what is left over belongs to the last one. */
function valuesOf(id: string, prompt: McpPrompt, text: string): Record<string, string> {
  const blanks = prompt.arguments.map(({ name }) => name)
  const values = new Map<string, string>()
  const plain: string[] = []
  for (const word of splitWords(text)) {
    const [, name = "", value = ""] = /^([^=]+)=([\s\S]*)$/.exec(word) ?? []
    if (blanks.includes(name)) values.set(name, value)
    else plain.push(word)
  }
  const open = blanks.filter((name) => !values.has(name))
  if (plain.length > 0 && open.length === 0) throw new PincerError("INVALID_PARAMS", tooMany(id, plain, blanks))
  for (const [i, name] of open.entries()) {
    const value = i === open.length - 1 ? plain.slice(i).join(" ") : plain[i]
    if (value !== undefined && (value !== "" || plain.length > i)) values.set(name, value)
  }
  const missing = prompt.arguments.find(({ name, required }) => required && !values.has(name))
  if (!missing) return Object.fromEntries(values)
  const what = missing.description === undefined ? "" : ` (${missing.description})`
  const name = seenLine(missing.name, 60)
  throw new PincerError("INVALID_PARAMS", `/${id} needs ${name}${what}: type /${id} ${name}=…`, {
    details: { argument: missing.name },
  })
}

function tooMany(id: string, words: readonly string[], blanks: readonly string[]): string {
  const taken =
    blanks.length === 0 ? "takes no words" : `takes ${blanks.map((one) => seenLine(one, 60)).join(", ")} and no more`
  return `/${id} ${taken}: leave out "${seenLine(words.join(" "), 60)}"`
}

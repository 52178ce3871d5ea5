// Resources and prompts of MCP servers: read with distrust like their tools, for models as two tools of ours for each server, and for
// people through the gateway's methods.
import { z } from "zod"
import { isObject } from "../../base/json.ts"
import { CappedText } from "../../base/process.ts"
import type { Tool, ToolResult } from "../tool.ts"
import type { ListMethod } from "./connection.ts"
import { aboutServer } from "./names.ts"
import type { CallContext } from "./ports.ts"
import { readResult } from "./result.ts"
import { seen, seenLine } from "./words.ts"

const MAX_LISTED = 1_000
const MAX_URI = 4_000
const MAX_PROMPT_MESSAGES = 100
const MAX_PROMPT_CHARS = 200_000

/** What may be asked of a server besides its tools. */
export interface Listable {
  request(method: string, params: Record<string, unknown>, signal: AbortSignal): Promise<Record<string, unknown>>
  list(method: ListMethod, key: string, signal: AbortSignal): Promise<unknown[]>
}

export interface McpResource {
  /** An address, or with `template` a pattern of addresses. */
  uri: string
  name: string
  template: boolean
  description?: string
  mimeType?: string
}

export interface McpPrompt {
  name: string
  description?: string
  arguments: { name: string; description?: string; required: boolean }[]
}

export async function listResources(server: Listable, signal: AbortSignal): Promise<McpResource[]> {
  const resources = await server.list("resources/list", "resources", signal)
  // Servers without templates may not know the question.
  const templates = await server
    .list("resources/templates/list", "resourceTemplates", signal)
    .catch((error: unknown) => (signal.aborted ? Promise.reject(error) : []))
  return [
    ...resources.flatMap((one) => resourceOf(one, "uri", false)),
    ...templates.flatMap((one) => resourceOf(one, "uriTemplate", true)),
  ].slice(0, MAX_LISTED)
}

function resourceOf(raw: unknown, key: string, template: boolean): McpResource[] {
  const uri = isObject(raw) ? raw[key] : undefined
  if (!isObject(raw) || typeof uri !== "string" || uri.length > MAX_URI) return []
  const { description, mimeType, name, title } = raw
  const called = typeof title === "string" ? title : typeof name === "string" ? name : ""
  return [
    {
      uri: seenLine(uri, MAX_URI),
      name: seenLine(called, 200),
      template,
      ...(typeof description === "string" ? { description: seenLine(description, 500) } : {}),
      ...(typeof mimeType === "string" ? { mimeType: seenLine(mimeType, 100) } : {}),
    },
  ]
}

/** What is read at an address, as a result that a model reads. */
export async function readResource(
  server: Listable,
  name: string,
  uri: string,
  { maxChars, signal }: { maxChars: number; signal: AbortSignal },
): Promise<ToolResult> {
  const answer = await server.request("resources/read", { uri }, signal)
  const contents = Array.isArray(answer["contents"]) ? (answer["contents"] as readonly unknown[]) : []
  return readResult({ content: contents.map((resource) => ({ type: "resource", resource })) }, name, maxChars)
}

export async function listPrompts(server: Listable, signal: AbortSignal): Promise<McpPrompt[]> {
  return readPrompts(await server.list("prompts/list", "prompts", signal))
}

export function readPrompts(prompts: readonly unknown[]): McpPrompt[] {
  return prompts.slice(0, MAX_LISTED).flatMap((raw) => {
    if (!isObject(raw) || typeof raw["name"] !== "string" || raw["name"] === "") return []
    const { arguments: args, description, name } = raw
    const fields = Array.isArray(args) ? (args as readonly unknown[]).filter(isObject) : []
    return [
      {
        name,
        ...(typeof description === "string" ? { description: seenLine(description, 500) } : {}),
        arguments: fields.slice(0, 50).flatMap((field) => {
          if (typeof field["name"] !== "string") return []
          const said = field["description"]
          return [
            {
              name: field["name"],
              ...(typeof said === "string" ? { description: seenLine(said, 300) } : {}),
              required: field["required"] === true,
            },
          ]
        }),
      },
    ]
  })
}

/** A prompt as text to send: its messages one after the other, each with who says it where that is not the user alone. */
export async function promptText(
  server: Listable,
  name: string,
  args: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const answer = await server.request("prompts/get", { name, arguments: { ...args } }, signal)
  const messages = Array.isArray(answer["messages"]) ? (answer["messages"] as readonly unknown[]).filter(isObject) : []
  const said = messages.slice(0, MAX_PROMPT_MESSAGES).map(({ content, role }) => {
    const blocks = Array.isArray(content) ? content : [content]
    const { content: read } = readResult({ content: blocks }, "", MAX_PROMPT_CHARS)
    return { role, text: read.map((part) => (part.type === "text" ? part.text : `[${part.mimeType}]`)).join("\n") }
  })
  const several = said.some(({ role }) => role === "assistant")
  const text = said.map((one) =>
    several ? `${one.role === "assistant" ? "Assistant" : "User"}: ${one.text}` : one.text,
  )
  return seen(text.join("\n\n"), MAX_PROMPT_CHARS)
}

const MAX_OFFERED = 100

/** What a server offers for the value of a blank; nothing where it offers no such help. Never throws but for the signal. */
export async function completions(
  server: Listable,
  name: string,
  argument: { name: string; value: string },
  filled: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string[]> {
  const params = { ref: { type: "ref/prompt", name }, argument, context: { arguments: { ...filled } } }
  try {
    const { completion } = await server.request("completion/complete", params, signal)
    const values =
      isObject(completion) && Array.isArray(completion["values"]) ? (completion["values"] as unknown[]) : []
    return values.flatMap((one) => (typeof one === "string" ? [seenLine(one, 500)] : [])).slice(0, MAX_OFFERED)
  } catch {
    signal.throwIfAborted()
    // Most servers do not know the question.
    return []
  }
}

/** What models get of a server that has resources. `of`: the connection for the folder that a call works in. */
export function resourceTools(
  server: string,
  of: (cwd: string) => Listable & { busy?: number },
  trusted: boolean,
): readonly Tool[] {
  const about = `[MCP server "${seenLine(server, 60)}"]`
  const base = {
    aliases: [],
    class: "network" as const,
    from: "mcp" as const,
    effect: "read" as const,
    ...(trusted ? { trusted } : {}),
    touch: async () => ({ reads: [], writes: [], hosts: [] }),
  }
  const list = aboutServer(server, "resources/list")
  const read = aboutServer(server, "resources/read")
  const lister: Tool = {
    ...base,
    name: list.id,
    spoken: list.spoken,
    description: `${about} Lists what can be read from it: addresses, and patterns of addresses.`,
    args: z.object({}),
    title: () => `${server}: list resources`,
    run: async (_args, context) => listing(await listResources(of(context.cwd), context.signal), context),
  }
  const reader: Tool<{ uri: string }> = {
    ...base,
    name: read.id,
    spoken: read.spoken,
    description: `${about} Reads one of its resources.`,
    args: z.object({ uri: z.string().min(1).max(MAX_URI).describe("The resource's address") }),
    title: ({ uri }) => `${server}: read ${seenLine(uri, 200)}`,
    run: ({ uri }, { cwd, settings, signal }) =>
      readResource(of(cwd), server, uri, { maxChars: settings.maxOutputChars, signal }),
  }
  return [lister, reader as unknown as Tool]
}

function listing(resources: readonly McpResource[], { settings }: Pick<CallContext, "settings">): ToolResult {
  const text = new CappedText(settings.maxOutputChars)
  if (resources.length === 0) text.add("(It has no resources.)")
  for (const { description, mimeType, name, template, uri } of resources) {
    const more = [template ? "pattern" : "", name, mimeType, description].filter((one) => one)
    text.add(`${uri}${more.length > 0 ? ` (${more.join("; ")})` : ""}\n`)
  }
  return { content: [{ type: "text", text: text.toString().trimEnd() }], isError: false }
}

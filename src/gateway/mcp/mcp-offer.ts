// What Pincer offers to MCP clients: its conversations, and tools of the house that the owner chose. Every call goes the way of any
// other caller's: the method table with its scopes and limits, turns in their lanes, policy for each call of a tool.
import type { Server, ServerContext } from "@modelcontextprotocol/server"
import { agentTools } from "../../agent/turn-tools.ts"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { isObject } from "../../base/json.ts"
import { matchesAny } from "../../policy/tool-names.ts"
import type { ToolSpec } from "../../protocol/turn.ts"
import type { Tool } from "../../tools/tool.ts"
import { dispatch, type MethodTable } from "../dispatch.ts"
import { requireAgent, resolveSession } from "../inbound.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import { shownError } from "../shown.ts"
import { conversationTools, invoked, type McpTalk, type OfferedResult } from "./mcp-conversations.ts"

export type ServerLibrary = typeof import("@modelcontextprotocol/server")

/** One client's session of MCP. */
export interface McpClient {
  id: string
  parts: Parts
  methods: MethodTable
  /** Who asks, as the last request showed; the signal ends with the session. */
  caller(): Caller
}

const INSTRUCTIONS =
  "Pincer is a personal agent gateway. message_send says something to its agent and gives the answer; the conversation goes on in the same session unless another one is named. An answer that takes long is waited for with run_wait."

export function offerTo(library: ServerLibrary, client: McpClient): Server {
  const { parts } = client
  const server = new library.Server(
    { name: "pincer", title: "Pincer", version: parts.version },
    { capabilities: { tools: {} }, instructions: INSTRUCTIONS },
  )
  const conversation = new Map(conversationTools.map((tool) => [tool.name, tool]))
  server.setRequestHandler("tools/list", async (_request, context) => {
    const house = await houseTools(client, context.mcpReq.signal)
    const own = conversationTools.map(({ description, inputSchema, name, readOnly, title }) => ({
      ...{ name, title, description, inputSchema: { type: "object" as const, ...inputSchema } },
      annotations: { readOnlyHint: readOnly, openWorldHint: !readOnly },
    }))
    return { tools: [...own, ...house.map(({ spec }) => shown(spec))] }
  })
  server.setRequestHandler("tools/call", async ({ params }, context) => {
    const args = isObject(params.arguments) ? params.arguments : {}
    const ask = asker(client, context)
    try {
      const own = conversation.get(params.name)
      return own ? await own.run(args, ask) : await callHouse(client, params.name, args, ask)
    } catch (error) {
      const { code, message } = asPincerError(shownError(error, parts.redactor))
      if (!(error instanceof PincerError))
        parts.log.error({ err: error, tool: params.name }, "An MCP client's call failed")
      return { content: [{ type: "text" as const, text: `${code}: ${message}` }], isError: true }
    }
  })
  return server
}

function shown({ description, inputSchema, name }: ToolSpec) {
  return { name, description, inputSchema: { ...inputSchema, type: "object" as const } }
}

/** What a tool of conversations may use for one call. */
function asker(client: McpClient, { mcpReq }: ServerContext): McpTalk {
  const { methods, parts } = client
  const caller = client.caller()
  const signal = AbortSignal.any([mcpReq.signal, caller.signal])
  const token = mcpReq._meta?.progressToken
  let step = 0
  return {
    parts,
    signal,
    ownSession: `mcp:${client.id.slice(-12)}`,
    request: (method, params) =>
      dispatch(methods, method, params, {
        parts,
        // Rights are read anew with each call.
        caller: { ...caller, scopes: client.caller().scopes, signal },
        accept: () => undefined,
        follow: () => undefined,
      }),
    progress(message) {
      if (token === undefined) return
      step += 1
      const params = { progressToken: token, progress: step, message }
      mcpReq
        .notify({ method: "notifications/progress", params })
        .catch((error: unknown) => parts.log.debug({ err: error }, "An MCP client was not told of progress"))
    },
  }
}

/** Tools of the default agent that the owner chose to offer. */
async function houseTools({ parts }: McpClient, signal: AbortSignal): Promise<{ tool: Tool; spec: ToolSpec }[]> {
  const chosen = parts.config.mcpServe.tools
  if (chosen.length === 0) return []
  const profile = requireAgent(parts.config.agents.default, parts)
  const { byName, specs } = await agentTools(parts, profile, profile.workspace, signal)
  const taken = new Set(conversationTools.map(({ name }) => name))
  return specs.flatMap((spec) => {
    const tool = byName.get(spec.name)
    return tool && !taken.has(spec.name) && !tool.question && matchesAny(chosen, tool.name) ? [{ tool, spec }] : []
  })
}

async function callHouse(
  client: McpClient,
  name: string,
  args: Record<string, unknown>,
  ask: McpTalk,
): Promise<OfferedResult> {
  const { parts } = client
  const found = (await houseTools(client, ask.signal)).find(({ spec }) => spec.name === name)
  if (!found) throw new PincerError("NOT_FOUND", `No tool "${name}" is offered: mcpServe.tools says which ones are`)
  const { key } = await resolveSession({ sessionKey: ask.ownSession }, parts)
  const params = { sessionKey: key, name: found.tool.name, args, idempotencyKey: uuid(parts.clock.now()) }
  return invoked(await ask.request("tools.invoke", params))
}

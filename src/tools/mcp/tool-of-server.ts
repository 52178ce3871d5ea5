// A tool of an MCP server as a tool of ours. What it does nobody here knows: it is judged as one that reaches anything over the network,
// whatever the server says of it, and never repeated by itself.
import { z } from "zod"
import { excerpt } from "../../base/text.ts"
import type { Tool, ToolResult } from "../tool.ts"
import type { ListedTool } from "./listing.ts"
import type { CallContext } from "./ports.ts"

export type McpCall = (listed: ListedTool, args: Record<string, unknown>, context: CallContext) => Promise<ToolResult>

export function toolOfServer(server: string, listed: ListedTool, call: McpCall, trusted = false): Tool {
  const { check, description, fingerprint, id, inputSchema, ownName, spoken } = listed
  return {
    name: id,
    spoken,
    aliases: [],
    class: "network",
    from: "mcp",
    ...(trusted ? { trusted } : {}),
    effect: "once",
    description,
    inputSchema,
    fingerprint,
    args: z.record(z.string(), z.unknown()).superRefine((args, refusal) => {
      const problem = check(args)
      if (problem !== undefined) refusal.addIssue({ code: "custom", message: problem })
    }),
    title: (args) => excerpt(`${server}: ${ownName} ${JSON.stringify(args)}`, 300),
    touch: async () => ({ reads: [], writes: [], hosts: [] }),
    run: (args, context) => call(listed, args, context),
  }
}

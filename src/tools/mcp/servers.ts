// MCP servers as tools: all are connected side by side, and what is wrong with one is a problem and no failure of the others.
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { Tool } from "../tool.ts"
import { serverLabels } from "./names.ts"
import { MAX_SERVERS, type McpPorts } from "./ports.ts"
import { ServerTools } from "./server-tools.ts"

const MAX_PROBLEMS = 100

export interface McpProblem {
  /** The server's name. */
  server: string
  /** A sentence for people; may quote the server. */
  message: string
}

export interface McpServers {
  /** As they are now; servers may change them. */
  readonly tools: readonly Tool[]
  /** All so far, the newest so many. */
  readonly problems: readonly McpProblem[]
  /** Ends every server. Resolves when nothing of them runs any more. Never throws. */
  close(): Promise<void>
}

/** Resolves when every server is connected and listed, or given up (15 seconds). Never throws. */
export async function openMcpServers(servers: readonly McpServer[], ports: McpPorts): Promise<McpServers> {
  const problems: McpProblem[] = []
  const taken = servers.slice(0, MAX_SERVERS)
  const labels = serverLabels(taken.map((server) => server.name))
  let open = false
  const tell = (server: string, message: string) => {
    problems.push({ server, message })
    if (problems.length > MAX_PROBLEMS) problems.shift()
    if (open) ports.onToolsChanged?.({ server, redefined: [] })
  }
  for (const { name } of servers.slice(MAX_SERVERS))
    tell(name, `Only ${MAX_SERVERS} MCP servers are connected at a time`)
  const all = taken.map(
    (server, at) =>
      new ServerTools({ name: server.name, reach: () => server }, labels[at]!, ports, (text) =>
        tell(server.name, text),
      ),
  )
  await Promise.all(all.map((one) => one.open()))
  open = true
  return {
    get tools() {
      return all.flatMap((one) => one.tools)
    },
    problems,
    async close() {
      await Promise.all(all.map((one) => one.close()))
    },
  }
}

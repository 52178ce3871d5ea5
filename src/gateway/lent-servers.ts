// Opens the MCP servers that a client names when it lends. The client library is loaded when the first one is there.
import type { McpPorts } from "../tools/mcp/ports.ts"
import type { LendingPorts } from "./lending.ts"

export function serverOpener(ports: Pick<McpPorts, "clock" | "log" | "env" | "version">): LendingPorts["openServers"] {
  return async (servers, { ask, cwd, roots }) => {
    const { openMcpServers } = await import("../tools/mcp/servers.ts")
    return openMcpServers(servers, { ...ports, cwd, roots, ...(ask ? { ask } : {}) })
  }
}

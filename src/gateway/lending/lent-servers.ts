// Opens the MCP servers that a client names when it lends. The client library is loaded when the first one is there. What servers say is
// shown without secrets: those of this gateway, and those that the client gave them.
import { openRedactor, type Redactor } from "../../base/redact.ts"
import { knownSecrets } from "../../config/known-secrets.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { McpPorts } from "../../tools/mcp/ports.ts"
import type { LendingPorts } from "./lending.ts"

export interface OpenerPorts extends Pick<McpPorts, "clock" | "log" | "env" | "version"> {
  redactor: Redactor
}

/** The environment is that of the moment at which a server is opened. */
export function serverOpener(parts: OpenerPorts): LendingPorts["openServers"] {
  return async (servers, { ask, cwd, roots }) => {
    const { redactor, ...ports } = parts
    const { openMcpServers } = await import("../../tools/mcp/servers.ts")
    const given = openRedactor({ secrets: servers.flatMap(secretsOf) })
    const clean = (text: string) => given.text(redactor.text(text))
    const redefined = new Map<string, Set<string>>()
    const opened = await openMcpServers(servers, {
      ...ports,
      cwd,
      roots,
      ...(ask ? { ask } : {}),
      onToolsChanged({ redefined: tools, server }) {
        if (tools.length === 0) return
        redefined.set(server, new Set([...(redefined.get(server) ?? []), ...tools]))
      },
    })
    return {
      get tools() {
        return opened.tools
      },
      get problems() {
        return opened.problems.map(({ message, server }) => ({ server, message: clean(message) }))
      },
      takeRedefined() {
        const taken = [...redefined].map(([server, tools]) => ({ server, tools: [...tools].map(clean) }))
        redefined.clear()
        return taken
      },
      close: () => opened.close(),
    }
  }
}

/** What a client gave to a server that looks like a secret. */
function secretsOf(server: McpServer): string[] {
  const config = server.type === "stdio" ? { env: server.env } : { url: server.url, headers: server.headers }
  return [...knownSecrets({ config, env: {}, base: "/" })]
}

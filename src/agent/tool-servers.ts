// Where tools come from that are neither ours nor lent by a client: MCP servers that the configuration names.
import type { Tool } from "../tools/tool.ts"
import type { RedefinedTools } from "./lent.ts"

export interface ToolServers {
  /** As they are offered to this agent now. Waits, within bounds, only for servers that never said what they have. Never throws. */
  tools(agentId: string, cwd: string, signal: AbortSignal): Promise<readonly Tool[]>
  /** Tools that say something else of themselves than before; each change is given once. */
  takeRedefined(agentId: string): RedefinedTools[]
}

// The tools that listings show: ours, and those of MCP servers as far as they are known without starting one.
import { matchesAny } from "../../policy/tool-names.ts"
import type { Tool } from "../../tools/tool.ts"
import { requireAgent } from "../inbound.ts"
import type { Parts } from "../parts.ts"

/** Of one agent, or all that any agent may have. Throws NOT_FOUND for an unknown agent. */
export async function knownTools(agentId: string | undefined, parts: Parts): Promise<Tool[]> {
  const foreign = (await parts.servers?.known(agentId)) ?? []
  const only = agentId === undefined ? undefined : requireAgent(agentId, parts).tools
  if (!only) return [...parts.tools, ...foreign]
  const own = parts.tools.filter(({ aliases, name }) => [name, ...aliases].some((one) => only.includes(one)))
  return [...own, ...foreign.filter(({ name }) => matchesAny(only, name))]
}

// The tools of one turn: those of its agent, those of the MCP servers that the agent has, and what the client that started it lends.
import { jsonSchema } from "../base/schema.ts"
import { matchesAny } from "../policy/tool-names.ts"
import type { ToolSpec, TurnRequest } from "../protocol/turn.ts"
import type { Tool } from "../tools/tool.ts"
import type { AgentProfile } from "./agent.ts"
import { type Lent, redefinedNotice } from "./lent.ts"
import type { Ports } from "./ports.ts"
import type { TurnScope } from "./scope.ts"

export interface ToolTable {
  /** By name and alias. */
  byName: ReadonlyMap<string, Tool>
  /** As the model sees them. */
  specs: ToolSpec[]
}

const tables = new WeakMap<AgentProfile, ToolTable>()

/** The tools of an agent; made once per agent. */
export function toolTable(tools: readonly Tool[], profile: AgentProfile): ToolTable {
  const made = tables.get(profile)
  if (made) return made
  const wanted = tools.filter(
    (tool) => !profile.tools || [tool.name, ...tool.aliases].some((name) => profile.tools!.includes(name)),
  )
  const table = { byName: named(wanted), specs: wanted.map(specOf) }
  tables.set(profile, table)
  return table
}

/** The same with tools of MCP servers: all that the agent has. */
export async function agentTools(
  { servers, tools }: Pick<Ports, "servers" | "tools">,
  profile: AgentProfile,
  cwd: string,
  signal: AbortSignal,
): Promise<ToolTable> {
  const table = toolTable(tools, profile)
  const foreign = (await servers?.tools(profile.id, cwd, signal)) ?? []
  return withLent(
    table,
    foreign.filter(({ name }) => !profile.tools || matchesAny(profile.tools, name)),
  )
}

/** Tells the session what changed in the servers' tools since they were offered. */
export async function tellRedefined({ servers }: Ports, scope: TurnScope, agentId: string): Promise<void> {
  const redefined = servers?.takeRedefined(agentId) ?? []
  if (redefined.length > 0) await scope.record(redefined.map(redefinedNotice))
}

/** What the turn's client lends to it, after the session was told what changed in it since it was offered. */
export async function lentTo(ports: Ports, scope: TurnScope, request: TurnRequest): Promise<Lent | undefined> {
  const lent = await ports.lent?.(request)
  const redefined = lent?.takeRedefined?.() ?? []
  if (redefined.length > 0) await scope.record(redefined.map(redefinedNotice))
  return lent
}

/** The same with tools that are lent. They stand beside the agent's own, and never in front of one. */
export function withLent(table: ToolTable, lent: readonly Tool[]): ToolTable {
  const added = lent.filter((tool) => !namesOf(tool).some((name) => table.byName.has(name)))
  if (added.length === 0) return table
  const foreign = added.map((tool): Tool => (tool.from === undefined ? { ...tool, from: "mcp" } : tool))
  return { byName: new Map([...named(foreign), ...table.byName]), specs: [...table.specs, ...foreign.map(specOf)] }
}

/** What the model is offered: what asks the user only while somebody can be asked. */
export function offeredSpecs({ byName, specs }: ToolTable, canAsk: boolean): ToolSpec[] {
  return canAsk ? specs : specs.filter(({ name }) => !byName.get(name)?.question)
}

function named(tools: readonly Tool[]): Map<string, Tool> {
  return new Map(tools.flatMap((tool) => namesOf(tool).map((name) => [name, tool] as const)))
}

function namesOf({ aliases, name, spoken }: Tool): string[] {
  return [name, ...(spoken === undefined ? [] : [spoken]), ...aliases]
}

function specOf(tool: Tool): ToolSpec {
  const { args, description, inputSchema, name, spoken = name } = tool
  return { name: spoken, description, inputSchema: inputSchema ?? jsonSchema(args) }
}

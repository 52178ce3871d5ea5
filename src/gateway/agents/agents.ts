// Which agents there are: those of the configuration, and external ones that are known by name and need none. The latter can all be
// named; shown are those that are installed.
import type { AgentFinding } from "../../acp/host/find.ts"
import type { KnownAgent } from "../../acp/host/known-agent.ts"
import { knownAgent, knownAgents } from "../../acp/host/known-agents.ts"
import type { AgentProfile } from "../../agent/agent.ts"
import type { Parts } from "../parts.ts"

type Rooms = Pick<Parts, "agents" | "config" | "finder">

/** One agent as listings show it. */
export interface AgentRow {
  id: string
  name: string
  workspace: string
  model: { primary: string; fallbacks: readonly string[] }
  tools: readonly string[]
  /** "acp": an external agent runs its turns. */
  runsOn: "model" | "acp"
  /** Existing clients know agents and the gateway's own helpers, of which there are none. */
  kind: "agent"
  /** Whether the configuration names it. */
  configured: boolean
  /** Whether it could start now, as far as can be told without starting it. */
  installed: boolean
  /** Of an external agent: what it is, how it is started, and how it is installed where it is not. */
  title?: string
  command?: readonly string[]
  version?: string
  from?: string
  install?: string
}

export function isConfigured(id: string, { config }: Pick<Parts, "config">): boolean {
  return id === config.agents.default || Object.hasOwn(config.agents.entries, id)
}

/** Those that the configuration names, and the default one. */
export function configuredAgents(parts: Pick<Parts, "agents" | "config">): AgentProfile[] {
  return [...parts.agents.values()].filter((agent) => isConfigured(agent.id, parts))
}

/** Those, and the known external agents that are installed on this machine. */
export async function usableAgents(parts: Rooms): Promise<AgentProfile[]> {
  const found = await Promise.all(
    [...parts.agents.values()].map(async (agent) => isConfigured(agent.id, parts) || (await findingOf(agent, parts))),
  )
  return [...parts.agents.values()].filter((_, i) => found[i] === true || isFound(found[i]))
}

function isFound(finding: AgentFinding | boolean | undefined): boolean {
  return typeof finding === "object" && finding.type === "found"
}

/** Who answers where nobody is named: a model of a service, or an external agent as "acp/<its name>". */
export function answering(
  parts: Pick<Parts, "agents" | "catalogue" | "config" | "standIn">,
): ReturnType<Parts["catalogue"]["chosen"]> {
  const id = parts.config.agents.default
  const hosted = parts.agents.get(id)?.hosted
  if (!hosted) return parts.catalogue.chosen()
  const model = hosted.known ?? id
  return { provider: "acp", model, why: parts.standIn?.why() ?? `acp/${model}: agents.entries.${id}.acp names it` }
}

/** When only the offline model could answer: who could do better, in one line. Nobody's paid agent is started unasked. */
export async function suggestion(
  parts: Pick<Parts, "agents" | "catalogue" | "config" | "finder" | "localModels" | "standIn">,
): Promise<string | undefined> {
  if (answering(parts).provider !== "offline") return undefined
  const local = parts.localModels?.suggestion()
  if (local !== undefined) return local
  const installed = await installedAgents(parts)
  const [first] = installed
  if (!first) return undefined
  const titles = installed.map((agent) => agent.title)
  const are = titles.length === 1 ? "is" : "are"
  return `${titles.join(", ")} ${are} installed and can answer: pincer ask --agent ${first.name} "…"`
}

/** Titles of known external agents that are installed, in the order of the table. */
export async function installedAgents({ finder }: Pick<Parts, "finder">): Promise<KnownAgent[]> {
  const findings = await Promise.all(knownAgents.map((agent) => finder.find(agent)))
  return knownAgents.filter((_, i) => findings[i]?.type === "found")
}

/** `all`: also known agents that are not installed. */
export async function agentRows(
  parts: Rooms & Pick<Parts, "catalogue" | "tools">,
  options: { all?: boolean } = {},
): Promise<AgentRow[]> {
  const rows = await Promise.all([...parts.agents.values()].map((agent) => rowOf(agent, parts)))
  return rows.filter((row) => row.configured || row.installed || options.all)
}

async function rowOf(agent: AgentProfile, parts: Rooms & Pick<Parts, "catalogue" | "tools">): Promise<AgentRow> {
  const { fallbacks, hosted, id, name, workspace } = agent
  const configured = isConfigured(id, parts)
  if (!hosted) {
    const chosen = parts.catalogue.chosen()
    const primary = agent.model ?? `${chosen.provider}/${chosen.model}`
    const tools = agent.tools ?? parts.tools.map((tool) => tool.name)
    return {
      id,
      name,
      workspace,
      model: { primary, fallbacks },
      tools,
      kind: "agent",
      runsOn: "model",
      configured,
      installed: true,
    }
  }
  const known = hosted.known === undefined ? undefined : knownAgent(hosted.known)
  const finding = await findingOf(agent, parts)
  const command = finding?.type === "found" ? finding.argv : (hosted.command ?? known?.command)
  return {
    id,
    name,
    workspace,
    model: { primary: agent.model ?? `acp/${hosted.known ?? id}`, fallbacks },
    tools: agent.tools ?? [],
    kind: "agent",
    runsOn: "acp",
    configured,
    installed: finding?.type !== "missing",
    ...(known ? { title: known.title } : {}),
    ...(command ? { command } : {}),
    ...(finding?.type === "found" && finding.version !== undefined ? { version: finding.version } : {}),
    ...(finding?.type === "found" ? { from: finding.from } : {}),
    ...(finding?.type === "missing" ? { install: finding.install } : {}),
  }
}

/** Undefined for agents that are started by a command of the owner's own, and for those of ours. */
async function findingOf({ hosted }: AgentProfile, { finder }: Pick<Parts, "finder">) {
  const known = hosted?.command || hosted?.known === undefined ? undefined : knownAgent(hosted.known)
  return known && finder.find(known)
}

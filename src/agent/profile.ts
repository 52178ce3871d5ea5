// Agents: configured minds. Made once per configuration; a session's key says which one it belongs to.
import { join } from "node:path"
import type { Sampling, TurnLimits } from "../protocol/turn.ts"
import type { AgentProfile } from "./agent.ts"

/** One agent as the configuration says it; every field optional. */
export interface AgentSettings {
  name?: string
  model?: string
  fallbacks?: string[]
  workspace?: string
  systemPrompt?: string
  tools?: string[]
  thinking?: Sampling["thinking"]
  temperature?: number
  maxOutputTokens?: number
  limits?: Partial<TurnLimits>
}

export interface AgentsSettings {
  default: string
  defaults: AgentSettings & { limits: TurnLimits }
  entries: Record<string, AgentSettings>
}

/** All agents by id; the default agent is always there. `home` holds the workspaces of agents that name none. */
export function buildProfiles(settings: AgentsSettings, home: string): Map<string, AgentProfile> {
  const ids = new Set([settings.default, ...Object.keys(settings.entries)])
  return new Map([...ids].map((id) => [id, buildProfile(id, settings, home)]))
}

function buildProfile(id: string, settings: AgentsSettings, home: string): AgentProfile {
  const own = { ...settings.defaults, ...settings.entries[id] }
  const workspace = own.workspace ?? (id === settings.default ? join(home, "workspace") : join(home, `workspace-${id}`))
  return {
    id,
    name: own.name ?? id,
    model: own.model,
    fallbacks: own.fallbacks ?? [],
    workspace,
    systemPrompt: own.systemPrompt,
    tools: own.tools,
    sampling: {
      ...(own.thinking === undefined ? {} : { thinking: own.thinking }),
      ...(own.temperature === undefined ? {} : { temperature: own.temperature }),
      ...(own.maxOutputTokens === undefined ? {} : { maxOutputTokens: own.maxOutputTokens }),
    },
    limits: { ...settings.defaults.limits, ...settings.entries[id]?.limits },
  }
}

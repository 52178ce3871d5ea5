// Agents: configured minds. Made once per configuration; a session's key says which one it belongs to.
import { join } from "node:path"
import type { Sampling, TurnLimits } from "../protocol/turn.ts"
import type { AgentProfile } from "./agent.ts"
import { type HostedSettings, type Hosting, hostedProfile } from "./hosted-profile.ts"

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
  /** An external agent runs its turns. */
  acp?: HostedSettings
}

export interface AgentsSettings {
  default: string
  defaults: AgentSettings & { limits: TurnLimits }
  entries: Record<string, AgentSettings>
}

/**
 * All agents by id: those of the configuration, the default one among them in any case, and after them the known external agents
 * under their own names. `home` holds the workspaces of agents that name none. Throws INVALID_PARAMS for an external agent that
 * nobody knows.
 */
export function buildProfiles(
  settings: AgentsSettings,
  home: string,
  hosting: Hosting = { known: [], secret: () => "" },
): Map<string, AgentProfile> {
  const ids = new Set([settings.default, ...Object.keys(settings.entries), ...hosting.known.map((one) => one.name)])
  return new Map([...ids].map((id) => [id, buildProfile(id, settings, home, hosting)]))
}

function buildProfile(id: string, settings: AgentsSettings, home: string, hosting: Hosting): AgentProfile {
  const hosted = hostedProfile(id, settings.entries[id]?.acp, hosting)
  const own = { ...settings.defaults, ...settings.entries[id] }
  const workspace = own.workspace ?? (id === settings.default ? join(home, "workspace") : join(home, `workspace-${id}`))
  return {
    id,
    name: own.name ?? titleOf(hosted?.known, hosting) ?? id,
    // An external agent has models of its own: only what its own entry says is meant for it.
    model: hosted ? settings.entries[id]?.model : own.model,
    fallbacks: hosted ? (settings.entries[id]?.fallbacks ?? []) : (own.fallbacks ?? []),
    workspace,
    systemPrompt: own.systemPrompt,
    tools: own.tools,
    sampling: {
      ...(own.thinking === undefined ? {} : { thinking: own.thinking }),
      ...(own.temperature === undefined ? {} : { temperature: own.temperature }),
      ...(own.maxOutputTokens === undefined ? {} : { maxOutputTokens: own.maxOutputTokens }),
    },
    limits: { ...settings.defaults.limits, ...settings.entries[id]?.limits },
    ...(hosted ? { hosted } : {}),
  }
}

function titleOf(known: string | undefined, hosting: Hosting): string | undefined {
  return hosting.known.find((one) => one.name === known)?.title
}

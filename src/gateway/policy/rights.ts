// What the agent room may ask about rights, answered from the configuration, the store, the sandbox and the audit.

import type { Elevations } from "../../agent/elevation.ts"
import type { Rights } from "../../agent/rights.ts"
import type { Clock } from "../../base/clock.ts"
import type { LayerSettings, PolicySettings } from "../../config/policy.ts"
import type { Config } from "../../config/schema.ts"
import { type PermissionLayer, resolvePermissions } from "../../policy/permissions.ts"
import type { PolicyLayer } from "../../policy/rules.ts"
import type { AuditEntry } from "../../protocol/audit.ts"
import type { Permissions } from "../../protocol/permission.ts"
import type { Origin } from "../../protocol/turn.ts"
import type { Sandbox } from "../../sandbox/index.ts"
import type { Books } from "../../store/open.ts"
import type { SessionRow } from "../../store/store.ts"
import type { LiveConfig } from "../config/live-config.ts"
import { AuditedEgress } from "./audited-egress.ts"

export interface RightsParts {
  live: Pick<LiveConfig, "current">
  books: Books
  sandbox: Sandbox
  elevations: Elevations
  clock: Clock
}

/** Where a session keeps what it was given of the six dimensions. */
export const SESSION_PERMISSIONS = "permissions"

export function openRights({ books, clock, live, elevations, sandbox }: RightsParts): Rights {
  const audit = async (entry: AuditEntry) => void (await books.audit.record(entry))
  const profileOf = (agentId: string) => {
    const { defaults, entries } = live.current().agents
    return sandbox.profile(entries[agentId]?.sandbox ?? defaults.sandbox)
  }
  return {
    permissions: ({ request, session }) =>
      resolvePermissions([
        ...configuredPermissions(live.current(), request.agentId, request.origin),
        ...sessionPermissions(session),
        ...(request.permissions ? [{ source: "request", permissions: request.permissions }] : []),
      ]),
    layers: ({ model, provider, request }) =>
      policyLayers(live.current(), request.agentId, request.origin, provider, model),
    grants: async (agentId, sessionKey) => {
      const rows = await books.grants.inForce(agentId, sessionKey)
      return rows
    },
    elevation: (sessionKey) => elevations.of(sessionKey),
    async sandbox(agentId) {
      const report = await sandbox.report()
      const profile = profileOf(agentId)
      return {
        available: report.available,
        profile: profile.name,
        workspace: profile.workspace,
        network: profile.network.length + profile.loopbackPorts.length > 0,
        detail: report.detail,
        ...(report.install === undefined ? {} : { install: report.install }),
      }
    },
    async confine(where, program) {
      const profile = sandbox.profile(where.profile)
      const gate = new AuditedEgress(where, (entry) => audit({ ...entry, at: clock.now() }))
      const confined = await sandbox.confine({ program, workspace: where.workspace, profile, egress: gate })
      return { ...confined, close: () => confined.close().finally(() => gate.close()) }
    },
    used: (of) => books.audit.count({ ...of, type: "effect" }),
    audit,
    elevatedUse: (elevation, entry) => elevations.used(elevation, entry),
    utcOffsetMinutes: (at) => -new Date(at).getTimezoneOffset(),
  }
}

/** What the configuration gives an agent for what comes from there: from broad to narrow. */
export function configuredPermissions(config: Config, agentId: string, origin: Origin): PermissionLayer[] {
  const { defaults, entries } = config.agents
  const layers: PermissionLayer[] = [
    // The newcomer's agent has all its hands, and writing asks.
    { source: "built in", permissions: { mode: "approve-reads", allowedTools: [] } },
  ]
  const add = (source: string, permissions: Permissions | undefined) => {
    if (permissions) layers.push({ source, permissions })
  }
  add("agents.defaults.permissions", defaults.permissions)
  add(`agents.entries.${agentId}.permissions`, entries[agentId]?.permissions)
  const { channel } = origin
  if (channel !== undefined)
    for (const [source, policy] of policiesOf(config, agentId))
      add(`${source}.byChannel.${channel}.permissions`, policy.byChannel?.[channel]?.permissions)
  return layers
}

/** What the session was given; stored as JSON text among its settings. */
export function sessionPermissions(session: Pick<SessionRow, "settings"> | undefined): PermissionLayer[] {
  const text = session?.settings[SESSION_PERMISSIONS]
  return text === undefined ? [] : [{ source: "session", permissions: JSON.parse(text) as Permissions }]
}

function policiesOf({ agents, policy }: Config, agentId: string): [string, PolicySettings][] {
  const { defaults, entries } = agents
  const found: [string, PolicySettings | undefined][] = [
    ["policy", policy],
    ["agents.defaults.policy", defaults.policy],
    [`agents.entries.${agentId}.policy`, entries[agentId]?.policy],
  ]
  return found.filter((entry): entry is [string, PolicySettings] => entry[1] !== undefined)
}

/** Every rule that holds for this asker, from broad to narrow. */
export function policyLayers(
  config: Config,
  agentId: string,
  origin: Origin,
  provider: string | undefined,
  model: string | undefined,
): PolicyLayer[] {
  const layers: PolicyLayer[] = []
  const add = (source: string, settings: LayerSettings | undefined, about?: PolicyLayer["about"]) => {
    if (settings && Object.keys(settings).length > 0)
      layers.push({ ...settings, source, ...(about === undefined ? {} : { about }) })
  }
  const services = provider === undefined ? [] : [provider, `${provider}/${model ?? ""}`]
  for (const [source, { byChannel, byProvider, subAgents, ...own }] of policiesOf(config, agentId)) {
    add(source, own)
    for (const service of services) add(`${source}.byProvider.${service}`, byProvider?.[service])
    const channel = origin.channel === undefined ? undefined : byChannel?.[origin.channel]
    if (channel) {
      const { bySender, permissions: _, ...rest } = channel
      const place = `${source}.byChannel.${origin.channel}`
      add(place, rest, "channel")
      if (origin.sender !== undefined) add(`${place}.bySender.${origin.sender}`, bySender?.[origin.sender], "sender")
    }
    if (origin.parentTurnId !== undefined) add(`${source}.subAgents`, subAgents, "subAgents")
  }
  return layers
}

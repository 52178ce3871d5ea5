// What the configuration says of heartbeats. Read at every look at health, so nothing heavy is here.
import type { HeartbeatSettings } from "../../config/autonomy.ts"
import type { Config } from "../../config/schema.ts"

/** What counts for the heartbeat of one agent. */
export function heartbeatOf({ agents }: Config, agentId: string): HeartbeatSettings {
  const own = agents.entries[agentId]?.heartbeat ?? {}
  const said = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined))
  return { ...agents.defaults.heartbeat, ...said }
}

/** The zone of rules that name none. */
export function zoneOf({ cron }: Config): string {
  return cron.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
}

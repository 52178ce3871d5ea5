// How the gateway is, as the health method, hello-ok and GET /health tell it. Facts only: no channels are listed while there
// are none. Asked thousands of times a second by some clients, so the answer is kept, as JSON text, for up to one second.
import type { SessionRow } from "../../store/store.ts"
import { configuredAgents } from "../agents/agents.ts"
import { RawJson } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import { isAutonomous, shownHeartbeatOf } from "../schedules/autonomy.ts"
import { heartbeatOf } from "../schedules/heartbeat-settings.ts"

const FRESH_MS = 1_000
const RECENT = 5

export type HealthSnapshot = Record<string, unknown> & { ok: boolean; status: "ok" | "degraded" }

interface SessionsShort {
  path: string
  count: number
  recent: { key: string; updatedAt: number; age: number }[]
}

export async function recentSessions(parts: Parts, agentId?: string): Promise<SessionsShort> {
  const now = parts.clock.now()
  const { sessions, total } = await parts.store.sessions.list({ agentId, limit: RECENT })
  const short = (row: SessionRow) => ({ key: row.key, updatedAt: row.updatedAt, age: Math.max(0, now - row.updatedAt) })
  return { path: parts.home, count: total, recent: sessions.map(short) }
}

/** The health object: the original gateway's fields and the simple dialect's `status, uptime, connections` (protocol §9.4). */
export async function healthSnapshot(parts: Parts): Promise<HealthSnapshot> {
  const started = parts.clock.now()
  const defaultAgentId = parts.config.agents.default
  const sessions = await recentSessions(parts)
  const configured = configuredAgents(parts)
  const agents = []
  for (const agent of configured)
    agents.push({
      agentId: agent.id,
      name: agent.name,
      isDefault: agent.id === defaultAgentId,
      heartbeat: shownHeartbeatOf(parts, agent.id),
      sessions: configured.length === 1 ? sessions : await recentSessions(parts, agent.id),
    })
  const now = parts.clock.now()
  const uptimeMs = now - parts.startedAt
  const uptime = Math.floor(uptimeMs / 1000)
  return {
    ok: true,
    status: parts.live.mode === "configured" ? "ok" : "degraded",
    configMode: parts.live.mode,
    ts: now,
    time: new Date(now).toISOString(),
    durationMs: now - started,
    version: parts.version,
    protocol: 4,
    uptime,
    uptime_seconds: uptime,
    uptimeMs,
    connections: parts.presence.connections,
    turns: parts.lanes.counts(),
    channels: {},
    channelOrder: [],
    channelLabels: {},
    heartbeatSeconds: isAutonomous(parts) ? heartbeatSeconds(parts.config, defaultAgentId) : 0,
    autonomous: isAutonomous(parts),
    defaultAgentId,
    agents,
    sessions,
  }
}

/** Between two heartbeats; 0 where there is none. */
function heartbeatSeconds(config: Parts["config"], agentId: string): number {
  const { enabled, everyMs } = heartbeatOf(config, agentId)
  return enabled ? everyMs / 1000 : 0
}

interface Kept {
  at: number
  payload: RawJson
}

const kept = new WeakMap<Parts, Kept>()

/** The health object as JSON text, at most one second old unless `fresh`. */
export async function healthPayload(parts: Parts, fresh = false): Promise<RawJson> {
  const now = parts.clock.now()
  const last = kept.get(parts)
  if (last !== undefined && !fresh && now - last.at < FRESH_MS && now >= last.at) return last.payload
  const payload = new RawJson(JSON.stringify(await healthSnapshot(parts)))
  kept.set(parts, { at: now, payload })
  return payload
}

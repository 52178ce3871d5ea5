// Whether work begins by itself in this gateway, and what of it there is.
import { isObject } from "../../base/json.ts"
import type { Parts } from "../parts.ts"
import { heartbeatOf } from "./heartbeat-settings.ts"

export interface AutonomyState {
  enabled: boolean
  reason: "default" | "configuration" | "safe-mode"
  switchedAt: string | null
  path: string
  heartbeats: { enabled: boolean; last: ({ ts: number } & Record<string, unknown>) | null }
  schedules: { active: number; nextAtMs: number | null }
}

/** In safe mode nothing does, whatever the file says. */
export function isAutonomous({ live }: Pick<Parts, "live">): boolean {
  return live.mode !== "safe" && live.current().autonomy.enabled
}

/** The same as health and status tell it. */
export function shownHeartbeatOf(parts: Pick<Parts, "config" | "live">, agentId: string) {
  const { ackMaxChars, enabled, everyMs, prompt, session } = heartbeatOf(parts.config, agentId)
  const on = enabled && isAutonomous(parts)
  return { enabled: on, every: `${everyMs / 60_000}m`, everyMs, prompt, target: session, ackMaxChars }
}

export async function autonomyOf(parts: Parts): Promise<AutonomyState> {
  const { live, schedules } = parts
  const enabled = isAutonomous(parts)
  const { switchedAt = null } = live.filed().autonomy
  const heartbeats = await schedules?.heartbeats()
  const ended = await heartbeats?.last()
  const beats = heartbeats?.isOn === true && heartbeats.wanted().agentIds.length > 0
  return {
    enabled,
    reason: live.mode === "safe" ? "safe-mode" : (await saysSo(live.text)) ? "configuration" : "default",
    switchedAt,
    path: parts.configPath,
    heartbeats: { enabled: enabled && beats, last: ended && heartbeats ? heartbeats.shown(ended) : null },
    schedules: schedules ? await schedules.outlook() : { active: 0, nextAtMs: null },
  }
}

async function saysSo(text: string | undefined): Promise<boolean> {
  const { parseDocument } = await import("../../config/document.ts")
  const value = text === undefined ? undefined : parseDocument(text).value
  const autonomy = isObject(value) ? value["autonomy"] : undefined
  return isObject(autonomy) && autonomy["enabled"] !== undefined
}

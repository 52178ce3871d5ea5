// The gates of elevated mode: what the configuration allows of it, to whom and for how long. Pure. The global gate decides; what stands
// with agents can only narrow it. A refusal names the gate and the key that would open it.
import { PincerError } from "../base/errors.ts"
import type { ElevatedLevel } from "../protocol/permission.ts"

export interface ElevatedGate {
  enabled: boolean
  allowFrom: Readonly<Record<string, readonly string[]>>
  maxMs: number
  full: boolean
}

/** The slice of the configuration. */
export interface ElevatedSettings {
  tools: { elevated: ElevatedGate }
  agents: {
    defaults: { elevated?: Partial<ElevatedGate> | undefined }
    entries: Readonly<Record<string, { elevated?: Partial<ElevatedGate> | undefined }>>
  }
}

/** Who wants it, as the door established it. */
export interface Wisher {
  /** "control", "cli", "openai" … */
  door: string
  clientId?: string
  deviceId?: string
  /** Of a message from a chat platform. */
  channel?: string
  sender?: string
}

interface Layer {
  key: string
  gate: Partial<ElevatedGate>
}

function layersOf({ tools, agents }: ElevatedSettings, agentId: string): Layer[] {
  const own = Object.hasOwn(agents.entries, agentId) ? agents.entries[agentId]?.elevated : undefined
  return [
    { key: "tools.elevated", gate: tools.elevated },
    { key: "agents.defaults.elevated", gate: agents.defaults.elevated ?? {} },
    { key: `agents.entries.${agentId}.elevated`, gate: own ?? {} },
  ]
}

/** The longest time for this agent, and the key that sets it. */
export function longestElevation(settings: ElevatedSettings, agentId: string): { maxMs: number; key: string } {
  let longest = { maxMs: settings.tools.elevated.maxMs, key: "tools.elevated.maxMs" }
  for (const { key, gate } of layersOf(settings, agentId))
    if (gate.maxMs !== undefined && gate.maxMs < longest.maxMs) longest = { maxMs: gate.maxMs, key: `${key}.maxMs` }
  return longest
}

/** Why this level cannot be had, or undefined. */
export function elevatedRefusal(
  settings: ElevatedSettings,
  wish: { agentId: string; level: ElevatedLevel; wisher: Wisher },
): PincerError | undefined {
  if (wish.level === "off") return undefined
  for (const layer of layersOf(settings, wish.agentId)) {
    const why = gateRefusal(layer, wish.level, wish.wisher)
    if (why) return new PincerError("PERMISSION_DENIED", why.text, { details: { gate: why.gate, key: why.key } })
  }
  return undefined
}

function gateRefusal({ key, gate }: Layer, level: ElevatedLevel, wisher: Wisher) {
  if (gate.enabled === false)
    return {
      gate: "enabled",
      key: `${key}.enabled`,
      text: `Elevated mode is switched off: ${key}.enabled is false in the configuration`,
    }
  if (level === "full" && gate.full === false)
    return {
      gate: "full",
      key: `${key}.full`,
      text: `Elevated "full" cannot be had: ${key}.full is false in the configuration; "ask" can`,
    }
  return senderRefusal(key, gate.allowFrom, wisher)
}

function senderRefusal(key: string, allowFrom: ElevatedGate["allowFrom"] | undefined, wisher: Wisher) {
  const { channel, door } = wisher
  const place = channel ?? door
  const listed = allowFrom && Object.hasOwn(allowFrom, place) ? allowFrom[place] : undefined
  // A door without an entry is governed by the caller's scopes; a channel must be named by the global gate.
  if (!listed && (channel === undefined || key !== "tools.elevated")) return undefined
  const names = channel === undefined ? [wisher.clientId, wisher.deviceId] : [wisher.sender]
  if (listed?.includes("*") || names.some((name) => name !== undefined && listed?.includes(name))) return undefined
  const who = names.find((name) => name !== undefined) ?? "somebody without a name"
  return {
    gate: "allowFrom",
    key: `${key}.allowFrom.${place}`,
    text: `Elevated mode is not open to ${who} on ${place}: add them to ${key}.allowFrom.${place} in the configuration`,
  }
}

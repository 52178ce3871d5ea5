// What the agent room asks of the rest of the house about rights: what the configuration, the session and the caller allow, what the
// sandbox can do here, what is remembered, and where each decision is written down. Made by the gateway's composition.

import type { ResolvedPermissions } from "../policy/permissions.ts"
import type { Grant, PolicyLayer } from "../policy/rules.ts"
import type { SandboxScene } from "../policy/scene.ts"
import type { AuditEntry } from "../protocol/audit.ts"
import type { Elevation } from "../protocol/permission.ts"
import type { TurnRequest } from "../protocol/turn.ts"
import type { SessionRow } from "../store/store.ts"
import type { Confined, Program } from "../tools/tool.ts"

/** Who wants something, for choosing the rules that hold for them. */
export interface Wanting {
  request: TurnRequest
  session: SessionRow
  /** Service and model that asked for the call. */
  provider: string | undefined
  model: string | undefined
}

export interface ConfineFor {
  agentId: string
  sessionKey: string
  turnId: string
  callId: string
  tool: string
  /** Name of the sandbox profile that policy chose. */
  profile: string
  /** Absolute, symlinks resolved. */
  workspace: string
}

export interface Rights {
  /** The six dimensions: configuration, agent, channel, session and request, in this order. */
  permissions(wanting: Wanting): ResolvedPermissions
  /** The rules that hold for this wanting, from broad to narrow. */
  layers(wanting: Wanting): readonly PolicyLayer[]
  /** What a human allowed for this session and for its agent. */
  grants(agentId: string, sessionKey: string): Promise<readonly Grant[]>
  /** The session's leave from the sandbox; undefined when it has none (any more). */
  elevation(sessionKey: string): Promise<Elevation | undefined>
  /** What the sandbox of this agent can do here and now. */
  sandbox(agentId: string): Promise<SandboxScene>
  /** Throws UNAVAILABLE rather than answer with a program that is not confined. */
  confine(where: ConfineFor, program: Program): Promise<Confined>
  /** Calls of a tool that were carried out since a time, by this session, agent or sender. */
  used(of: { tool: string; since: number; sessionKey?: string; agentId?: string; who?: string }): Promise<number>
  /** Resolves when the line is on disk. */
  audit(entry: AuditEntry): Promise<void>
  /** A use of elevated mode has a line of its own. */
  elevatedUse(elevation: Elevation, entry: Omit<AuditEntry, "type" | "at">): Promise<void>
  /** Minutes that local time is ahead of UTC at a time. */
  utcOffsetMinutes(at: number): number
}

/** Who stood at the door, as one word for the audit and for rules per sender. */
export function whoOf({ origin }: Pick<TurnRequest, "origin">): string {
  if (origin.channel !== undefined) return `${origin.channel}:${origin.sender ?? "?"}`
  const client = origin.clientId ?? origin.door
  return origin.deviceId === undefined ? client : `${client} (device ${origin.deviceId.slice(0, 12)})`
}

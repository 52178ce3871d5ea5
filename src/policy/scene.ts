// Everything that decide() looks at, as plain data: the call, who asks for it from where, what the user set, what is remembered. It is
// put together by agent/call.ts; decide() itself reads no clock, disk or configuration. The simulator feeds it recorded scenes.
import type { TaintMark } from "../protocol/decision.ts"
import type { Elevation } from "../protocol/permission.ts"
import type { Origin } from "../protocol/turn.ts"
import type { CommandFacts } from "./command.ts"
import type { ResolvedPermissions } from "./permissions.ts"
import type { Grant, PolicyLayer } from "./rules.ts"

/** What a tool does to the world; policy and the approval text build on it. */
export type ToolClass = "read" | "search" | "write" | "exec" | "network" | "control"

/** One call, parsed and looked at by us; nothing in here is what the model says about itself. */
export interface CallFacts {
  /** Canonical name, or "mcp:<server>:<tool>". */
  tool: string
  aliases: readonly string[]
  class: ToolClass
  /** Where the tool comes from; "mcp" results are untrusted text. */
  from: "builtin" | "mcp" | "acp" | "skill" | "node"
  /** The owner said that what it brings is no text from outside. */
  trusted?: boolean
  args: Readonly<Record<string, unknown>>
  /** What it will touch; absolute, symlinks resolved. */
  reads: readonly string[]
  writes: readonly string[]
  /** "host" or "host:port". */
  hosts: readonly string[]
  /** For exec. */
  command?: CommandFacts
  /** What does not fit together in what was said of it, as a clause: then a human looks at it. */
  doubt?: string
  /** It sends a message to somebody else (a channel, mail). */
  messages?: readonly string[]
}

/** What the sandbox of this agent can do here and now. */
export interface SandboxScene {
  available: boolean
  /** The profile that would hold the call. */
  profile: string
  workspace: "read-write" | "read-only"
  /** Whether the profile has any network. */
  network: boolean
  /** When not available: why, and the exact command that installs it. */
  detail: string
  install?: string
}

/** How often this tool was already called: in this turn, and by this sender in the last minute and day. */
export interface CallCounts {
  turn: number
  minute: number
  day: number
  /** The same for each rule about how often (rateQueries() in rates.ts), of all the tools that it names. */
  byRule?: Readonly<Record<string, { turn: number; minute: number; day: number }>>
}

export interface Scene {
  call: CallFacts
  agentId: string
  sessionKey: string
  origin: Origin
  /** Service and model that asked for the call. */
  provider: string | undefined
  model: string | undefined
  /** A turn that another turn started. */
  subAgent: boolean
  /** The session's working directory, absolute, symlinks resolved. */
  workspace: string
  /** Pincer's own folder (token, configuration, transcripts), absolute, symlinks resolved. */
  home: string
  /** ms since 1970, and minutes that local time is ahead of UTC (for time-of-day rules). */
  now: number
  utcOffsetMinutes: number
  permissions: ResolvedPermissions
  /** From broad to narrow: global, provider, agent, channel, sender, sub-agent, session. */
  layers: readonly PolicyLayer[]
  grants: readonly Grant[]
  taint: readonly TaintMark[]
  /** Undefined or past its time: off. */
  elevation: Elevation | undefined
  sandbox: SandboxScene
  /** Set when an external agent carries the call out itself: `confined` when its own process runs in the sandbox. */
  hosted?: { confined: boolean }
  counts: CallCounts
  /** Whether a human who may answer can be reached now. */
  canAsk: boolean
}

// The six dimensions of permission as every door takes them (IM-PERM). A layer says only what it wants to change; policy/permissions.ts
// resolves layers into one answer.

export const PERMISSION_MODES = ["approve-all", "approve-reads", "deny-all"] as const
export type PermissionMode = (typeof PERMISSION_MODES)[number]

export const PRESETS = ["safe-readonly", "dev-default", "full-auto"] as const
export type Preset = (typeof PRESETS)[number]

/** The built-in tools, in the order in which lists show them (IM-PERM-01). */
export const TOOL_NAMES = [
  "Bash",
  "Edit",
  "Glob",
  "Grep",
  "LS",
  "MultiEdit",
  "NotebookEdit",
  "Read",
  "TodoWrite",
  "WebFetch",
  "WebSearch",
  "Write",
] as const

export interface Permissions {
  /** Permissions mode; overrides the preset's. */
  mode?: PermissionMode
  preset?: Preset
  /** Canonical names, aliases, groups or patterns. Empty: all tools. Absent: the preset's. */
  allowedTools?: string[]
  /** Taken out of the allowed ones; always wins. */
  deniedTools?: string[]
  /** What happens when an agent wants the user to log in: go on without, or stop. */
  authPolicy?: "skip" | "fail"
  /** With nobody to ask: refuse the call, or end the turn with PERMISSION_DENIED. */
  nonInteractive?: "deny" | "fail"
}

/** How far a session may leave the sandbox: not at all, with a question each time (`on` is the same as `ask`), or without. */
export const ELEVATED_LEVELS = ["off", "on", "ask", "full"] as const
export type ElevatedLevel = (typeof ELEVATED_LEVELS)[number]

/** A session's temporary leave from the sandbox. */
export interface Elevation {
  level: Exclude<ElevatedLevel, "off">
  grantedAt: number
  /** ms since 1970; it is off from then on. */
  expiresAt: number
  grantedBy: string
}

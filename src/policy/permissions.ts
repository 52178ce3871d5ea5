// The six dimensions resolved into one answer (IM-PERM-01 … 11): preset, mode, allowed tools, denied tools, auth policy,
// non-interactive policy, in this order whatever the order in which they were given. Denied beats allowed. Pure.
import { PincerError } from "../base/errors.ts"
import {
  PERMISSION_MODES,
  type PermissionMode,
  type Permissions,
  PRESETS,
  type Preset,
  TOOL_NAMES,
} from "../protocol/permission.ts"
import { canonicalTool, GROUPS, matchesAny, matchesTool } from "./tool-names.ts"

export interface ResolvedPermissions {
  mode: PermissionMode
  /** Empty when none was named. */
  preset: Preset | ""
  /** Canonical names, groups or patterns; ["*"] for all. */
  allowed: readonly string[]
  denied: readonly string[]
  authPolicy: "skip" | "fail"
  nonInteractive: "deny" | "fail"
  /** Which layer set each dimension, for explanations: "flag", "session", "agents.defaults.permissions" … */
  sources: Readonly<Partial<Record<Dimension, string>>>
}

const KNOWN: readonly string[] = TOOL_NAMES

export type Dimension = "mode" | "preset" | "allowed" | "denied" | "authPolicy" | "nonInteractive"

export interface PermissionLayer {
  /** Where it stands, for explanations. */
  source: string
  permissions: Permissions
}

/** IM-PERM-02. */
export const PRESET_TABLE: Readonly<Record<Preset, { mode: PermissionMode; allowed: readonly string[] }>> = {
  "safe-readonly": { mode: "deny-all", allowed: ["Glob", "Grep", "LS", "Read"] },
  "dev-default": { mode: "approve-reads", allowed: ["Bash", "Read", "Write"] },
  "full-auto": { mode: "approve-all", allowed: KNOWN },
}

/** From broad to narrow; a later layer overrides mode, preset, list of allowed tools and policies, denied tools add up. */
export function resolvePermissions(layers: readonly PermissionLayer[]): ResolvedPermissions {
  const given: { [D in Exclude<Dimension, "denied">]?: { value: unknown; source: string } } = {}
  const denied = new Set<string>()
  let deniedSource: string | undefined
  for (const { permissions, source } of layers) {
    checkPermissions(permissions)
    // A layer that names a preset starts anew from it: what broader layers said of mode and tools is overridden.
    if (permissions.preset !== undefined) {
      given.preset = { value: permissions.preset, source }
      delete given.mode
      delete given.allowed
    }
    if (permissions.mode !== undefined) given.mode = { value: permissions.mode, source }
    if (permissions.allowedTools !== undefined) given.allowed = { value: permissions.allowedTools, source }
    if (permissions.authPolicy !== undefined) given.authPolicy = { value: permissions.authPolicy, source }
    if (permissions.nonInteractive !== undefined) given.nonInteractive = { value: permissions.nonInteractive, source }
    for (const name of permissions.deniedTools ?? []) denied.add(tidyName(name))
    if ((permissions.deniedTools ?? []).length > 0) deniedSource = source
  }
  const preset = (given.preset?.value ?? "") as Preset | ""
  const base = PRESET_TABLE[preset === "" ? "dev-default" : preset]
  const presetSource = given.preset?.source ?? "built in"
  const list = given.allowed?.value as string[] | undefined
  return {
    mode: (given.mode?.value as PermissionMode | undefined) ?? base.mode,
    preset,
    allowed: list === undefined ? base.allowed : list.length === 0 ? ["*"] : inOrder(list.map(tidyName)),
    denied: inOrder([...denied]),
    authPolicy: (given.authPolicy?.value as "skip" | "fail" | undefined) ?? "skip",
    nonInteractive: (given.nonInteractive?.value as "deny" | "fail" | undefined) ?? "deny",
    sources: {
      mode: given.mode?.source ?? presetSource,
      preset: presetSource,
      allowed: given.allowed?.source ?? presetSource,
      ...(deniedSource === undefined ? {} : { denied: deniedSource }),
      authPolicy: given.authPolicy?.source ?? "built in",
      nonInteractive: given.nonInteractive?.source ?? "built in",
    },
  }
}

function tidyName(name: string): string {
  const trimmed = name.trim()
  return canonicalTool(trimmed) ?? trimmed
}

/** Known tools in their fixed order, then the rest as it came; each once. */
function inOrder(names: readonly string[]): string[] {
  const set = new Set(names.filter((name) => name !== ""))
  return [...KNOWN.filter((name) => set.has(name)), ...[...set].filter((name) => !KNOWN.includes(name))]
}

/** Throws INVALID_PARAMS naming the value and the valid ones. */
export function checkPermissions(permissions: Permissions): void {
  const { allowedTools, authPolicy, deniedTools, mode, nonInteractive, preset } = permissions
  oneOf("permission mode", mode, PERMISSION_MODES)
  oneOf("permission preset", preset, PRESETS)
  oneOf("auth policy", authPolicy, ["skip", "fail"])
  oneOf("non-interactive policy", nonInteractive, ["deny", "fail"])
  for (const name of [...(allowedTools ?? []), ...(deniedTools ?? [])]) checkTool(name.trim())
}

function oneOf(what: string, value: string | undefined, valid: readonly string[]): void {
  if (value === undefined || valid.includes(value)) return
  throw new PincerError("INVALID_PARAMS", `Unknown ${what} "${value}": valid are ${valid.join(", ")}`)
}

/** Names of tools, their aliases, groups, patterns, and tools of MCP servers. */
function checkTool(name: string): void {
  if (name === "" || name.includes("*") || /^mcp(?::[^:]+:|__.+?__)./.test(name)) return
  if (canonicalTool(name) !== undefined) return
  const valid = name.startsWith("group:") ? [...GROUPS.keys()] : KNOWN
  throw new PincerError("INVALID_PARAMS", `Unknown tool "${name}": valid are ${valid.join(", ")}`)
}

export function isDenied({ denied }: ResolvedPermissions, tool: string): boolean {
  return matchesAny(denied, tool)
}

/** Whether the six dimensions let this tool exist: denied beats allowed. */
export function permitsTool(resolved: ResolvedPermissions, tool: string): boolean {
  return matchesAny(resolved.allowed, tool) && !isDenied(resolved, tool)
}

const RANK: Readonly<Record<PermissionMode, number>> = { "deny-all": 0, "approve-reads": 1, "approve-all": 2 }

/** Whether `wanted` gives more than `base`: a stronger mode, a tool that is not allowed there, or a denial that is gone. */
export function widens(base: ResolvedPermissions, wanted: ResolvedPermissions): boolean {
  if (RANK[wanted.mode] > RANK[base.mode]) return true
  if (!base.denied.every((name) => wanted.denied.includes(name))) return true
  if (base.allowed.includes("*")) return false
  return wanted.allowed.some((name) => !base.allowed.some((pattern) => pattern === name || matchesTool(pattern, name)))
}

/** One line (IM-PERM-11). */
export function summary({ allowed, authPolicy, denied, mode, nonInteractive, preset }: ResolvedPermissions): string {
  const list = (names: readonly string[]) => (names.length === 0 ? "-" : names.join(","))
  return `permissions=${mode} preset=${preset || "-"} allowed=${list(allowed)} denied=${list(denied)} auth_policy=${authPolicy} non_interactive_permissions=${nonInteractive}`
}

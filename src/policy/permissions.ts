// The six dimensions resolved into one answer (IM-PERM-02 … 06).
import type { PermissionMode, Preset } from "../protocol/permission.ts"

export interface ResolvedPermissions {
  mode: PermissionMode
  /** Empty when none was named. */
  preset: Preset | ""
  /** Canonical names, groups or patterns; "*" for all. Denied ones are already taken out where they are names. */
  allowed: readonly string[]
  denied: readonly string[]
  authPolicy: "skip" | "fail"
  nonInteractive: "deny" | "fail"
  /** Which layer set each dimension, for explanations: "flag", "session", "agents.defaults.permissions" … */
  sources: Readonly<Partial<Record<"mode" | "preset" | "allowed" | "denied" | "authPolicy" | "nonInteractive", string>>>
}

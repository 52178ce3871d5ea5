// How the service of this home is, for status: installed, enabled, running, and whether its unit is what would be written today.
import type { Cli } from "../cli.ts"
import { PROGRAM } from "../program-file.ts"
import { installedService } from "./find.ts"
import { driftOf } from "./supervisor.ts"

export interface ServiceView {
  manager: "systemd" | "launchd"
  scope: "user" | "system"
  name: string
  file: string
  enabled: boolean
  running: boolean
  failed: boolean
  pid?: number
  /** The manager's own words, or why it cannot be asked. */
  words: string
  /** Why the unit is not what would be written today. */
  drift?: string
}

/** Undefined when no service was installed for this home. */
export async function viewService(cli: Cli): Promise<ServiceView | undefined> {
  const service = installedService(cli)
  if (!service) return undefined
  const { manager, text } = service
  const drift = driftOf(manager, text, { node: process.execPath, program: PROGRAM })
  const base = { manager: manager.kind, scope: manager.scope, name: manager.name, file: manager.file }
  const more = drift === undefined ? {} : { drift }
  try {
    return { ...base, ...(await manager.state()), ...more }
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    return { ...base, enabled: false, running: false, failed: false, words, ...more }
  }
}

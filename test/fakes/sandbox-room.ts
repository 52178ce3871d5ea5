// What tests that run commands in a real sandbox need: to know whether this machine can, and folders that commands can write.
import { lchownSync, lstatSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { openSandbox } from "../../src/sandbox/index.ts"

/** Who commands run as when the tests run as root. */
export const SANDBOX_UID = 65534

/** Why tests with a real sandbox cannot run here, or false. Said loudly: without them nothing is known of the confinement. */
export async function sandboxSkip(): Promise<string | false> {
  const sandbox = openSandbox(
    { profile: "workspace", profiles: {}, uid: SANDBOX_UID },
    { path: process.env["PATH"] ?? "", hidden: [] },
  )
  const report = await sandbox.report()
  sandbox.close()
  return report.available ? false : `NO SANDBOX ON THIS MACHINE: ${report.detail}. ${report.install ?? ""}`
}

/** Gives a folder with all that is in it (links themselves, never what they lead to) to whom commands run as, when the tests run as root. */
export function giveAway(folder: string, uid: number = SANDBOX_UID): void {
  if (process.getuid?.() !== 0) return
  lchownSync(folder, uid, uid)
  if (!lstatSync(folder).isDirectory()) return
  for (const name of readdirSync(folder)) giveAway(join(folder, name), uid)
}

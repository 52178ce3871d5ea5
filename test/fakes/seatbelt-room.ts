// macOS's sandbox on Linux: the package that writes the rules takes this machine for a Mac, and a program in sandbox-exec's place has
// bubblewrap hold what the rules say of files. Nothing here shows what macOS itself does.
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import type { ConfineRequest, SandboxProfile } from "../../src/sandbox/sandbox.ts"
import { PACKAGE, PACKAGE_VERSION, type RuleWriterOptions } from "../../src/sandbox/seatbelt-package.ts"

const FAKES = import.meta.dirname
export const AS_MAC: RuleWriterOptions = { nodeArgs: ["--import", join(FAKES, "macos.mjs")] }

export function folder(t: TestContext, name: string): string {
  const made = realpathSync(mkdtempSync(join(tmpdir(), `pincer-${name}-`)))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** A program in sandbox-exec's place. */
export function fakeExec(t: TestContext, script: string): string {
  const path = join(folder(t, "fake"), "sandbox-exec")
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}

/** One that really confines files. */
export function holdingExec(t: TestContext): string {
  return fakeExec(t, `exec '${process.execPath}' --no-warnings '${join(FAKES, "sandbox-exec.mjs")}' "$@"`)
}

/** A folder in which a package of this content is installed in the package's place. */
export function installed(t: TestContext, source: string, version: string = PACKAGE_VERSION): RuleWriterOptions {
  const from = folder(t, "package")
  const place = join(from, "node_modules", PACKAGE)
  mkdirSync(place, { recursive: true })
  const said = { name: PACKAGE, version, type: "module", main: "./index.js" }
  writeFileSync(join(place, "package.json"), JSON.stringify(said))
  writeFileSync(join(place, "index.js"), source)
  return { ...AS_MAC, from }
}

export function requestFor(workspace: string, script: string, changes: Partial<SandboxProfile> = {}): ConfineRequest {
  const profile: SandboxProfile = {
    ...{ name: "mine", workspace: "read-write", read: [], write: [], network: [], loopbackPorts: [] },
    limits: { processes: 64, memoryBytes: 2 ** 30, cpuSeconds: 60, fileBytes: 1_000_000, openFiles: 256 },
    ...changes,
  }
  const env = { PATH: "/usr/bin:/bin", A: "b" }
  return { program: { file: "/bin/sh", args: ["-c", script], cwd: workspace, env }, workspace, profile, hidden: [] }
}

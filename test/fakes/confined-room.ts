// A workspace with a secret beside it, and programs that run confined in it: for tests of what they cannot do.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { after, type TestContext } from "node:test"
import { type RunResult, runProgram } from "../../src/base/process.ts"
import { openSandbox, type Sandbox } from "../../src/sandbox/index.ts"
import type { SandboxLimits, SandboxProfile } from "../../src/sandbox/sandbox.ts"

export const PATH = "/usr/local/bin:/usr/bin:/bin"
export const USER = 65_534
export const isRoot = process.getuid?.() === 0
export const NODE_FOLDER = dirname(process.execPath)
export const SECRET = "canary-8d1f0c"

const probe = openSandbox({ profile: "workspace", profiles: {}, uid: USER }, { path: PATH, hidden: [] })
export const report = await probe.report()
after(() => probe.close())
export const skip = report.available ? false : `NOT TESTED, no sandbox here: ${report.detail} ${report.install ?? ""}`

export interface ConfinedRoom {
  sandbox: Sandbox
  workspace: string
  /** Beside the workspace; holds secret.txt. */
  outside: string
  sh(script: string, how?: How): Promise<RunResult>
  node(script: string, how?: How): Promise<RunResult>
}

interface How {
  profile?: Partial<SandboxProfile>
  limits?: Partial<SandboxLimits>
  env?: Record<string, string>
  signal?: AbortSignal
}

export function room(t: TestContext, hidden: string[] = []): ConfinedRoom {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "sandbox-test-")))
  chmodSync(top, 0o755)
  const [workspace, outside] = [join(top, "work"), join(top, "outside")]
  mkdirSync(workspace)
  mkdirSync(outside)
  writeFileSync(join(outside, "secret.txt"), SECRET)
  writeFileSync(join(workspace, "mine.txt"), "mine")
  const own =
    hidden.length === 0
      ? undefined
      : openSandbox({ profile: "workspace", profiles: {}, uid: USER }, { path: PATH, hidden })
  const sandbox = own ?? probe
  sandbox.handOver(workspace)
  t.after(() => {
    own?.close()
    rmSync(top, { recursive: true, force: true })
  })
  const run = async (file: string, args: string[], how: How = {}) => {
    const base = sandbox.profile()
    const profile = { ...base, ...how.profile, limits: { ...base.limits, ...how.limits } }
    const program = { file, args, cwd: workspace, env: { PATH, ...how.env } }
    const confined = await sandbox.confine({ program, workspace, profile })
    try {
      const run = await runProgram(confined.file, confined.args, {
        cwd: confined.cwd,
        env: { ...confined.env },
        signal: how.signal ?? new AbortController().signal,
        timeoutMs: 60_000,
        maxChars: 100_000,
      })
      return { ...run, output: run.output.trim() }
    } finally {
      await confined.close()
    }
  }
  return {
    sandbox,
    workspace,
    outside,
    sh: (script, how) => run("/bin/sh", ["-c", script], how),
    node: (script, how) =>
      run(process.execPath, ["-e", script], { ...how, profile: { read: [NODE_FOLDER], ...how?.profile } }),
  }
}

/** Processes of this machine whose whole command line this is. */
export function running(text: string): number[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => commandLine(pid) === text)
    .map(Number)
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim()
  } catch {
    // Ended meanwhile.
    return ""
  }
}

export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10))
}

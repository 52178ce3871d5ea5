// What the sandbox costs: a program that does nothing, started plainly and confined, in turn, so that both see the same machine.
// Usage: node bench/sandbox.ts [rounds]. Absolute times swing with the machine; trust the difference and the ratio of one run.
import { spawn } from "node:child_process"
import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openSandbox } from "../src/sandbox/index.ts"
import { median } from "./load.ts"

export interface SandboxCost {
  plainMs: number
  confinedMs: number
  /** Median of the differences of the rounds. */
  overheadMs: number
  ratio: number
}

/** Throws when nothing can be confined here. */
export async function benchSandbox(rounds: number): Promise<SandboxCost> {
  const path = "/usr/local/bin:/usr/bin:/bin"
  const sandbox = openSandbox({ profile: "workspace", profiles: {}, uid: 65_534 }, { path, hidden: [] })
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "pincer-bench-sandbox-")))
  try {
    chmodSync(workspace, 0o755)
    sandbox.handOver(workspace)
    const report = await sandbox.report()
    if (!report.available) throw new Error(report.detail)
    const program = { file: "/bin/true", args: [], cwd: workspace, env: { PATH: path } }
    const [plain, confined]: [number[], number[]] = [[], []]
    for (let i = 0; i < rounds + 3; i++) {
      const began = performance.now()
      await ended(program)
      const between = performance.now()
      const launched = await sandbox.confine({ program, workspace, profile: sandbox.profile() })
      await ended(launched)
      await launched.close()
      if (i < 3) continue
      plain.push(between - began)
      confined.push(performance.now() - between)
    }
    const overheadMs = median(confined.map((ms, i) => ms - plain[i]!))
    const [plainMs, confinedMs] = [median(plain), median(confined)]
    return { plainMs, confinedMs, overheadMs, ratio: confinedMs / plainMs }
  } finally {
    sandbox.close()
    rmSync(workspace, { recursive: true, force: true })
  }
}

interface Launch {
  file: string
  args: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
}

function ended({ args, cwd, env, file }: Launch): Promise<void> {
  const child = spawn(file, [...args], { cwd, env: { ...env }, stdio: "ignore", detached: true })
  return new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${file} ended with ${code}`))))
  })
}

if (import.meta.main) {
  const { confinedMs, overheadMs, plainMs, ratio } = await benchSandbox(Number(process.argv[2] ?? 60))
  process.stdout.write(
    `plain ${plainMs.toFixed(1)} ms, confined ${confinedMs.toFixed(1)} ms: ${overheadMs.toFixed(1)} ms more (goal ≤ 15), ${ratio.toFixed(1)} ×\n`,
  )
}

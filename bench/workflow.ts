// What workflows cost beside the published Lobster in the same run: whole processes in turn, so that both see the same machine; and gates in one
// process. Ours journals every step on disk, theirs nothing. Alone: npm run build && node bench/workflow.ts [--quick]. Lobster is installed into
// a temporary folder (PINCER_LOBSTER: one that is there); where that fails, only ours is measured.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openAlone } from "../src/gateway/workflows/alone.ts"
import { median } from "./load.ts"
import { ENTRY } from "./processes.ts"

type Note = (what: string, goal: string, measured: string, rival: string) => void

const VERSION = "2026.9.13"
const ITEMS = 100_000

interface Place {
  folder: string
  /** Where Lobster begins, if it is here. */
  lobster: string | undefined
  quick: boolean
  note: Note
}

interface Cost {
  ms: number
  /** Most resident memory, MiB. */
  peak: number
}

function install(folder: string): string | undefined {
  const given = process.env["PINCER_LOBSTER"]
  if (given !== undefined) return given
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
  spawnSync("npm", ["install", "--prefix", folder, ...quiet, `@clawdbot/lobster@${VERSION}`])
  const entry = join(folder, "node_modules", "@clawdbot", "lobster", "bin", "lobster.js")
  return existsSync(entry) ? entry : undefined
}

/** One whole process, from its start to its end. */
function costOf(command: readonly string[], { folder }: Place): Promise<Cost> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    PINCER_HOME: join(folder, "home"),
    PINCER_DIST: "1",
    LOBSTER_STATE_DIR: join(folder, "state"),
  }
  const began = performance.now()
  const [file = "", ...args] = command
  const child = spawn("/usr/bin/env", ["time", "-f", "%M", file, ...args], {
    cwd: join(folder, "work"),
    env,
    stdio: ["ignore", "ignore", "pipe"],
  })
  let said = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text
  })
  return new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (code) => {
      const ms = performance.now() - began
      if (code === 0) resolve({ ms, peak: Number(said.trim().split("\n").at(-1)) / 1024 })
      else reject(new Error(`${command.join(" ")} ended with ${code}: ${said}`))
    })
  })
}

async function beside(place: Place, what: string, goal: string, words: readonly string[], runs: number): Promise<void> {
  const own: Cost[] = []
  const theirs: Cost[] = []
  for (let i = 0; i <= runs; i++) {
    const ours = await costOf([process.execPath, ENTRY, "lobster", "--unsandboxed", ...words], place)
    const other = place.lobster && (await costOf([process.execPath, place.lobster, ...words], place))
    // The first ones fill caches.
    if (i === 0) continue
    own.push(ours)
    if (other) theirs.push(other)
  }
  const ms = median(own.map((one) => one.ms))
  const peak = median(own.map((one) => one.peak)).toFixed(0)
  if (theirs.length === 0) {
    place.note(what, goal, `${ms.toFixed(0)} ms, ${peak} MiB (Lobster is not here)`, "–")
    return
  }
  const other = median(theirs.map((one) => one.ms))
  const most = median(theirs.map((one) => one.peak)).toFixed(0)
  place.note(
    what,
    goal,
    `${(ms / other).toFixed(2)} × (${ms.toFixed(0)} ms, ${peak} MiB)`,
    `Lobster: ${other.toFixed(0)} ms, ${most} MiB`,
  )
}

function writeFiles(work: string): void {
  mkdirSync(work)
  const steps = (line: (i: number) => string) =>
    `steps:\n${Array.from({ length: 100 }, (_, i) => `  - id: s${i}\n    ${line(i)}\n`).join("")}`
  writeFileSync(join(work, "native.lobster"), `name: native\n${steps(() => "pipeline: head")}`)
  writeFileSync(join(work, "shell.lobster"), `name: shell\n${steps(() => 'run: "true"')}`)
  const items = Array.from({ length: ITEMS }, (_, i) => ({ id: i, name: `name ${i}`, active: i % 2 === 0 }))
  writeFileSync(join(work, "items.json"), JSON.stringify(items))
}

/** A run that stops at a gate, is approved, and ends; in this process, every fact on disk. */
async function gates({ folder, note, quick }: Place): Promise<void> {
  const alone = openAlone({
    env: { PATH: process.env["PATH"] },
    flags: { home: join(folder, "gates") },
    cwd: folder,
    durability: "full",
    unsandboxed: true,
  })
  const how = { print: () => undefined, warn: () => undefined, signal: new AbortController().signal }
  const caller = { startedBy: "bench", agentId: "main", identity: {}, cwd: folder, args: {} }
  const round = async () => {
    const source = { type: "pipeline", text: "approve --prompt 'Go on?'" } as const
    const asked = await alone.engine.start({ source, ...caller, ...how })
    const token = asked.ok ? asked.requiresApproval?.resumeToken : undefined
    if (token === undefined) throw new Error("There is no gate")
    const done = await alone.engine.answer(token, { type: "approve", approved: true }, how)
    if (!done.ok || done.status !== "ok") throw new Error("It was not approved")
  }
  const rounds = quick ? 50 : 500
  for (let i = 0; i < 20; i++) await round()
  const began = performance.now()
  for (let i = 0; i < rounds; i++) await round()
  const alonePace = (rounds * 1000) / (performance.now() - began)
  const again = performance.now()
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let i = 0; i < rounds / 16; i++) await round()
    }),
  )
  const pace = (rounds * 1000) / (performance.now() - again)
  alone.close()
  note(
    "approve and resume in one process, synced to disk: one after another / 16 at once",
    "≥ 10 × Lobster's 50 a second",
    `${alonePace.toFixed(0)} / ${pace.toFixed(0)} a second`,
    "Lobster: 50 a second",
  )
}

export async function benchWorkflow(quick: boolean, note: Note): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "pincer-bench-workflow-")))
  try {
    const place: Place = { folder, quick, note, lobster: install(folder) }
    writeFiles(join(folder, "work"))
    const runs = quick ? 5 : 15
    const tool = ["run", "--mode", "tool"]
    await beside(place, "a trivial pipeline, whole process", "≤ 0.6 × Lobster", [...tool, "head"], runs)
    await beside(place, "100 native steps, whole process", "≤ 1 × Lobster", [...tool, "native.lobster"], runs)
    await beside(place, "100 `true` shell steps on the host", "≤ 0.7 × Lobster", [...tool, "shell.lobster"], runs)
    const line = "exec --json cat items.json | where active=true | pick id,name"
    await beside(place, "100,000 items through where and pick", "≤ 0.5 × Lobster", [...tool, line], runs)
    await gates(place)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main)
  await benchWorkflow(process.argv.includes("--quick"), (what, goal, measured, rival) =>
    process.stdout.write(`${what}: ${measured}  (goal ${goal}; ${rival})\n`),
  )

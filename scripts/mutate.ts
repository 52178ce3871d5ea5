// Switches each guard off, one at a time, in a copy of the checkout, and expects the test that is named for it to fail: `npm run
// test:mutants [-- PART OF A GUARD'S NAME]`. Prints a table; ends with 1 when a mutant survives. A failing test only counts when it
// passes without the mutant.
import { execFileSync, spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { MUTANTS, type Mutant } from "./mutants.ts"

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const AT_ONCE = 2
const LIMIT_MS = 180_000

type Outcome = "killed" | "SURVIVED" | "NOT FOUND" | "RED BEFORE" | "SKIPPED"

/** The tracked files, with the modules of the checkout. */
function copy(): string {
  const place = mkdtempSync(join(tmpdir(), "pincer-mutants-"))
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" }).split("\0")
  for (const file of files.filter((name) => name !== "")) {
    mkdirSync(dirname(join(place, file)), { recursive: true })
    cpSync(join(ROOT, file), join(place, file), { force: true })
  }
  symlinkSync(join(ROOT, "node_modules"), join(place, "node_modules"))
  return place
}

interface Run {
  red: boolean
  /** Tests that passed or failed; skipped ones say nothing. */
  told: number
}

async function run(place: string, { only, test }: Mutant): Promise<Run> {
  const pattern = only === undefined ? [] : [`--test-name-pattern=${only}`]
  const args = ["--test", "--test-reporter=tap", "--test-timeout=60000", ...pattern, ...test.split(" ")]
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  const child = spawn(process.execPath, args, {
    cwd: place,
    env,
    stdio: ["ignore", "pipe", "ignore"],
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  })
  let out = ""
  child.stdout.on("data", (chunk) => {
    out += String(chunk)
  })
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve))
  const count = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(out)?.[1] ?? 0)
  return { red: code !== 0, told: count("pass") + count("fail") + count("cancelled") }
}

async function trial(place: string, mutant: Mutant, green: Map<string, Promise<Run>>): Promise<Outcome> {
  const path = join(place, mutant.file)
  const original = readFileSync(path, "utf8")
  if (original.split(mutant.find).length !== 2) return "NOT FOUND"
  const key = `${mutant.test} ${mutant.only}`
  const before = await (green.get(key) ?? green.set(key, run(place, mutant)).get(key)!)
  if (before.red) return "RED BEFORE"
  if (before.told === 0) return "SKIPPED"
  writeFileSync(
    path,
    original.replace(mutant.find, () => mutant.replace),
  )
  try {
    return (await run(place, mutant)).red ? "killed" : "SURVIVED"
  } finally {
    writeFileSync(path, original)
  }
}

const wanted = process.argv.slice(2)
const chosen = MUTANTS.filter(
  ({ file, guard }) => wanted.length === 0 || wanted.some((part) => `${guard} ${file}`.includes(part)),
)
const outcomes = new Map<Outcome, number>()
const waiting = [...chosen]
const green = new Map<string, Promise<Run>>()

async function worker(): Promise<void> {
  const place = copy()
  try {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const outcome = await trial(place, mutant, green)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      process.stdout.write(`${outcome.padEnd(11)}${mutant.guard} (${mutant.file})\n`)
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

await Promise.all(Array.from({ length: Math.min(AT_ONCE, chosen.length) }, worker))
const words = [...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(", ")
process.stdout.write(`${chosen.length} mutants: ${words || "none"}\n`)
process.exitCode = chosen.length === (outcomes.get("killed") ?? 0) + (outcomes.get("SKIPPED") ?? 0) ? 0 : 1

// Runs the quick suite: every *.test.ts below src/ and test/ (test/long/ has scripts of its own), under the checkout's Node.
// Arguments: paths or parts of paths to run only those. One process per file, a few more at once than there are processors: most wait for
// a process or a deadline most of the time. Programs that tests start are the built ones (test/program.ts), and what Node compiles
// is kept from file to file: both together take more than half of the time away.
import { spawnSync } from "node:child_process"
import { copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"

const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith("-"))
const flags = process.argv.slice(2).filter((arg) => arg.startsWith("-"))
const files = globSync(["src/**/*.test.ts", "test/**/*.test.ts"])
  .filter((file) => !file.startsWith("test/long/"))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort()
if (files.length === 0) {
  process.stderr.write(`No test file matches ${wanted.join(", ")}\n`)
  process.exit(1)
}

const root = join(import.meta.dirname, "..")
const cache = join(root, "node_modules", ".cache")
mkdirSync(cache, { recursive: true })
const installed = mkdtempSync(join(cache, "pincer-"))
process.on("exit", () => rmSync(installed, { recursive: true, force: true }))
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => process.exit(1))
build(installed)

const atOnce = `--test-concurrency=${availableParallelism() + 1}`
const run = spawnSync(process.execPath, ["--test", "--test-timeout=120000", atOnce, ...flags, ...files], {
  stdio: "inherit",
  env: {
    ...process.env,
    NODE_COMPILE_CACHE: join(cache, "compiled"),
    PINCER_TEST_PROGRAM: join(installed, "bin", "pincer.js"),
  },
})
process.exit(run.status ?? 1)

/** Lays the program into a folder as a package has it: bin, dist, package.json. */
function build(folder: string): void {
  const script = join(root, "scripts", "build.ts")
  const built = spawnSync(process.execPath, [script, join(folder, "dist")], { stdio: ["ignore", "ignore", "pipe"] })
  if (built.status !== 0) {
    process.stderr.write(`The program could not be built:\n${built.stderr}`)
    process.exit(1)
  }
  mkdirSync(join(folder, "bin"))
  for (const file of ["bin/pincer.js", "package.json"]) copyFileSync(join(root, file), join(folder, file))
}

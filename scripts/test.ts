// Runs the quick suite: every *.test.ts below src/ and test/ (test/long/ has scripts of its own), under the checkout's Node.
// Arguments: paths or parts of paths to run only those. One process per file, a few more at once than there are processors: most wait for
// a process or a deadline most of the time.
import { spawnSync } from "node:child_process"
import { globSync } from "node:fs"
import { availableParallelism } from "node:os"

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
const atOnce = `--test-concurrency=${availableParallelism() + 1}`
const run = spawnSync(process.execPath, ["--test", "--test-timeout=120000", atOnce, ...flags, ...files], {
  stdio: "inherit",
})
process.exit(run.status ?? 1)

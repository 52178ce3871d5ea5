// Lobster as it is published and ours, side by side: every case of test/conformance/lobster, call by call, without a sandbox. What differs on purpose
// stands in docs/workflows/compatibility.md under its name. Installs the published program into a temporary folder (PINCER_LOBSTER: one that is
// there); PINCER_CASES: only cases whose names hold this.
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { cases } from "../conformance/lobster/index.ts"
import { eachOf, ours, play, published } from "../fakes/lobster-pair.ts"

const VERSION = "2026.9.13"
const TABLE = join(import.meta.dirname, "..", "..", "docs", "workflows", "compatibility.md")
const folder = mkdtempSync(join(tmpdir(), "pincer-lobster-"))
after(() => rmSync(folder, { recursive: true, force: true }))

function install(): string {
  const given = process.env["PINCER_LOBSTER"]
  if (given !== undefined) return given
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
  const run = spawnSync("npm", ["install", "--prefix", folder, ...quiet, `@clawdbot/lobster@${VERSION}`])
  assert.equal(run.status, 0, `the published program cannot be installed: ${run.stderr}`)
  return join(folder, "node_modules", "@clawdbot", "lobster", "bin", "lobster.js")
}

test("the published program and ours say the same, except for what the table of differences names", async () => {
  const entry = install()
  assert.ok(existsSync(entry), `${entry} does not exist`)
  const table = readFileSync(TABLE, "utf8")
  const wanted = cases.filter((one) => one.name.includes(process.env["PINCER_CASES"] ?? ""))
  const wrong = await eachOf(wanted, 2, async (one) => {
    const [theirs, own] = [await play(published(entry), one), await play(ours, one)]
    const isSame = JSON.stringify(own) === JSON.stringify(theirs)
    if (one.differs !== undefined) {
      if (isSame) return [`${one.name}: it is no difference any more`]
      return table.includes(`\`${one.differs}\``) ? [] : [`${one.name}: ${TABLE} does not explain ${one.differs}`]
    }
    return isSame ? [] : [`${one.name}\n  theirs ${JSON.stringify(theirs)}\n  ours   ${JSON.stringify(own)}`]
  })
  assert.deepEqual(wrong.flat(), [], `${wrong.flat().length} of ${wanted.length}:\n${wrong.flat().join("\n")}`)
})

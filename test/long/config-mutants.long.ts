// 500 mutated configurations, each loaded by a running gateway and started with: on a home where one worked before, and on a fresh one.
// CONFIG_SEED chooses other 500.
import assert from "node:assert/strict"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { placeOf, type Rounds, reloadAll, startWith } from "../config-rounds.ts"

const FIRST = Number(process.env["CONFIG_SEED"] ?? 1)
const COUNT = Number(process.env["CONFIG_COUNT"] ?? 500)

test(`${COUNT} mutated configurations never leave a gateway out of reach`, { timeout: 3_600_000 }, async (t) => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-mutants-")))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const rounds: Rounds = { counts: { reloaded: 0, refused: 0, configured: 0, "last-known-good": 0, safe: 0 } }
  const seeds = Array.from({ length: COUNT }, (_, i) => FIRST + i)
  const place = placeOf(home)
  await reloadAll(place, seeds, rounds)
  for (const seed of seeds) await startWith(place, seed, seed % 2 === 0, rounds)
  t.diagnostic(JSON.stringify(rounds.counts))
  for (const [what, count] of Object.entries(rounds.counts)) assert.ok(count > 0, `no mutant ended as "${what}"`)
})

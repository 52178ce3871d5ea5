// A few of the mutated configurations of `npm run test:config`, another few with each seed.
import assert from "node:assert/strict"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { placeOf, type Rounds, reloadAll, startWith } from "./config-rounds.ts"

const SEED = Number(process.env["CONFIG_SEED"] ?? Math.floor(Math.random() * 1_000_000))

test(`a mutated configuration never leaves a gateway out of reach (CONFIG_SEED=${SEED})`, async (t) => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-mutants-")))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const rounds: Rounds = { counts: { reloaded: 0, refused: 0, configured: 0, "last-known-good": 0, safe: 0 } }
  const seeds = Array.from({ length: 10 }, (_, i) => SEED + i)
  const place = placeOf(home)
  await reloadAll(place, seeds, rounds)
  for (const [i, seed] of seeds.slice(0, 5).entries()) await startWith(place, seed, i % 2 === 0, rounds)
  const { configured, reloaded, refused, safe } = rounds.counts
  assert.equal(reloaded + refused, 10)
  assert.equal(configured + rounds.counts["last-known-good"] + safe, 5)
})

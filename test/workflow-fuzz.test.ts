// Readers of workflows on broken texts: two seeded seconds, and every text that once went wrong; npm run test:fuzz:workflow has minutes.
import assert from "node:assert/strict"
import { test } from "node:test"
import { SEEDS, TARGETS, tryText } from "./fakes/fuzz-workflow.ts"
import { corpus, fuzz } from "./fakes/fuzz-workflow-rounds.ts"

test("what was kept and what is sound reads without a crash", () => {
  for (const { name, target, text } of corpus()) assert.doesNotThrow(() => tryText(target, text), name)
  for (const target of TARGETS) for (const text of SEEDS[target]) tryText(target, text)
})

test("no text crashes a reader, hangs it, or reaches a prototype", { timeout: 60_000 }, async () => {
  assert.ok((await fuzz(2_000, 20261121)) > 0)
})

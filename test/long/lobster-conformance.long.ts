// Pincer beside the published Lobster: the same command lines in the same folders, with the same answers, output and exit codes: `npm run test:lobster`.
// Lobster is installed into a folder that is removed afterwards. With PINCER_RECORD=1 its answers of the quick cases are written down.
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import type { CallAnswer } from "../corpus/lobster-case.ts"
import { lobsterCases } from "../corpus/lobster-cases.ts"
import { answersOf, byProcess } from "../fakes/lobster-series.ts"

const VERSION = "2026.9.13"
const PINCER = join(import.meta.dirname, "..", "..", "bin", "pincer.js")
const ANSWERS = join(import.meta.dirname, "..", "corpus", "lobster-answers.json")
let folder: string
const recorded: Record<string, CallAnswer[]> = {}

before(() => {
  folder = mkdtempSync(join(tmpdir(), "pincer-lobster-published-"))
  const words = ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"]
  execFileSync("npm", [...words, `@clawdbot/lobster@${VERSION}`], { stdio: ["ignore", "ignore", "inherit"] })
})
after(() => {
  rmSync(folder, { recursive: true, force: true })
  if (process.env["PINCER_RECORD"] === "1") writeFileSync(ANSWERS, `${JSON.stringify(recorded, null, 2)}\n`)
})

describe("beside the published Lobster", { concurrency: 2, timeout: 1_800_000 }, () => {
  for (const one of lobsterCases)
    test(`${one.name}${one.differs === undefined ? "" : ` (differs: ${one.differs})`}`, async () => {
      const published = byProcess([join(folder, "node_modules", "@clawdbot", "lobster", "bin", "lobster.js")])
      const theirs = await answersOf(one, published)
      if (one.quick && one.differs === undefined) recorded[one.name] = theirs
      const ours = await answersOf(one, byProcess([PINCER, "lobster"]))
      if (one.differs === undefined) assert.deepEqual(ours, theirs)
      else assert.notDeepEqual(ours, theirs, "It is no difference any more: take it out of the list")
    })
})

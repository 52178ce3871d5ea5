// Minutes of broken texts for the readers of workflows: npm run test:fuzz:workflow. MINUTES (default 5) and SEED by environment. A text that goes
// wrong belongs into test/corpus/workflow-fuzz/.
import { test } from "node:test"
import { fuzz } from "../fakes/fuzz-workflow-rounds.ts"

const minutes = Number(process.env["MINUTES"] ?? 5)
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))

test(`${minutes} minutes of broken texts, seed ${seed}`, { timeout: (minutes + 5) * 60_000 }, async () => {
  process.stdout.write(`${await fuzz(minutes * 60_000, seed)} texts\n`)
})

// Seeded rounds of kill -9 among the steps of a workflow: npm run test:crash:workflow. ROUNDS (default 300) and SEED by environment.
import { test } from "node:test"
import { crashWorkflowRound, type Survived } from "../fakes/crash-workflow-rounds.ts"
import { seeded } from "../fakes/seeded.ts"

const rounds = Number(process.env["ROUNDS"] ?? 300)
const seed = Number(process.env["SEED"] ?? 20261121)

test(`${rounds} rounds of kill -9 among steps, seed ${seed}`, { timeout: 60 * 60_000 }, async () => {
  const random = seeded(seed)
  const seen: Survived = { lives: 0, kills: 0, uncertain: 0 }
  for (let i = 0; i < rounds; i++) {
    await crashWorkflowRound(random, 1 + Math.floor(random() * 5), seen)
    if ((i + 1) % 20 === 0) process.stdout.write(`${i + 1} rounds ${JSON.stringify(seen)}\n`)
  }
})

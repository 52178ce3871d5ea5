// A workflow of 30 steps through kill -9: seeded, a few rounds; npm run test:crash:workflow has more.
import { test } from "node:test"
import { crashWorkflowRound, type Survived } from "./fakes/crash-workflow-rounds.ts"
import { seeded } from "./fakes/seeded.ts"

test("a workflow that is killed again and again acts exactly once in every step", { timeout: 120_000 }, async () => {
  const random = seeded(20261121)
  const seen: Survived = { lives: 0, kills: 0, uncertain: 0 }
  await Promise.all(Array.from({ length: 5 }, () => crashWorkflowRound(random, 3, seen)))
})

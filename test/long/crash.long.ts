// Seeded rounds of kill -9: npm run test:crash [-- rounds seed]. Default 200 rounds.
import { test } from "node:test"
import { crashModel, crashRound, POINTS, type Round } from "../fakes/crash-rounds.ts"
import { startFakeModel } from "../fakes/model-service.ts"
import { seeded } from "../fakes/seeded.ts"

const rounds = Number(process.env["ROUNDS"] ?? 200)
const seed = Number(process.env["SEED"] ?? 20261121)

test(`${rounds} rounds of kill -9, seed ${seed}`, { timeout: 60 * 60_000 }, async (t) => {
  const random = seeded(seed)
  const fake = await startFakeModel()
  t.after(() => fake.close())
  fake.otherwise(crashModel)
  for (let i = 0; i < rounds; i++) {
    const point = POINTS[Math.floor(random() * POINTS.length)]!
    const round: Round = { point, nth: 1 + Math.floor(random() * 2), kind: random() < 0.7 ? "act" : "text" }
    await crashRound(fake, round)
    if ((i + 1) % 20 === 0) process.stdout.write(`${i + 1} rounds\n`)
  }
})

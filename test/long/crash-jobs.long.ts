// Seeded rounds of kill -9 while jobs run: npm run test:crash:jobs. ROUNDS (default 100) and SEED by environment.
import { test } from "node:test"
import { jobCrashRounds, jobModel } from "../fakes/job-crash.ts"
import { startFakeModel } from "../fakes/model-service.ts"
import { seeded } from "../fakes/seeded.ts"

const kills = Number(process.env["ROUNDS"] ?? 100)
const seed = Number(process.env["SEED"] ?? 20261121)

test(`${kills} rounds of kill -9 among jobs, seed ${seed}`, { timeout: 60 * 60_000 }, async () => {
  const random = seeded(seed)
  const fake = await startFakeModel()
  fake.otherwise(jobModel)
  const survived = await jobCrashRounds(fake, { kills, perLife: 10, lifeMs: () => 50 + random() * 1500, random })
  process.stdout.write(`${JSON.stringify(survived)}\n`)
  await fake.close()
})

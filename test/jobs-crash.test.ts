// kill -9 among jobs: a short seeded sample here, a hundred rounds in test/long/crash-jobs.long.ts (npm run test:crash:jobs).
import assert from "node:assert/strict"
import { test } from "node:test"
import { jobCrashRounds, jobModel } from "./fakes/job-crash.ts"
import { startFakeModel } from "./fakes/model-service.ts"
import { seeded } from "./fakes/seeded.ts"

test("every acknowledged job ends exactly once and no finished tool call is repeated, however often the gateway is killed", {
  timeout: 60_000,
}, async () => {
  const random = seeded(7)
  const fake = await startFakeModel()
  fake.otherwise(jobModel)
  const survived = await jobCrashRounds(fake, { kills: 3, perLife: 8, lifeMs: () => 50 + random() * 500, random })
  assert.ok(survived.accepted > 0, JSON.stringify(survived))
  await fake.close()
})

// Whole years under a clock that is moved by hand, with both changes of the time zones, a leap day, suspends, restarts, and a kill at
// any point between two facts: one record for each due tick, none done twice. `npm run test:schedules`; SCHEDULE_SEED for another year.
import assert from "node:assert/strict"
import { test } from "node:test"
import { startFakeModel } from "../fakes/model-service.ts"
import { crashAt } from "../fakes/schedule-crash.ts"
import { DENSE, liveThrough } from "../fakes/schedule-year.ts"

const first = Number(process.env["SCHEDULE_SEED"] ?? 1)

for (const [year, seed] of [
  [2026, first],
  [2028, first + 1],
  [2028, first + 2],
] as const)
  test(`the year ${year}, seed ${seed}`, { timeout: 1_800_000 }, async (t) => {
    const { kills, ran, ticks } = await liveThrough(DENSE, Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1), seed)
    t.diagnostic(`${ticks} ticks, ${ran} of them ran, ${kills} kills`)
  })

for (const point of ["ticks.decided", "ticks.recorded", "tick.begun", "tick.worked", "tick.ended"] as const)
  test(`a gateway that is killed at ${point} has one record of the tick and began it once`, {
    timeout: 60_000,
  }, async () => {
    const fake = await startFakeModel()
    try {
      const { entries, spoken } = await crashAt(fake, point)
      assert.deepEqual([entries, spoken], [["ran"], 1])
    } finally {
      await fake.close()
    }
  })

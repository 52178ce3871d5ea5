// Whole years under a clock that is moved by hand, with both changes of the time zones, a leap day, suspends, restarts, and a kill at
// any point between two facts: one record for each due tick, none done twice. `npm run test:schedules`; SCHEDULE_SEED for another year.
import { test } from "node:test"
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

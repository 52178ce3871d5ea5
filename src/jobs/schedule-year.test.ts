// Weeks around each change of the clock and a leap day; the whole years are in test/long/schedules.long.ts.
import assert from "node:assert/strict"
import { test } from "node:test"
import { DENSE, liveThrough, SPARSE } from "../../test/fakes/schedule-year.ts"

for (const [name, from, days, seed] of [
  ["the clock is put forward", "2028-03-10T00:00:00Z", 20, 1],
  ["the clock is put back", "2028-10-27T00:00:00Z", 12, 2],
  ["the leap day comes", "2028-02-27T00:00:00Z", 4, 3],
] as const)
  test(`every due tick has one record and none is done twice while ${name}`, async () => {
    const start = Date.parse(from)
    const { ticks, kills, ran } = await liveThrough(days < 5 ? DENSE : SPARSE, start, start + days * 86_400_000, seed)
    assert.ok(ticks > 30 && ran > 5 && kills > 0, `${ticks} ticks, ${ran} ran, ${kills} kills`)
  })

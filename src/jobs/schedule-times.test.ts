import assert from "node:assert/strict"
import { test } from "node:test"
import { PincerError } from "../base/errors.ts"
import type { ScheduleWhen } from "../protocol/schedule.ts"
import { dueTicks, timesOf } from "./schedule-times.ts"

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString().replace(".000Z", "Z"))

async function following(when: ScheduleWhen, from: string, count: number): Promise<(string | null)[]> {
  const times = await timesOf(when, "UTC")
  const found: (string | null)[] = []
  for (let at: number | null = Date.parse(from); at !== null && found.length < count; ) {
    at = times.next(at)
    found.push(iso(at))
  }
  return found
}

const cron = (expr: string, tz?: string): ScheduleWhen => ({ kind: "cron", expr, ...(tz === undefined ? {} : { tz }) })

test("a time that the clock jumps over is due when the jump is over, and only once", async () => {
  const when = cron("30 2 * * *", "America/New_York")
  assert.deepEqual(await following(when, "2026-03-07T12:00:00Z", 2), ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"])
})

test("a time that the clock shows twice is due once, also when the rule names several hours", async () => {
  assert.deepEqual(await following(cron("30 1 * * *", "America/New_York"), "2026-10-31T12:00:00Z", 2), [
    "2026-11-01T05:30:00Z",
    "2026-11-02T06:30:00Z",
  ])
  assert.deepEqual(await following(cron("15 1,2,3 * * *", "Europe/Berlin"), "2026-10-24T22:00:00Z", 4), [
    "2026-10-24T23:15:00Z",
    "2026-10-25T00:15:00Z",
    "2026-10-25T02:15:00Z",
    "2026-10-26T00:15:00Z",
  ])
})

test("what is due every hour is due in the hour that comes twice, too", async () => {
  assert.deepEqual(await following(cron("0 * * * *", "America/New_York"), "2026-11-01T04:30:00Z", 4), [
    "2026-11-01T05:00:00Z",
    "2026-11-01T06:00:00Z",
    "2026-11-01T07:00:00Z",
    "2026-11-01T08:00:00Z",
  ])
})

test("the 29th of February comes in leap years only, and the 30th never", async () => {
  assert.deepEqual(await following(cron("0 12 29 2 *"), "2024-03-01T00:00:00Z", 2), [
    "2028-02-29T12:00:00Z",
    "2032-02-29T12:00:00Z",
  ])
  assert.deepEqual(await following(cron("0 12 30 2 *"), "2024-03-01T00:00:00Z", 2), [null])
})

test("six fields begin with seconds, and the gateway's zone counts where a rule names none", async () => {
  assert.deepEqual(await following(cron("30 0 9 * * *"), "2026-01-01T00:00:00Z", 1), ["2026-01-01T09:00:30Z"])
  const times = await timesOf(cron("0 9 * * *"), "Asia/Shanghai")
  assert.equal(iso(times.next(Date.parse("2026-01-01T00:00:00Z"))), "2026-01-01T01:00:00Z")
})

test("every so often counts from its anchor, whenever one looks", async () => {
  const times = await timesOf({ kind: "every", everyMs: 60_000, anchorMs: 5_000 }, "UTC")
  assert.deepEqual(
    [times.next(0), times.next(5_000), times.next(64_999), times.next(65_000)],
    [5_000, 65_000, 65_000, 125_000],
  )
})

test("a single time is due once", async () => {
  const times = await timesOf({ kind: "at", atMs: 10 }, "UTC")
  assert.deepEqual([times.next(9), times.next(10)], [10, null])
})

for (const [expr, tz, words] of [
  ["", undefined, /it has 0 fields/],
  ["* * * *", undefined, /it has 4 fields/],
  ["* * * * * * 2030", undefined, /it has 7 fields/],
  ["61 * * * *", undefined, /minute.*61/],
  ["soon", undefined, /it has 1 fields/],
  ["2026-01-01T00:00:00", undefined, /it has 1 fields/],
  ["0 9 * * *", "Mars/Olympus", /Unknown time zone "Mars\/Olympus"/],
] as const)
  test(`"${expr}" ${tz ?? ""} is refused with its reason`, async () => {
    await assert.rejects(timesOf({ kind: "cron", expr, ...(tz ? { tz } : {}) }, "UTC"), (error: unknown) => {
      assert.ok(error instanceof PincerError)
      assert.equal(error.code, "INVALID_PARAMS")
      assert.match(error.message, words)
      return true
    })
  })

test("of more ticks than are kept the newest are found, without walking through all of them", async () => {
  let asked = 0
  const every = await timesOf({ kind: "every", everyMs: 1000, anchorMs: 0 }, "UTC")
  const counting = {
    next(ms: number) {
      asked += 1
      return every.next(ms)
    },
  }
  const now = 30 * 86_400_000 + 500
  const due = await dueTicks(counting, 1000, now, 100)
  assert.equal(due.ticks.length, 100)
  assert.equal(due.left, true)
  assert.equal(due.ticks.at(-1), 30 * 86_400_000)
  assert.equal(due.ticks[0], 30 * 86_400_000 - 99_000)
  assert.equal(due.next, 30 * 86_400_000 + 1000)
  assert.ok(asked < 5_000, `${asked} questions`)
})

test("all ticks up to now are found, and the one after them", async () => {
  const every = await timesOf({ kind: "every", everyMs: 1000, anchorMs: 0 }, "UTC")
  assert.deepEqual(await dueTicks(every, 1000, 3000, 100), { ticks: [1000, 2000, 3000], left: false, next: 4000 })
  assert.deepEqual(await dueTicks(every, 5000, 3000, 100), { ticks: [], left: false, next: 5000 })
})

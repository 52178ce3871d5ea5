import assert from "node:assert/strict"
import { test } from "node:test"
import { durationIn, momentIn, ruleIn } from "./schedule-words.ts"

const NOW = Date.parse("2026-03-07T12:00:00Z")
const moment = (text: string, zone = "UTC") => new Date(momentIn(text, NOW, zone)).toISOString()

for (const [text, ms] of [
  ["300", 300_000],
  ["90s", 90_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  ["2 days", 172_800_000],
  ["10 分钟", 600_000],
  ["soon", undefined],
  ["10 parsecs", undefined],
] as const)
  test(`"${text}" is a duration of ${ms} ms`, () => {
    assert.equal(durationIn(text), ms)
  })

for (const [text, zone, iso] of [
  ["2026-05-01T09:00:00Z", "UTC", "2026-05-01T09:00:00.000Z"],
  ["2026-05-01 09:00:00+02:00", "UTC", "2026-05-01T07:00:00.000Z"],
  ["2026-05-01 09:00", "Europe/Berlin", "2026-05-01T07:00:00.000Z"],
  ["2026-05-01", "Asia/Shanghai", "2026-04-30T16:00:00.000Z"],
  ["2026-03-08 02:30", "America/New_York", "2026-03-08T07:30:00.000Z"],
  ["2026-11-01 01:30", "America/New_York", "2026-11-01T05:30:00.000Z"],
  ["1777626000000", "UTC", "2026-05-01T09:00:00.000Z"],
  ["13:00", "UTC", "2026-03-07T13:00:00.000Z"],
  ["9:00", "UTC", "2026-03-08T09:00:00.000Z"],
  ["tomorrow 9:00", "UTC", "2026-03-08T09:00:00.000Z"],
  ["明天 9:00", "UTC", "2026-03-08T09:00:00.000Z"],
  ["in 10m", "UTC", "2026-03-07T12:10:00.000Z"],
  ["10m", "UTC", "2026-03-07T12:10:00.000Z"],
] as const)
  test(`"${text}" in ${zone} is ${iso}`, () => {
    assert.equal(moment(text, zone), iso)
  })

for (const text of ["", "25:00", "2026-02-30", "someday", "2026-13-01T00:00:00Z"])
  test(`"${text}" is refused as no time`, () => {
    assert.throws(() => momentIn(text, NOW, "UTC"), /is no time/)
  })

test("one text is a cron expression, every so often, or a moment", () => {
  assert.deepEqual(ruleIn("0 9 * * *", NOW, "UTC", "Asia/Tokyo"), { kind: "cron", expr: "0 9 * * *", tz: "Asia/Tokyo" })
  assert.deepEqual(ruleIn("@daily", NOW, "UTC"), { kind: "cron", expr: "@daily" })
  assert.deepEqual(ruleIn("every 10m", NOW, "UTC"), { kind: "every", everyMs: 600_000, anchorMs: NOW })
  assert.deepEqual(ruleIn("@every 300s", NOW, "UTC"), { kind: "every", everyMs: 300_000, anchorMs: NOW })
  assert.deepEqual(ruleIn("2026-05-01T09:00:00Z", NOW, "UTC"), { kind: "at", atMs: Date.parse("2026-05-01T09:00:00Z") })
  assert.deepEqual(ruleIn("* * * *", NOW, "UTC"), { kind: "cron", expr: "* * * *" }, "its refusal names the fields")
})

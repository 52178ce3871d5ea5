import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"

async function open(t: TestContext): Promise<MethodRoom> {
  const opened = await openMethodRoom({ script: () => say("Hello there") })
  t.after(() => opened.close())
  return opened
}

interface Any {
  [key: string]: Any
}
const list = (value: Any | undefined) => Object.values(value ?? {})

test("what was used is shown by day, hour, session, turn and service, and the sums agree", async (t) => {
  const { call, py, parts } = await open(t)
  for (const sessionKey of ["a", "a", "b"]) await call("chat.send", { sessionKey, message: "1", wait: true })
  const daily = (await call("usage.daily", { range: "24h" })) as Any
  assert.deepEqual(
    list(daily["dailyBreakdown"]).map((day) => [day["turns"], day["totalTokens"]]),
    [[3, 45]],
  )
  const hourly = list(((await call("usage.hourly")) as Any)["hourlyDistribution"])
  assert.equal(hourly.length, 24)
  const hour = new Date(parts.clock.now()).getUTCHours()
  const there = hourly.filter((one) => Number(one["turns"]) > 0)
  assert.ok(there.every((one) => [hour, (hour + 23) % 24].includes(Number(one["hour"]))))
  assert.equal(
    there.reduce((sum, one) => sum + Number(one["totalTokens"]), 0),
    45,
  )
  const sessions = (await py("usage.sessions", { range: "7d" })) as Any
  assert.deepEqual(
    list(sessions["sessions"]).map((one) => [one["key"], one["totalTokens"]]),
    [
      ["agent:main:a", 30],
      ["agent:main:b", 15],
    ],
  )
  assert.equal(sessions["totals"]!["totalTokens"], 45)
  assert.equal(((await call("sessions.usage", { key: "b" })) as Any)["count"], 1)
  const points = list(((await call("sessions.usage.timeseries", { key: "a" })) as Any)["points"])
  assert.deepEqual(
    points.map((one) => one["cumulativeTokens"]),
    [15, 30],
  )
  assert.ok(Array.isArray(((await call("usage.status")) as Any)["providers"]))
  assert.equal(((await py("usage.get")) as Any)["windowDays"], 7)
  assert.equal(((await py("usage.get")) as Any)["sessions"], 2)
})

test("sessions.cleanup says what would go, then deletes it; main, active and working sessions stay", async (t) => {
  const { call, py, parts } = await open(t)
  for (const sessionKey of ["main", "old", "mine", "new"])
    await call("chat.send", { sessionKey, message: "1", wait: true })
  assert.equal(((await call("sessions.cleanup", { olderThanDays: 1 })) as Any)["removed"], 0)
  const asked = (await call("sessions.cleanup", { olderThanDays: 0, activeKey: "mine" })) as Any
  assert.deepEqual([asked["dryRun"], asked["removed"], asked["skipped"]], [true, 2, 2])
  assert.equal((await parts.store.sessions.list({})).total, 4)
  const done = (await py("sessions.cleanup", { olderThanDays: 0, activeKey: "mine" })) as Any
  assert.deepEqual([done["dryRun"], done["removed"]], [false, 2])
  const left = (await parts.store.sessions.list({})).sessions.map(({ key }) => key)
  assert.deepEqual(left.sort(), ["agent:main:main", "agent:main:mine"])
})

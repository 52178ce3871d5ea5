import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { machineClock } from "../../test/fakes/machine-clock.ts"
import { openScheduleRoom, type RoomOptions, type ScheduleRoom, spec } from "../../test/fakes/schedule-room.ts"
import type { ScheduleSpec } from "../protocol/schedule.ts"
import { tickId } from "../protocol/schedule.ts"

const MINUTE = 60_000
const START = Date.parse("2026-05-01T00:00:00Z")

async function open(t: TestContext, options: RoomOptions = {}): Promise<ScheduleRoom> {
  const room = await openScheduleRoom({ start: START, ...options })
  t.after(() => room.close())
  return room
}

const everyMinute = (more: Partial<ScheduleSpec> = {}) =>
  spec({ kind: "every", everyMs: MINUTE, anchorMs: START }, more)
const goesOn = { work: () => undefined }
const keyOf = (id: string, minute: number, attempt = 1) => `${tickId(id, START + minute * MINUTE)}.${attempt}`

test("each tick is written down, begun once under a name that follows from it, and ended", async (t) => {
  const room = await open(t)
  const { id } = await room.desk.add(everyMinute(), true)
  await room.clock.advance(3 * MINUTE + 1)
  assert.deepEqual(await room.lines(id), ["ran", "ran", "ran"])
  assert.deepEqual(
    [...room.world.begun],
    [1, 2, 3].map((minute) => [keyOf(id, minute), 1]),
  )
  assert.equal((await room.desk.get(id)).nextAt, START + 4 * MINUTE)
  assert.deepEqual(room.news.map(({ action }) => action).slice(0, 3), ["added", "started", "finished"])
})

test("while autonomy is off each due tick has one line, skipped, and begins nothing; what a person starts runs", async (t) => {
  const room = await open(t)
  const { id } = await room.desk.add(everyMinute({ jitterMs: 0 }), true)
  await room.clock.advance(MINUTE + 1)
  room.settings.autonomous = false
  await room.desk.settingsChanged()
  await room.clock.advance(3 * MINUTE)
  assert.deepEqual(await room.lines(id), ["ran", ...Array(3).fill("skipped:autonomy-off")])
  const now = await room.desk.runNow(id, "force")
  assert.equal(now.ran && (await now.ended).state, "ran")
  room.settings.autonomous = true
  await room.desk.settingsChanged()
  await room.clock.advance(MINUTE)
  assert.equal((await room.lines(id)).at(-1), "ran")
  assert.equal(room.world.begun.size, 3)
})

test("ticks that wait when autonomy goes off are not begun, and what is at work goes on", async (t) => {
  const room = await open(t, goesOn)
  const { id } = await room.desk.add(everyMinute({ overlap: "queue" }), true)
  await room.clock.advance(3 * MINUTE)
  assert.deepEqual(await room.lines(id), ["running", "due", "due"])
  room.settings.autonomous = false
  await room.desk.settingsChanged()
  assert.deepEqual(await room.lines(id), ["running", "skipped:autonomy-off", "skipped:autonomy-off"])
  await room.end(keyOf(id, 1))
  assert.deepEqual(await room.lines(id), ["ran", "skipped:autonomy-off", "skipped:autonomy-off"])
})

test("work that finds nothing to do leaves a line that says why", async (t) => {
  const room = await open(t, { work: () => ({ status: "skipped", reason: "nothing-to-do" }) })
  const { id } = await room.desk.add(everyMinute(), true)
  await room.clock.advance(MINUTE + 1)
  assert.deepEqual(await room.lines(id), ["skipped:nothing-to-do"])
})

test("a tick while another is at work is skipped, with the reason", async (t) => {
  const room = await open(t, goesOn)
  const { id } = await room.desk.add(everyMinute({ overlap: "skip" }), true)
  await room.clock.advance(2 * MINUTE)
  await room.end(keyOf(id, 1))
  await room.clock.advance(MINUTE)
  assert.deepEqual(await room.lines(id), ["ran", "skipped:overlap", "running"])
})

test("a tick that is queued begins when the one before has ended, and no more than may wait do", async (t) => {
  const room = await open(t, { ...goesOn, settings: { maxWaiting: 2 } })
  const { id } = await room.desk.add(everyMinute({ overlap: "queue" }), true)
  await room.clock.advance(4 * MINUTE)
  assert.deepEqual(await room.lines(id), ["running", "due", "due", "skipped:queue-full"])
  assert.deepEqual(room.atWork, [keyOf(id, 1)])
  await room.end(keyOf(id, 1))
  assert.deepEqual(room.atWork, [keyOf(id, 1), keyOf(id, 2)])
})

test("a tick that cancels what runs waits for it to stop", async (t) => {
  const room = await open(t, goesOn)
  const { id } = await room.desk.add(everyMinute({ overlap: "cancel-running" }), true)
  await room.clock.advance(2 * MINUTE)
  assert.deepEqual(room.world.stopped, [`${keyOf(id, 1)} replaced`])
  assert.deepEqual(await room.lines(id), ["skipped:replaced", "running"])
  assert.equal((await room.desk.get(id)).stats.failuresInRow, 0, "to be replaced is no failure")
})

for (const [catchUp, lines] of [
  ["none", ["missed:late", "missed:late", "missed:late", "missed:late", "missed:late"]],
  ["last", ["missed:superseded", "missed:superseded", "missed:superseded", "missed:superseded", "ran"]],
  ["all", ["missed:over-limit", "missed:over-limit", "ran", "ran", "ran"]],
] as const)
  test(`what passes while the machine sleeps is made up for as "${catchUp}" says`, async (t) => {
    const room = await open(t)
    const { id } = await room.desk.add(
      spec({ kind: "every", everyMs: 10 * MINUTE, anchorMs: START }, { catchUp, catchUpMax: 3 }),
      true,
    )
    room.clock.jump(55 * MINUTE)
    await room.clock.advance(1)
    assert.deepEqual(await room.lines(id), lines)
    assert.equal((await room.desk.get(id)).nextAt, START + 60 * MINUTE)
  })

test("a tick that is a little late has not been missed", async (t) => {
  const room = await open(t)
  const { id } = await room.desk.add(everyMinute({ catchUp: "none" }), true)
  room.clock.jump(MINUTE + 30_000)
  await room.clock.advance(1)
  assert.deepEqual(await room.lines(id), ["ran"])
})

test("ticks that passed while no gateway ran get their lines when one starts", async (t) => {
  const room = await open(t)
  const { id } = await room.desk.add(everyMinute({ catchUp: "none" }), true)
  await room.clock.advance(MINUTE)
  await room.desk.stop()
  await room.clock.advance(3 * MINUTE + 30_000)
  await room.restart()
  await room.clock.advance(0)
  assert.deepEqual(await room.lines(id), ["ran", "missed:late", "missed:late", "ran"])
})

test("a clock that is put back does no tick twice, and gives those a chance that had been given up", async (t) => {
  const room = await open(t, { clock: machineClock(START), settings: { lookMs: 1_000 } })
  const { id } = await room.desk.add(everyMinute({ catchUp: "last" }), true)
  await room.clock.advance(2 * MINUTE)
  room.clock.jump(30 * MINUTE)
  await room.clock.advance(1_000)
  assert.equal((await room.lines(id)).length, 32)
  room.clock.jump(-30 * MINUTE)
  await room.clock.advance(60 * MINUTE)
  const times = await room.times(id)
  assert.equal(new Set(times).size, times.length)
  assert.ok([...room.world.begun.values()].every((count) => count === 1))
  const begun = [...room.world.begun.keys()].filter((key) => key.startsWith(`cron-${id}`)).length
  assert.equal(begun, 62, "every minute was done, the one that had been done too early not again")
})

test("what fails is tried again after growing pauses, then it has failed", async (t) => {
  const room = await open(t, { work: () => ({ status: "failed", error: "no" }) })
  const when = { kind: "at", atMs: START + MINUTE } as const
  const { id } = await room.desk.add(spec(when, { retries: 2, backoffMs: 10_000 }), true)
  await room.clock.advance(MINUTE)
  assert.deepEqual(await room.lines(id), ["due"])
  await room.clock.advance(9_999)
  assert.equal(room.world.begun.size, 1)
  await room.clock.advance(1)
  assert.equal(room.world.begun.size, 2)
  await room.clock.advance(20_000)
  assert.deepEqual(await room.lines(id), ["failed"])
  assert.deepEqual(
    [...room.world.begun.keys()],
    [1, 2, 3].map((attempt) => keyOf(id, 1, attempt)),
  )
  const { enabled, over, stats } = await room.desk.get(id)
  assert.deepEqual([enabled, over, stats.runs, stats.failures, stats.lastError], [false, "done", 1, 1, "no"])
})

test("what may have acted and was cut off is not tried again", async (t) => {
  const room = await open(t, { work: () => ({ status: "failed", error: "cut off", final: true }) })
  const { id } = await room.desk.add(everyMinute({ retries: 5, backoffMs: 1 }), true)
  await room.clock.advance(MINUTE)
  assert.deepEqual([await room.lines(id), room.world.begun.size], [["failed"], 1])
})

test("an attempt that takes too long is stopped, and that is a failure", async (t) => {
  const room = await open(t, goesOn)
  const { id } = await room.desk.add(everyMinute({ timeoutMs: 30_000, overlap: "queue" }), true)
  await room.clock.advance(MINUTE + 30_000)
  assert.deepEqual(room.world.stopped, [`${keyOf(id, 1)} timeout`])
  assert.deepEqual(await room.lines(id), ["failed:timeout"])
  assert.match((await room.desk.get(id)).stats.lastError ?? "", /longer than its timeout of 30 seconds/)
})

test("an alert is told after so many failures in a row, and not again before its pause is over", async (t) => {
  const room = await open(t, { work: () => ({ status: "failed", error: "no" }) })
  const alert = { to: { kind: "session", sessionKey: "agent:main:main" }, after: 2, cooldownMs: 5 * MINUTE } as const
  await room.desk.add(everyMinute({ alert }), true)
  await room.clock.advance(MINUTE)
  assert.equal(room.world.told.length, 0)
  await room.clock.advance(5 * MINUTE)
  assert.equal(room.world.told.length, 1)
  assert.match(room.world.told[0]!.message.text, /Schedule "test" failed .*: no/)
  await room.clock.advance(MINUTE)
  assert.equal(room.world.told.length, 2)
})

test("a result is told where it is wanted", async (t) => {
  const room = await open(t)
  const deliver = { kind: "webhook", url: "https://example.com/x" } as const
  await room.desk.add(everyMinute({ deliver }), true)
  await room.clock.advance(MINUTE)
  assert.deepEqual(
    room.world.told.map(({ message, outlet }) => [outlet, message.text]),
    [[deliver, "ok"]],
  )
})

test("the jitter of a tick is always the same, and less than it may be", async (t) => {
  const room = await open(t)
  const { id } = await room.desk.add(everyMinute({ jitterMs: 30_000 }), true)
  await room.clock.advance(10 * MINUTE + 30_000)
  const { ticks } = await room.desk.ticks({ scheduleId: id, limit: 100 })
  const puts = ticks.map((tick) => tick.notBefore - tick.scheduledFor)
  assert.ok(puts.every((ms) => ms >= 0 && ms < 30_000))
  assert.ok(new Set(puts).size > 5)
  assert.ok(ticks.every((tick) => tick.startedAt === tick.notBefore))
})

test("a schedule that has run as often as it may is over", async (t) => {
  const room = await open(t)
  const { id } = await room.desk.add(everyMinute({ maxRuns: 2 }), true)
  await room.clock.advance(5 * MINUTE)
  assert.deepEqual(await room.lines(id), ["ran", "ran"])
  assert.equal((await room.desk.get(id)).over, "max-runs")
})

test("nothing is due after its end", async (t) => {
  const room = await open(t)
  const { id } = await room.desk.add(everyMinute({ untilMs: START + 2 * MINUTE }), true)
  room.clock.jump(10 * MINUTE)
  await room.clock.advance(1)
  assert.deepEqual(await room.lines(id), ["missed:superseded", "ran"])
  assert.equal((await room.desk.get(id)).over, "until")
})

test("a single time is over after it, and gone when it asked for that and went well", async (t) => {
  const room = await open(t, {
    work: ({ tick }) => (tick.name === "bad" ? { status: "failed", error: "no" } : { status: "done", summary: "" }),
  })
  const when = { kind: "at", atMs: START + MINUTE } as const
  const good = await room.desk.add(spec(when, { deleteAfterRun: true }), true)
  const bad = await room.desk.add(spec(when, { name: "bad", deleteAfterRun: true }), true)
  await room.clock.advance(MINUTE)
  assert.deepEqual(
    (await room.desk.list()).map(({ id }) => id),
    [bad.id],
  )
  assert.deepEqual(await room.lines(good.id), ["ran"], "its line stays")
})

test("what waits is not begun when its schedule is disabled or removed, and what runs goes on", async (t) => {
  const room = await open(t, goesOn)
  const { id } = await room.desk.add(everyMinute({ overlap: "queue" }), true)
  await room.clock.advance(2 * MINUTE)
  await room.desk.update(id, { enabled: false })
  assert.deepEqual(await room.lines(id), ["running", "skipped:disabled"])
  await room.clock.advance(5 * MINUTE)
  assert.equal((await room.lines(id)).length, 2, "nothing is due of a schedule that is disabled")
  await room.desk.update(id, { enabled: true })
  await room.clock.advance(MINUTE)
  assert.deepEqual(await room.lines(id), ["running", "skipped:disabled", "due"])
  await room.desk.remove(id)
  await room.end(keyOf(id, 1))
  assert.deepEqual(await room.lines(id), ["ran", "skipped:disabled", "skipped:removed"])
})

test("a changed rule counts from now on, and what is written down is not due again", async (t) => {
  const room = await open(t)
  const { id } = await room.desk.add(everyMinute(), true)
  await room.clock.advance(2 * MINUTE)
  await room.desk.update(id, {
    spec: (now) => ({ ...now, when: { kind: "every", everyMs: MINUTE / 2, anchorMs: START } }),
  })
  await room.clock.advance(MINUTE)
  assert.deepEqual(
    (await room.times(id)).map((at) => (at - START) / MINUTE),
    [1, 2, 2.5, 3],
  )
  await assert.rejects(room.desk.update(id, { revision: 1, enabled: false }), /changed since/)
})

test("what a person starts has a line of its own beside the rule, and not twice at once", async (t) => {
  const room = await open(t, goesOn)
  const { id } = await room.desk.add(everyMinute(), false)
  assert.deepEqual(await room.desk.runNow(id, "due"), { ran: false, reason: "not-due" })
  assert.deepEqual(await room.desk.runNow(id, "if-enabled"), { ran: false, reason: "disabled" })
  const run = await room.desk.runNow(id, "force")
  assert.ok(run.ran)
  assert.deepEqual(await room.desk.runNow(id, "force"), { ran: false, reason: "already-running" })
  await room.clock.advance(0)
  await room.end(`${run.tick.id}.1`)
  assert.equal((await run.ended).state, "ran")
})

test("only so many are at work at once, over all schedules", async (t) => {
  const room = await open(t, { ...goesOn, settings: { maxConcurrent: 2 } })
  const ids = []
  for (let i = 0; i < 3; i++) ids.push((await room.desk.add(everyMinute(), true)).id)
  await room.clock.advance(MINUTE)
  assert.equal(room.atWork.length, 2)
  await room.end(room.atWork[0]!)
  assert.equal(room.atWork.length, 3)
})

test("old lines make room: so many are kept of each schedule", async (t) => {
  const room = await open(t, { settings: { keepTicks: 5 } })
  const { id } = await room.desk.add(everyMinute(), true)
  await room.clock.advance(20 * MINUTE)
  assert.ok((await room.lines(id)).length <= 6)
  assert.equal((await room.desk.get(id)).stats.runs, 20)
})

test("schedules that are switched off are due no more, and what a person starts runs", async (t) => {
  const room = await open(t, { settings: { enabled: false } })
  const { id } = await room.desk.add(everyMinute(), true)
  await room.clock.advance(3 * MINUTE)
  assert.deepEqual(await room.lines(id), [])
  assert.ok((await room.desk.runNow(id, "force")).ran)
})

for (const [name, bad, words] of [
  ["a time that has passed", spec({ kind: "at", atMs: START - 10 * MINUTE }), /has passed/],
  ["a day that never comes", spec({ kind: "cron", expr: "0 0 30 2 *" }), /never due/],
  ["an end before the first tick", everyMinute({ untilMs: START + 1 }), /never due/],
] as const)
  test(`${name} is refused`, async (t) => {
    const room = await open(t)
    await assert.rejects(room.desk.add(bad, true), words)
  })

test("no more schedules than may be are taken", async (t) => {
  const room = await open(t, { settings: { maxSchedules: 1 } })
  await room.desk.add(everyMinute(), true)
  await assert.rejects(room.desk.add(everyMinute(), true), /There are 1 schedules already/)
})

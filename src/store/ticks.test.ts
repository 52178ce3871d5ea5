import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { stillClock } from "../../test/fakes/still-clock.ts"
import { silentLogger } from "../base/log.ts"
import type { ScheduleSpec } from "../protocol/schedule.ts"
import { openStore } from "./open.ts"
import type { NewTick, Ticking } from "./ticks.ts"

const folder = mkdtempSync(join(tmpdir(), "pincer-ticks-"))
const clock = stillClock(1_000_000)
const { close, schedules, ticks } = openStore(
  { path: join(folder, "pincer.db"), durability: "normal" },
  clock,
  silentLogger,
)
after(async () => {
  await close()
  rmSync(folder, { recursive: true, force: true })
})

const spec: ScheduleSpec = {
  name: "n",
  agentId: "main",
  when: { kind: "every", everyMs: 1000, anchorMs: 0 },
  task: { kind: "turn", message: "m", session: "isolated" },
  clientId: "test",
}
const due = (scheduledFor: number): NewTick => ({ scheduledFor, notBefore: scheduledFor, state: "due", reason: null })
const missed = (scheduledFor: number): NewTick => ({ ...due(scheduledFor), state: "missed", reason: "late" })

let made = 0
async function schedule(nextAt = 1000): Promise<string> {
  made += 1
  return (await schedules.add({ id: `s${made}`, spec, enabled: true, nextAt }, 100)).id
}
const ticking = (scheduleId: string, from: number, more: Partial<Ticking> = {}): Ticking => ({
  ...{ scheduleId, from, revision: 1, ticks: [due(from)], nextAt: from + 1000, over: null, keep: 100 },
  ...more,
})

test("two that decide over the same ticks at once write them once", async () => {
  const id = await schedule()
  const [first, second] = await Promise.all([ticks.record(ticking(id, 1000)), ticks.record(ticking(id, 1000))])
  assert.equal(first?.due.length, 1)
  assert.equal(second, undefined)
  assert.equal(await ticks.count({ scheduleId: id }), 1)
})

test("what was decided by a rule that has changed since is not written", async () => {
  const id = await schedule()
  await schedules.update(id, undefined, ({ enabled, nextAt, over }) => ({ spec, enabled, nextAt, over }))
  assert.equal(await ticks.record(ticking(id, 1000)), undefined)
  assert.equal((await schedules.get(id))?.nextAt, 1000)
  assert.ok(await ticks.record(ticking(id, 1000, { revision: 2 })))
})

test("nothing is written for a schedule that is disabled or gone", async () => {
  const id = await schedule()
  await schedules.update(id, undefined, () => ({ spec, enabled: false, nextAt: 1000, over: null }))
  assert.equal(await ticks.record(ticking(id, 1000, { revision: 2 })), undefined)
  await schedules.remove(id)
  assert.equal(await ticks.record(ticking(id, 1000, { revision: 2 })), undefined)
})

test("a tick that has its record keeps it, whatever is decided later", async () => {
  const id = await schedule()
  await ticks.record(ticking(id, 1000))
  await ticks.finish(`cron-${id}-1000`, { state: "skipped", reason: "overlap" })
  const again = await ticks.record(ticking(id, 2000, { ticks: [due(1000), due(2000)] }))
  assert.deepEqual(
    again?.due.map(({ scheduledFor }) => scheduledFor),
    [2000],
  )
  assert.equal((await ticks.get(`cron-${id}-1000`))?.state, "skipped")
})

test("a tick is begun once for each attempt, and ended once", async () => {
  const id = await schedule()
  await ticks.record(ticking(id, 1000))
  const name = `cron-${id}-1000`
  assert.equal((await ticks.begin(name)).attempt, 1)
  await assert.rejects(ticks.begin(name), /is not to be begun now/)
  assert.equal((await ticks.again(name, 5000, "no")).state, "due")
  assert.equal((await ticks.begin(name)).attempt, 2)
  await ticks.finish(name, { state: "ran" })
  await assert.rejects(ticks.finish(name, { state: "failed" }), /has ended/)
  await assert.rejects(ticks.begin(name), /has ended/)
})

test("a clock that is put back takes back what was missed, and nothing that was done", async () => {
  const id = await schedule()
  await ticks.record(ticking(id, 1000, { ticks: [missed(1000), missed(2000), due(3000)], nextAt: 4000 }))
  assert.equal(await ticks.rewind(id, 1, 1500, 2000), true)
  assert.deepEqual(
    (await ticks.list({ scheduleId: id, limit: 10, oldestFirst: true })).map(({ scheduledFor }) => scheduledFor),
    [1000, 3000],
  )
  assert.equal((await schedules.get(id))?.stats.missed, 1)
  assert.equal(await ticks.rewind(id, 7, 0, 1000), false, "by another rule nothing is taken back")
})

test("what is to be told keeps its work until it was told, the rest drops it with its end", async () => {
  const id = await schedule()
  await ticks.record(ticking(id, 1000, { ticks: [due(1000), due(2000)], nextAt: 3000 }))
  await ticks.finish(`cron-${id}-1000`, { state: "failed", error: "no", toTell: true })
  await ticks.finish(`cron-${id}-2000`, { state: "ran" })
  const untold = (await ticks.untold()).filter(({ scheduleId }) => scheduleId === id)
  assert.deepEqual(
    untold.map(({ work }) => work),
    [spec],
  )
  await ticks.told(`cron-${id}-1000`, "delivered")
  assert.equal((await ticks.get(`cron-${id}-1000`))?.delivery, "delivered")
  assert.ok(!(await ticks.untold()).some(({ scheduleId }) => scheduleId === id))
})

test("the oldest records make room and say what they had started; open ones stay", async () => {
  const id = await schedule()
  await ticks.record(ticking(id, 1000, { ticks: [due(1000), missed(2000), missed(3000)], nextAt: 4000 }))
  const { trimmed } = (await ticks.record(ticking(id, 4000, { ticks: [missed(4000)], keep: 2 })))!
  assert.equal(trimmed.length, 1)
  assert.deepEqual(
    (await ticks.list({ scheduleId: id, limit: 10, oldestFirst: true })).map(({ scheduledFor }) => scheduledFor),
    [1000, 3000, 4000],
  )
})

test("the ledger is searched as people write, with no pattern of SQL among it", async () => {
  const id = await schedule()
  await ticks.record(ticking(id, 1000))
  await ticks.finish(`cron-${id}-1000`, { state: "failed", error: "100% 磁盘已满" })
  assert.equal(await ticks.count({ search: "磁盘", scheduleId: id }), 1)
  assert.equal(await ticks.count({ search: "100%", scheduleId: id }), 1)
  assert.equal(await ticks.count({ search: "1_0", scheduleId: id }), 0)
})

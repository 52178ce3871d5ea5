import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import type { AgentProfile } from "../../agent/agent.ts"
import { configSchema } from "../../config/schema.ts"
import type { Message } from "../../protocol/message.ts"
import type { ScheduleSpec } from "../../protocol/schedule.ts"
import { heartbeatOf } from "./heartbeat-settings.ts"
import { Heartbeats, heartbeatId, isQuiet } from "./heartbeats.ts"

const NOON = Date.parse("2026-05-01T12:00:00Z")

function open(t: TestContext, heartbeat: Record<string, unknown> = {}) {
  const workspace = mkdtempSync(join(tmpdir(), "pincer-heartbeat-"))
  t.after(() => rmSync(workspace, { recursive: true, force: true }))
  const config = configSchema.parse({ cron: { timeZone: "UTC" }, agents: { defaults: { heartbeat } } })
  const room = { config, busy: false, hasModel: true, messages: [] as Message[], clock: stillClock(NOON), workspace }
  const heartbeats = new Heartbeats({
    books: {
      ticks: { list: async () => [] } as never,
      transcript: { messages: async () => room.messages } as never,
    },
    config: () => room.config,
    agents: () => new Map([["main", { id: "main", workspace } as AgentProfile]]),
    lanes: { active: () => (room.busy ? [{} as never] : []) },
    clock: room.clock,
    hasModel: () => room.hasModel,
  })
  const orders = (text: string) => writeFileSync(join(workspace, "HEARTBEAT.md"), text)
  return { ...room, room, heartbeats, orders }
}

const note = (text: string, at = NOON): Message => ({
  id: text,
  role: "user",
  content: [{ type: "text", text }],
  at,
  synthetic: true,
})

test("nobody is asked while there is nothing to do: no file, or one that holds headings, comments and empty points only", async (t) => {
  const { heartbeats, orders } = open(t)
  assert.deepEqual(await heartbeats.plan("main"), { skip: "nothing-to-do" })
  orders("# Heartbeat\n\n<!-- what to look at:\n- mails -->\n-\n- [ ]\n")
  assert.deepEqual(await heartbeats.plan("main"), { skip: "nothing-to-do" })
  assert.equal(await heartbeats.hasReason("main"), false)
  orders("# Heartbeat\n- look at the build 检查构建\n")
  const plan = await heartbeats.plan("main")
  assert.ok("prompt" in plan && plan.session === "main")
  assert.match(
    plan.prompt,
    /heartbeat[\s\S]*HEARTBEAT\.md:\n# Heartbeat\n- look at the build 检查构建[\s\S]*2026-05-01 12:00 \(UTC\)/,
  )
  assert.equal(await heartbeats.hasReason("main"), true)
})

test("a note that waits is something to do, until somebody had a turn after it", async (t) => {
  const { heartbeats, room } = open(t, { session: "isolated" })
  room.messages = [note("System event: disk full")]
  const plan = await heartbeats.plan("main")
  assert.ok("prompt" in plan && /disk full/.test(plan.prompt))
  room.messages.push({ id: "a", role: "assistant", content: [{ type: "text", text: "Seen" }], at: NOON, turnId: "t" })
  assert.deepEqual(await heartbeats.plan("main"), { skip: "nothing-to-do" })
})

test("none begins in quiet hours, while the session works, or while they are off", async (t) => {
  const { clock, heartbeats, orders, room } = open(t, { quietHours: ["22:00-07:00"] })
  orders("look at the mails")
  room.busy = true
  assert.deepEqual(await heartbeats.plan("main"), { skip: "busy" })
  room.busy = false
  room.hasModel = false
  assert.deepEqual(await heartbeats.plan("main"), { skip: "no-model" })
  room.hasModel = true
  assert.ok("prompt" in (await heartbeats.plan("main")))
  clock.jump(11 * 3_600_000)
  assert.deepEqual(await heartbeats.plan("main"), { skip: "quiet-hours" })
  clock.jump(8 * 3_600_000)
  assert.ok("prompt" in (await heartbeats.plan("main")))
  heartbeats.isOn = false
  assert.deepEqual(await heartbeats.plan("main"), { skip: "heartbeats-off" })
})

test("quiet hours go over midnight and follow the wall clock of their zone", () => {
  const at = (text: string) => Date.parse(`2026-07-01T${text}:00Z`)
  assert.equal(isQuiet(["23:00-08:00"], at("21:30"), "Europe/Berlin"), true)
  assert.equal(isQuiet(["23:00-08:00"], at("06:00"), "Europe/Berlin"), false)
  assert.equal(isQuiet(["12:00-13:00"], at("12:59"), "UTC"), true)
  assert.equal(isQuiet(["12:00-13:00"], at("13:00"), "UTC"), false)
  assert.equal(isQuiet(["00:00-24:00"], at("13:00"), "UTC"), true)
  assert.equal(isQuiet([], at("03:00"), "UTC"), false)
})

test("a file that leads out of the workspace, or is a folder, gives no orders", async (t) => {
  const { heartbeats, workspace } = open(t)
  symlinkSync("/etc/passwd", join(workspace, "HEARTBEAT.md"))
  assert.deepEqual(await heartbeats.plan("main"), { skip: "nothing-to-do" })
  rmSync(join(workspace, "HEARTBEAT.md"))
  mkdirSync(join(workspace, "HEARTBEAT.md"))
  assert.deepEqual(await heartbeats.plan("main"), { skip: "nothing-to-do" })
})

test("its schedule is made with the first thing to do, follows the configuration, and goes with it", async (t) => {
  const { heartbeats, orders, room } = open(t)
  const kept = new Map<string, ScheduleSpec>()
  const desk = {
    list: async () => [...kept].map(([id, spec]) => ({ id, spec }) as never),
    keep: async (id: string, spec: ScheduleSpec | undefined) => void (spec ? kept.set(id, spec) : kept.delete(id)),
  }
  await heartbeats.keep(desk)
  assert.equal(kept.size, 0, "an agent without orders costs nothing")
  orders("look")
  await heartbeats.keep(desk)
  const every = () => kept.get(heartbeatId("main"))?.when
  assert.deepEqual(every(), { kind: "every", everyMs: 1_800_000, anchorMs: 0 })
  room.config = configSchema.parse({ agents: { entries: { main: { heartbeat: { everyMs: 60_000 } } } } })
  await heartbeats.keep(desk)
  assert.deepEqual(every(), { kind: "every", everyMs: 60_000, anchorMs: 0 })
  assert.equal(heartbeatOf(room.config, "main").ackMaxChars, 64, "what the agent does not say is the defaults'")
  room.config = configSchema.parse({ agents: { defaults: { heartbeat: { enabled: false } } } })
  await heartbeats.keep(desk)
  assert.equal(kept.size, 0)
})

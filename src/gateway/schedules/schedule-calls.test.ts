import assert from "node:assert/strict"
import { test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { parseWith } from "../../base/schema.ts"
import type { ScheduleSpec } from "../../protocol/schedule.ts"
import { changedSpec, specOf } from "./schedule-calls.ts"
import { addParams, normalizeAdd } from "./schedule-params.ts"

const WHO = { clientId: "c", scopes: ["operator.admin"] }
let room: MethodRoom

test.before(async () => {
  room = await openMethodRoom({ script: () => say("hi") })
})
test.after(() => room.close())

async function spec(said: Record<string, unknown>, py = false, zone = "UTC"): Promise<ScheduleSpec> {
  return specOf(parseWith(addParams(), normalizeAdd(said, { py }), "add"), WHO, zone, room.parts)
}

const MINIMAL = { schedule: "0 9 * * *", message: "check" }

test("all words for one rule are the same rule", async () => {
  const cron = { kind: "cron", expr: "0 9 * * *" }
  for (const said of [
    { cron: "0 9 * * *" },
    { schedule: "0 9 * * *" },
    { schedule: "0 9 * * *", scheduleType: "cron" },
    { schedule: { kind: "cron", expr: "0 9 * * *" } },
    { schedule: { cron: "0 9 * * *" } },
  ])
    assert.deepEqual((await spec({ ...said, message: "x" })).when, cron, JSON.stringify(said))
  for (const said of [
    { everySeconds: 300 },
    { scheduleType: "every", everySeconds: "300" },
    { scheduleType: "every", schedule: "300" },
    { schedule: "every 5m" },
    { cron: "@every 300s" },
    { every: "5m" },
    { everyMs: 300_000 },
    { schedule: { kind: "every", everyMs: 300_000 } },
  ]) {
    const { when } = await spec({ ...said, message: "x" })
    assert.ok(when.kind === "every" && when.everyMs === 300_000, JSON.stringify(said))
  }
  for (const said of [
    { at: "2099-05-01T09:00:00Z" },
    { schedule: "2099-05-01T09:00:00Z" },
    { scheduleType: "once", at: "2099-05-01T09:00:00Z" },
    { schedule: { kind: "at", at: "2099-05-01T09:00:00Z" } },
    { schedule: { kind: "at", atMs: Date.parse("2099-05-01T09:00:00Z") } },
    { cron: "@at 2099-05-01T09:00:00Z" },
  ])
    assert.deepEqual((await spec({ ...said, message: "x" })).when, {
      kind: "at",
      atMs: Date.parse("2099-05-01T09:00:00Z"),
    })
})

test("the simple dialect's command is said to the agent; elsewhere it is a line of the shell", async () => {
  assert.deepEqual((await spec({ cron: "@daily", command: "ls" }, true)).task, {
    kind: "turn",
    message: "ls",
    session: "isolated",
  })
  assert.deepEqual((await spec({ cron: "@daily", command: "ls" })).task, { kind: "command", line: "ls" })
})

test("what is said goes to a session of its own, to the main one, or to a named one", async () => {
  const session = async (said: Record<string, unknown>) => {
    const { task } = await spec({ ...MINIMAL, ...said })
    return task.kind === "turn" ? [task.session, task.event ?? false] : task.kind
  }
  assert.deepEqual(await session({}), ["isolated", false])
  assert.deepEqual(await session({ sessionTarget: "main" }), ["agent:main:main", true])
  assert.deepEqual(await session({ sessionTarget: "session:work" }), ["agent:main:work", false])
  assert.deepEqual(await session({ sessionKey: "work" }), ["agent:main:work", false])
  assert.deepEqual(await session({ sessionKey: "work", sessionTarget: "current" }), ["agent:main:work", false])
})

for (const [name, said, words] of [
  ["a word for the kind that means nothing", { scheduleType: "sometimes", message: "x" }, /"at", "every" or "cron"/],
  ["a job without a rule", { message: "x" }, /schedule/],
  ["a job that does nothing", { cron: "@daily" }, /payload/],
  [
    "a system event in a session of its own",
    { ...MINIMAL, message: undefined, sessionTarget: "isolated", payload: { kind: "systemEvent", text: "x" } },
    /needs sessionTarget "main"/,
  ],
  ["an agent that is not there", { ...MINIMAL, agentId: "nobody" }, /Unknown agent "nobody"/],
  [
    "a session of another agent",
    { ...MINIMAL, agentId: "main", sessionKey: "agent:other:x" },
    /belongs to agent "other"/,
  ],
  ["a folder that is relative", { cron: "@daily", command: "ls", cwd: "here" }, /is relative/],
  ["too fast a rule", { everyMs: 10, message: "x" }, /at least 1000/],
  [
    "a channel that is not here",
    { ...MINIMAL, delivery: { mode: "announce", channel: "telegram" } },
    /no channel "telegram"/,
  ],
  ["a private webhook", { ...MINIMAL, delivery: { mode: "webhook", to: "http://127.0.0.1/x" } }, /private or local/],
  ["a message that goes nowhere", { cron: "@daily", payload: { kind: "message", text: "x" } }, /is told somewhere/],
] as const)
  test(`${name} is refused`, async () => {
    await assert.rejects(spec(said as Record<string, unknown>), words)
  })

test("permissions beyond the configuration need the right to approve", async () => {
  const params = parseWith(
    addParams(),
    normalizeAdd({ ...MINIMAL, permissions: { mode: "approve-all" } }, { py: false }),
    "add",
  )
  await assert.rejects(
    specOf(params, { clientId: "c", scopes: ["operator.write"] }, "UTC", room.parts),
    /operator.approvals/,
  )
})

test("results and alerts go where protocol 3, protocol 4 and ClawGo say", async () => {
  const main = { kind: "session", sessionKey: "agent:main:main" }
  for (const said of [
    { delivery: { mode: "announce" } },
    { payload: { kind: "agentTurn", message: "x", deliver: true } },
    { deliver: true, channel: "session", to: "main" },
    { isolation: { postToMainMode: "summary" } },
  ])
    assert.deepEqual((await spec({ ...MINIMAL, ...said })).deliver, main, JSON.stringify(said))
  const { alert } = await spec({ ...MINIMAL, failureAlert: { after: 3 } })
  assert.deepEqual(alert, { to: main, after: 3 })
})

test("a patch lies over what was, null takes away, and what it does not name stays", async () => {
  const before = await spec({
    ...MINIMAL,
    description: "d",
    everyMs: undefined,
    retries: 2,
    model: undefined,
    timeoutSeconds: 5,
  })
  const record = { spec: before, enabled: true } as never
  const changed = await changedSpec(
    record,
    { name: "n", description: null, payload: { message: "new", timeoutSeconds: null } },
    WHO,
    "UTC",
    room.parts,
  )
  assert.equal(before.timeoutMs, 5000)
  const { description: _, timeoutMs: __, ...kept } = before
  assert.deepEqual(changed.spec, {
    ...kept,
    name: "n",
    task: { kind: "turn", message: "new", session: "isolated" },
  })
})

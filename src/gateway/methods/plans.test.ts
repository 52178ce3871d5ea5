import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { callTools, type RoomOptions, say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"
import { todoWrite } from "../../tools/todo.ts"
import type { PlanView } from "../sessions/plan-view.ts"

type Status = "pending" | "in_progress" | "completed"
const todos = (...steps: [string, Status][]) =>
  callTools({ name: "TodoWrite", args: { todos: steps.map(([text, status]) => ({ text, status })) } })

/** Each turn calls the model twice: the plan of the next in line, then a word. */
async function open(t: TestContext, plans: [string, Status][][], more: Partial<RoomOptions> = {}): Promise<MethodRoom> {
  let n = 0
  const script: RoomOptions["script"] = ({ messages }) => {
    const last = messages.at(-1)
    if (last?.role === "tool" || n >= plans.length) return say("Well")
    n += 1
    return todos(...plans[n - 1]!)
  }
  const opened = await openMethodRoom({ script, tools: [todoWrite], ...more })
  t.after(() => opened.close())
  return opened
}

const refusal = (code: string) => (error: unknown) => error instanceof PincerError && error.code === code
interface Listed {
  plans: PlanView[]
  count: number
}
const say1 = (room: MethodRoom, message: string, sessionKey = "work") =>
  room.call("chat.send", { sessionKey, message, wait: true })

test("a plan that a model declares is listed, shown with its goal and where it stands, and forgotten", async (t) => {
  const room = await open(t, [
    [
      ["look", "completed"],
      ["写报告", "in_progress"],
      ["send", "pending"],
    ],
  ])
  await say1(room, "Prepare the report")
  const { plans, count } = (await room.call("plan.list")) as Listed
  assert.equal(count, 1)
  const [plan] = plans
  assert.equal(plan?.goal, "Prepare the report")
  assert.equal(plan.status, "paused")
  assert.equal(plan.currentStepIndex, 1)
  assert.deepEqual(
    plan.steps.map(({ description, status }) => [description, status]),
    [
      ["look", "completed"],
      ["写报告", "in_progress"],
      ["send", "pending"],
    ],
  )
  assert.deepEqual(await room.py("plan.get", { planId: plan.id }), plan)
  await assert.rejects(room.call("plan.get", { planId: "x" }), refusal("NOT_FOUND"))
  assert.equal(((await room.call("plan.list", { sessionKey: "other" })) as Listed).count, 0)
  assert.deepEqual(await room.call("plan.delete", { planId: plan.id }), { deleted: true })
  assert.deepEqual(await room.call("plan.delete", { planId: plan.id }), { deleted: false })
})

test("a plan that changes stays one; a new list after a finished one is another", async (t) => {
  const room = await open(t, [[["a", "pending"]], [["a", "completed"]], [["b", "pending"]], []])
  for (const message of ["one", "two", "three"]) await say1(room, message)
  const { plans } = (await room.call("plan.list")) as Listed
  assert.deepEqual(
    plans.map(({ iterationCount, status, steps }) => [steps[0]?.description, status, iterationCount]),
    [
      ["b", "pending", 1],
      ["a", "completed", 2],
    ],
  )
  assert.equal(((await room.call("plan.list", { open: true })) as Listed).count, 1)
  await say1(room, "never mind")
  assert.equal(((await room.call("plan.list")) as Listed).count, 1, "an emptied list is no plan")
})

test("plan.resume begins one turn with what is left, however often it is asked at once, and another when that has ended", async (t) => {
  const room = await open(t, [
    [
      ["look", "completed"],
      ["write", "pending"],
    ],
  ])
  await say1(room, "Prepare the report")
  const { plans } = (await room.call("plan.list")) as Listed
  const { id: planId } = plans[0]!
  const resume = () => room.call("plan.resume", { planId }) as Promise<{ resumed: boolean; runId: string }>
  const [first, second] = await Promise.all([resume(), resume()])
  assert.deepEqual([first.resumed, second.runId], [true, first.runId])
  const record = await room.room.lanes.wait(first.runId)
  assert.equal(record?.status, "completed")
  const told = record.request.input[0]
  assert.match(told?.type === "text" ? told.text : "", /1 of its 2 steps are done\. What is left:\n- write$/)
  const again = await resume()
  assert.notEqual(again.runId, first.runId)
  await room.room.lanes.wait(again.runId)
  const keyed = { planId, idempotencyKey: "mine" }
  assert.equal(((await room.call("plan.resume", keyed)) as { runId: string }).runId, "mine")
  await room.room.lanes.wait("mine")
  assert.equal(((await room.call("plan.resume", keyed)) as { runId: string }).runId, "mine")
  assert.equal((await room.parts.store.turns.list({ sessionKey: "agent:main:work", limit: 50 })).length, 4)
})

test("plan.resume refuses what is done and what is being worked on, and says why", async (t) => {
  const gate = Promise.withResolvers<void>()
  let n = 0
  const room = await open(t, [], {
    script: (_, signal) => {
      n += 1
      return n === 1
        ? todos(["a", "pending"])
        : n === 3
          ? todos(["a", "completed"])
          : say("Well", signal, n === 2 ? gate.promise : undefined)
    },
  })
  await room.call("chat.send", { sessionKey: "work", message: "go", idempotencyKey: "t1" })
  await room.room.seen("plan.updated", "t1")
  const { plans } = (await room.call("plan.list")) as Listed
  assert.equal(plans[0]?.status, "running")
  const { id: planId } = plans[0]
  const busy = (await room.call("plan.resume", { planId })) as { resumed: boolean; runId: string; reason: string }
  assert.deepEqual([busy.resumed, busy.runId], [false, "t1"])
  gate.resolve()
  await room.room.lanes.wait("t1")
  await say1(room, "finish")
  const done = (await room.call("plan.resume", { planId })) as { resumed: boolean; reason: string }
  assert.deepEqual([done.resumed, done.reason], [false, "Every step is done"])
})

test("plans go with the log that they were declared in, and a copy of the session has its own", async (t) => {
  const room = await open(t, [[["a", "pending"]]])
  await say1(room, "go")
  const forked = (await room.call("sessions.fork", { key: "work" })) as { key: string }
  assert.equal(((await room.call("plan.list")) as Listed).count, 2)
  await room.call("sessions.reset", { key: "work" })
  const left = (await room.call("plan.list")) as Listed
  assert.deepEqual(
    left.plans.map(({ sessionKey }) => sessionKey),
    [forked.key],
  )
  await room.call("sessions.delete", { key: forked.key })
  assert.equal(((await room.call("plan.list")) as Listed).count, 0)
})

test("boxes to tick in a plan that is kept as text are its steps", async (t) => {
  const room = await open(t, [])
  await say1(room, "go")
  const markdown = "# Plan\n- [x] look\n* [ ] write\n1. [~] send\nno box"
  const plan = { planId: "p", entries: [], markdown }
  await room.parts.store.transcript.add("agent:main:work", "main", [{ type: "plan.updated", planId: "p", plan }])
  const { plans } = (await room.call("plan.list")) as Listed
  assert.deepEqual(
    plans[0]?.steps.map(({ status }) => status),
    ["completed", "pending", "in_progress"],
  )
})

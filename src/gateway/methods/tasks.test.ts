import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { openMethodRoom } from "../../../test/fakes/method-room.ts"

interface Any {
  [key: string]: Any
}

async function open(t: TestContext) {
  const held = Promise.withResolvers<void>()
  const opened = await openMethodRoom({
    script: (_request, signal) => say("the answer", signal, held.promise),
  })
  t.after(() => opened.close())
  await opened.parts.jobs.start()
  t.after(opened.parts.hub.onAll((envelope) => opened.parts.jobs.observe(envelope)))
  return { ...opened, release: held.resolve }
}

test("jobs are told as tasks: listed, looked at, stopped, and what cannot be is an answer", async (t) => {
  const { call, release } = await open(t)
  const ids: string[] = []
  for (const prompt of ["first 你好", "second"]) ids.push(((await call("job.submit", { prompt })) as { id: string }).id)
  const [first, second] = ids as [string, string]
  const listed = (await call("tasks.list", { limit: 1 })) as { tasks: Any[]; nextCursor: string }
  assert.deepEqual([listed.tasks[0]!["id"], listed.tasks[0]!["title"]], [second, "second"])
  const rest = (await call("tasks.list", { cursor: listed.nextCursor })) as { tasks: Any[]; nextCursor?: string }
  assert.deepEqual([rest.tasks.map(({ id }) => id), rest.nextCursor], [[first], undefined])
  const stopped = (await call("tasks.cancel", { taskId: second, reason: "no need" })) as Any
  assert.deepEqual([stopped["cancelled"], stopped["task"]!["status"]], [true, "cancelled"])
  const again = (await call("tasks.cancel", { taskId: second })) as Any
  assert.deepEqual([again["found"], again["cancelled"]], [true, false])
  assert.match(String(again["reason"]), /\S/)
  const none = (await call("tasks.cancel", { taskId: "none" })) as Any
  assert.deepEqual([none["found"], none["cancelled"]], [false, false])
  release()
  const whole = async () => ((await call("tasks.get", { taskId: first })) as Any)["task"]!
  while (String((await whole())["status"]) !== "completed") await new Promise((resolve) => setImmediate(resolve))
  const done = await whole()
  assert.deepEqual([done["prompt"], done["result"], done["runtime"]], ["first 你好", "the answer", "cli"])
  const ended = (await call("tasks.list", { status: "cancelled" })) as { tasks: Any[] }
  assert.deepEqual(
    ended.tasks.map(({ id }) => id),
    [second],
  )
  const { results } = (await call("tasks.retry", { taskIds: [first, "none"] })) as {
    results: { ok: boolean; reason: string }[]
  }
  assert.deepEqual(
    results.map(({ ok }) => ok),
    [false, false],
  )
  assert.match(results[0]!.reason, /completed/)
  await assert.rejects(call("tasks.get", { taskId: "none" }), /none/)
  await assert.rejects(call("tasks.list", { cursor: "x" }), /nextCursor/)
})

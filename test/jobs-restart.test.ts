// What becomes of jobs when the gateway stops or dies: queued ones stay queued, interrupted ones fail unless somebody said that they
// may go on, and whoever was owed a call gets it.
import assert from "node:assert/strict"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { after, before, test } from "node:test"
import { connectApprover, killChildren, startChild } from "./fakes/crash-rounds.ts"
import { askJobs, followEvents, readEvents, untilStatus } from "./fakes/job-client.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, makeHome, startHouse, TEST_TOKEN } from "./house.ts"

let fake: FakeModel
before(async () => {
  fake = await startFakeModel()
})
after(async () => {
  killChildren()
  await fake.close()
})

/** A model that has begun to answer and does not go on. */
function stuck() {
  const begun = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  fake.script(() => {
    begun.resolve()
    return { text: "half of it", deltaSize: 4, gate: gate.promise }
  })
  return { begun: begun.promise, release: () => gate.resolve() }
}

async function submit(at: Pick<House, "url" | "token">, body: Record<string, unknown>): Promise<string> {
  const answer = await askJobs(at, "POST", "", body)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}

test("after a stop queued jobs run, and the running one has failed as interrupted and can be retried", async () => {
  const one = stuck()
  const config = { jobs: { maxConcurrent: 1 } }
  const house = await startHouse({ fake: fake.url, config })
  const running = await submit(house, { prompt: "a" })
  await one.begun
  const queued = await submit(house, { prompt: "b" })
  await house.stop()
  one.release()
  const next = await startHouse({ home: house.home })
  const failed = await untilStatus(next, running, "failed")
  assert.deepEqual([failed.error_reason, failed.attempt], ["interrupted", 1])
  assert.match(failed.error!, /[Ii]nterrupted by a restart/)
  await untilStatus(next, queued, "completed")
  assert.equal((await askJobs(next, "POST", `/${running}/retry`)).status, 200)
  await untilStatus(next, running, "completed")
  await next.close()
})

for (const onInterrupt of ["fail", "resume"] as const)
  test(`after kill -9 a running job whose caller said "${onInterrupt}" ${onInterrupt === "fail" ? "has failed" : "goes on"}`, {
    timeout: 30_000,
  }, async () => {
    const { home } = makeHome({ fake: fake.url, config: { jobs: { maxConcurrent: 1 } } })
    const one = stuck()
    const first = await startChild(home)
    const gone = once(first.process, "exit")
    const at = { url: first.url.replace(/^ws/, "http"), token: TEST_TOKEN }
    const running = await submit(at, { prompt: "a", on_interrupt: onInterrupt })
    await one.begun
    const queued = await submit(at, { prompt: "b" })
    first.process.kill("SIGKILL")
    await gone
    one.release()
    const house = await startHouse({ home })
    const end = await untilStatus(house, running, onInterrupt === "fail" ? "failed" : "completed")
    assert.equal(end.attempt, 1)
    if (onInterrupt === "fail") assert.equal(end.error_reason, "interrupted")
    await untilStatus(house, queued, "completed")
    const events = await readEvents(house, running)
    const ends = events.filter((told) => /^job\.(completed|failed|canceled)$/.test(told.event))
    assert.equal(ends.length, 1)
    await house.close()
    rmSync(home, { recursive: true, force: true })
  })

test("after kill -9 a job whose turn still waited behind a conversation runs, as nothing of it had begun", {
  timeout: 30_000,
}, async () => {
  const { home } = makeHome({ fake: fake.url })
  const one = stuck()
  const first = await startChild(home)
  const gone = once(first.process, "exit")
  const client = await connectApprover(first.url)
  await client.request("chat.send", { sessionKey: "busy", message: "talk", idempotencyKey: "talk-1" })
  await one.begun
  const at = { url: first.url.replace(/^ws/, "http"), token: TEST_TOKEN }
  const id = await submit(at, { prompt: "a", session: "busy" })
  for await (const told of followEvents(at, id)) if (told.event === "job.started") break
  first.process.kill("SIGKILL")
  await gone
  client.close()
  one.release()
  const house = await startHouse({ home })
  assert.equal((await untilStatus(house, id, "completed")).attempt, 1)
  await house.close()
  rmSync(home, { recursive: true, force: true })
})

test("an agent of which the configuration says so goes on after a restart", async () => {
  const one = stuck()
  const config = { agents: { entries: { steady: {} } }, jobs: { agents: { steady: { onInterrupt: "resume" } } } }
  const house = await startHouse({ fake: fake.url, config })
  const id = await submit(house, { prompt: "a", agent: "steady" })
  await one.begun
  await house.stop()
  one.release()
  const next = await startHouse({ home: house.home })
  await untilStatus(next, id, "completed")
  await next.close()
})

test("a job that waits before another attempt still does so after a restart", async () => {
  let broken = true
  fake.otherwise((request) =>
    broken && JSON.stringify(request.body["messages"]).includes("flaky")
      ? { fail: { type: "error-event", message: "overloaded", code: "overloaded_error" } }
      : { text: "fine" },
  )
  const house = await startHouse({
    fake: fake.url,
    config: { jobs: { backoffMs: 3_600_000, maxBackoffMs: 3_600_000 } },
  })
  const id = await submit(house, { prompt: "flaky", max_attempts: 2 })
  await untilWarned(house, id)
  await house.stop()
  broken = false
  const next = await startHouse({ home: house.home })
  const { body } = await askJobs(next, "GET", `/${id}`)
  assert.equal(body.status, "queued")
  assert.ok(Date.parse(body.not_before!) > Date.now() + 3_000_000)
  assert.equal((await askJobs(next, "POST", `/${id}/cancel`)).body.status, "canceled")
  await next.close()
})

/** Until the first attempt has failed. */
async function untilWarned(house: House, id: string): Promise<void> {
  const warned = Promise.withResolvers<void>()
  const look = () => {
    void house.parts.jobs.get(id).then((job) => job.status === "queued" && job.attempt === 1 && warned.resolve())
  }
  const stop = house.parts.jobs.onJob(id, look)
  look()
  await warned.promise
  stop()
}

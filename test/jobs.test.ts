// Jobs through a whole gateway: the states of the document, order, cancel, retry, delete, restarts, events, callbacks, and what each
// door refuses.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import type { WireJob } from "../src/protocol/job.ts"
import { askJobs, readEvents, untilStatus } from "./fakes/job-client.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

let fake: FakeModel
let house: House
before(async () => {
  fake = await startFakeModel()
  house = await startHouse({
    fake: fake.url,
    config: { agents: { entries: { codex: {} } }, jobs: { maxConcurrent: 2, backoffMs: 10 } },
  })
})
after(async () => {
  await house.close()
  await fake.close()
})

test("a job is queued, runs and completes, with result, logs and times as the document has them", async () => {
  const { status, body, headers } = await askJobs(house, "POST", "", { prompt: "帮我分析项目结构", agent: "codex" })
  assert.equal(status, 201)
  assert.deepEqual([body.status, body.prompt, body.agent_name], ["queued", "帮我分析项目结构", "codex"])
  assert.match(body.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
  assert.equal(headers.get("location"), `/api/jobs/${body.id}`)
  const done = await untilStatus(house, body.id, "completed")
  assert.equal(done.result, "Hello from the fake model.")
  assert.deepEqual(
    done.logs!.map((line) => [line.level, line.message]),
    [
      ["info", "Job submitted"],
      ["info", "Job started"],
      ["info", "Job completed successfully"],
    ],
  )
  for (const at of [done.created_at, done.started_at!, done.finished_at!]) assert.match(at, /^\d{4}-\d\d-\d\dT.*Z$/)
  const { body: list } = await askJobs<{ jobs: WireJob[]; count: number }>(house, "GET", "")
  const listed = list.jobs.find((one) => one.id === body.id)!
  assert.deepEqual([listed.result, listed.logs, listed.error], [undefined, undefined, undefined])
})

test("events are told from the beginning, in order, and taken up after any of them", async () => {
  const { body } = await askJobs(house, "POST", "", { prompt: "hi" })
  const all = await readEvents(house, body.id)
  const recorded = all.filter((one) => one.id !== undefined)
  assert.deepEqual(
    recorded.map((one) => one.event),
    ["job.queued", "job.started", "turn.started", "message.added", "message.added", "turn.ended", "job.completed"],
  )
  for (let i = 0; i < recorded.length - 1; i++) {
    const rest = await readEvents(house, body.id, recorded[i]!.id)
    assert.deepEqual(
      rest.map((one) => one.id),
      recorded.slice(i + 1).map((one) => one.id),
    )
  }
  const end = await askJobs(house, "GET", `/${body.id}/events?after=${recorded.at(-1)!.id}`)
  assert.equal(end.status, 204)
})

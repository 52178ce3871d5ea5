// Jobs through a whole gateway: the states of the document, order, cancel, retry, delete, restarts, events, callbacks, and what each
// door refuses.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import type { WireJob } from "../src/protocol/job.ts"
import { askJobs, followEvents, readEvents, untilStatus } from "./fakes/job-client.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

let fake: FakeModel
let house: House
before(async () => {
  fake = await startFakeModel()
  house = await startHouse({
    fake: fake.url,
    config: { agents: { entries: { codex: { acp: { enabled: false } } } }, jobs: { maxConcurrent: 2, backoffMs: 10 } },
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
    [
      "job.queued",
      "job.started",
      "turn.started",
      "message.added",
      "message.added",
      "context.measured",
      "turn.ended",
      "job.completed",
    ],
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

/** A model that answers when the returned function is called. */
function held(text = "done") {
  const gate = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  fake.script(() => {
    begun.resolve()
    return { text, deltaSize: 100, gate: gate.promise }
  })
  return { release: () => gate.resolve(), begun: begun.promise }
}

async function submit(body: Record<string, unknown>): Promise<string> {
  const answer = await askJobs(house, "POST", "", body)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}

const statusOf = async (id: string) => (await askJobs(house, "GET", `/${id}`)).body.status

test("more jobs than workers wait as queued; a queued one is canceled without ever running", async () => {
  const [a, b] = [held(), held()]
  const [first, second] = [await submit({ prompt: "1" }), await submit({ prompt: "2" })]
  await Promise.all([a.begun, b.begun])
  const third = await submit({ prompt: "3" })
  assert.deepEqual(await Promise.all([first, second, third].map(statusOf)), ["running", "running", "queued"])
  const asked = fake.requests.length
  const canceled = await askJobs(house, "POST", `/${third}`, { action: "cancel" })
  assert.deepEqual([canceled.status, canceled.body], [200, { success: true, status: "canceled" }])
  a.release()
  b.release()
  await untilStatus(house, first, "completed")
  await untilStatus(house, second, "completed")
  const job = (await askJobs(house, "GET", `/${third}`)).body
  assert.deepEqual([job.status, job.started_at, fake.requests.length], ["canceled", undefined, asked])
})

test("cancel of a running job stops its turn, and the job is canceled, not failed", async () => {
  const one = held()
  const id = await submit({ prompt: "long" })
  await one.begun
  const { status, body } = await askJobs(house, "POST", `/${id}/cancel`)
  assert.deepEqual([status, body.status, body.error], [200, "canceled", undefined])
  assert.deepEqual(body.logs!.at(-1)!.level, "info")
  one.release()
})

test("DELETE cancels what runs and keeps it, removes what has ended, and with purge does both", async () => {
  const one = held()
  const id = await submit({ prompt: "long" })
  await one.begun
  const first = await askJobs(house, "DELETE", `/${id}`)
  assert.deepEqual([first.status, first.body], [200, { success: true, status: "canceled", removed: false }])
  one.release()
  assert.equal(await statusOf(id), "canceled")
  const second = await askJobs(house, "DELETE", `/${id}`)
  assert.deepEqual([second.status, second.body], [200, { success: true, status: "canceled", removed: true }])
  assert.equal((await askJobs(house, "GET", `/${id}`)).status, 404)
  const two = held()
  const other = await submit({ prompt: "long" })
  await two.begun
  const purged = await askJobs(house, "DELETE", `/${other}?purge=true`)
  two.release()
  assert.deepEqual([purged.status, (await askJobs(house, "GET", `/${other}`)).status], [200, 404])
  assert.equal(await house.parts.store.sessions.get(`agent:main:job:${other}`), undefined)
})

test("a failed job says why, and runs again when somebody retries it", async () => {
  fake.script({ fail: { type: "status", status: 401 } })
  const id = await submit({ prompt: "try" })
  const failed = await untilStatus(house, id, "failed")
  assert.ok(failed.error && failed.error_code && failed.logs!.at(-1)!.level === "error", JSON.stringify(failed))
  const again = await askJobs(house, "POST", `/${id}/retry`)
  assert.deepEqual([again.status, again.body.error, again.body.finished_at], [200, undefined, undefined])
  const done = await untilStatus(house, id, "completed")
  assert.equal(done.attempt, 2)
  assert.deepEqual(
    done.logs!.map((line) => line.message.replace(/: .*/, "")),
    [
      "Job submitted",
      "Job started",
      "Job failed",
      "Job queued again",
      "Job started (attempt 2)",
      "Job completed successfully",
    ],
  )
})

test("a job with attempts left is tried again after a pause when the model service was overloaded, and only then", async () => {
  // Each turn has retries of its own, so the service must be down for longer than these.
  let left = 2
  const asked: string[] = []
  fake.otherwise((request) => {
    const words = JSON.stringify(request.body["messages"])
    if (!words.includes("flaky")) return { text: "Hello from the fake model." }
    asked.push(words)
    left -= 1
    return left >= 0
      ? { fail: { type: "error-event", message: "overloaded", code: "overloaded_error" } }
      : { text: "at last" }
  })
  const id = await submit({ prompt: "flaky", max_attempts: 5 })
  const done = await untilStatus(house, id, "completed")
  assert.equal(done.result, "at last")
  assert.ok(done.attempt > 1, JSON.stringify(done))
  assert.ok(done.logs!.some((line) => line.level === "warn" && /another follows/.test(line.message)))
  fake.script({ fail: { type: "status", status: 401 } })
  const refused = await submit({ prompt: "no key", max_attempts: 5 })
  assert.equal((await untilStatus(house, refused, "failed")).attempt, 1)
  fake.otherwise({ text: "Hello from the fake model." })
})

test("a job that runs longer than its timeout has failed, and the error names the limit", async () => {
  const one = held()
  const id = await submit({ prompt: "slow", timeout: 0.05 })
  const failed = await untilStatus(house, id, "failed")
  one.release()
  assert.match(failed.error!, /timeout of 0\.05 seconds/)
  assert.deepEqual([failed.timeout, failed.error_code, failed.error_reason], [0.05, "TIMEOUT", "timeout"])
})

test("jobs of one session run one after another in the order of their submission, others beside them", async () => {
  const session = "together"
  const first = held("one")
  const ids = [await submit({ prompt: "s1", session })]
  await first.begun
  for (const prompt of ["s2", "s3"]) ids.push(await submit({ prompt, session, priority: 9 }))
  const beside = await submit({ prompt: "beside" })
  await untilStatus(house, beside, "completed")
  assert.deepEqual(await Promise.all(ids.map(statusOf)), ["running", "queued", "queued"])
  first.release()
  const jobs = await Promise.all(ids.map((id) => untilStatus(house, id, "completed")))
  const times = jobs.map((job) => [job.started_at!, job.finished_at!])
  assert.ok(times[0]![1]! <= times[1]![0]! && times[1]![1]! <= times[2]![0]!, JSON.stringify(times))
  const { messages } = { messages: await house.parts.store.transcript.messages("agent:main:together") }
  assert.deepEqual(
    messages
      .filter((one) => one.role === "user")
      .map((one) => one.content.map((part) => (part.type === "text" ? part.text : "")).join("")),
    ["s1", "s2", "s3"],
  )
})

test("the same key and content are the same job, whichever door repeats it; other content is a conflict", async () => {
  const body = { prompt: "once", idempotency_key: "key-1" }
  const [a, b] = await Promise.all([askJobs(house, "POST", "", body), askJobs(house, "POST", "", body)])
  assert.deepEqual([a.status, b.status].sort(), [200, 201])
  assert.equal(a.body.id, b.body.id)
  const header = await askJobs(house, "POST", "", { prompt: "once" }, { "idempotency-key": "key-1" })
  assert.deepEqual([header.status, header.body.id], [200, a.body.id])
  const other = await askJobs<{ error: { code: string; message: string } }>(house, "POST", "", {
    ...body,
    prompt: "twice",
  })
  assert.equal(other.status, 409)
  assert.match(other.body.error.message, /key-1.*send a fresh one/)
})

test("a long result comes in pieces that put together are the whole", async () => {
  const text = "長い結果🙂".repeat(60_000)
  // By its words, as a job of a test before may still be asking.
  const usual = { text: "Hello from the fake model." }
  fake.otherwise(({ body }) => (JSON.stringify(body).includes('"much"') ? { text, deltaSize: 10_000 } : usual))
  const id = await submit({ prompt: "much" })
  const job = await untilStatus(house, id, "completed")
  fake.otherwise(usual)
  assert.deepEqual([job.result_truncated, job.result_size], [true, text.length])
  assert.ok(text.startsWith(job.result!))
  let whole = ""
  for (let offset: number | null = 0; offset !== null; ) {
    const page: { text: string; next: number | null } = (
      await askJobs<{ text: string; next: number | null }>(house, "GET", `/${id}/result?offset=${offset}&limit=99999`)
    ).body
    whole += page.text
    offset = page.next
  }
  assert.equal(whole, text)
})

test("lists are filtered by status, agent, session and time, and paged without hole or repeat", async () => {
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push(await submit({ prompt: `p${i}`, agent: "codex", session: "paged" }))
  for (const id of ids) await untilStatus(house, id, "completed")
  const seen: string[] = []
  for (let cursor = ""; ; ) {
    const query = `?session=agent:codex:paged&status=completed,failed&limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`
    const { body } = await askJobs<{ jobs: WireJob[]; total: number; next_cursor: string | null }>(house, "GET", query)
    assert.equal(body.total, 5)
    seen.push(...body.jobs.map((job) => job.id))
    if (body.next_cursor === null) break
    cursor = body.next_cursor
  }
  assert.deepEqual(seen, ids.toReversed())
  const none = await askJobs<{ jobs: unknown[] }>(house, "GET", "?agent=codex&since=2100-01-01T00:00:00Z")
  assert.deepEqual(none.body.jobs, [])
})

test("text is told as it grows, and is contained in what is recorded", async () => {
  const one = held("first second")
  const id = await submit({ prompt: "grow" })
  await one.begun
  const live: string[] = []
  let whole = ""
  for await (const told of followEvents(house, id)) {
    if (told.event === "text.delta") {
      live.push(String(told.data.event["delta"]))
      one.release()
    }
    if (told.event === "turn.started") one.release()
    if (told.event === "turn.ended") whole = String((told.data.event["outcome"] as { text: string }).text)
  }
  assert.ok(whole.endsWith(live.join("")), `${whole} / ${live.join("")}`)
})

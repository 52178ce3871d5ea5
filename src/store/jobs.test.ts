import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { silentLogger } from "../base/log.ts"
import type { JobRequest } from "../protocol/job.ts"
import type { NewJob } from "./jobs.ts"
import { openStore } from "./open.ts"

const folder = mkdtempSync(join(tmpdir(), "pincer-jobs-"))
const path = join(folder, "pincer.db")
const books = openStore({ path, durability: "normal" }, systemClock, silentLogger)
const { jobs } = books
after(async () => {
  await books.close()
  rmSync(folder, { recursive: true, force: true })
})

const request: JobRequest = {
  agentId: "main",
  sessionKey: "agent:main:job:x",
  ownSession: true,
  priority: 0,
  maxAttempts: 1,
  backoffMs: 1000,
  onInterrupt: "fail",
  clientId: "test",
}

let next = 0
function aJob(more: Partial<NewJob> = {}): NewJob {
  next += 1
  return { id: `job-${next}`, prompt: "do it", request, idempotencyKey: null, fingerprint: "f", ...more }
}

test("a job goes from queued to running to an end, and each step is a fact", async () => {
  const { record, duplicate } = await jobs.accept(aJob())
  assert.deepEqual([record.status, duplicate, record.attempt], ["queued", false, 0])
  assert.equal((await jobs.begin(record.id)).attempt, 1)
  const ended = await jobs.finish(record.id, { status: "completed" })
  assert.equal(ended.status, "completed")
  assert.deepEqual(
    (await jobs.facts(record.id)).map(({ n, fact }) => [n, fact.type]),
    [
      [1, "job.queued"],
      [2, "job.started"],
      [3, "job.completed"],
    ],
  )
})

test("nothing leaves completed or canceled, and the refusal names both states", async () => {
  const { record } = await jobs.accept(aJob())
  await jobs.finish(record.id, { status: "canceled" })
  for (const change of [
    () => jobs.begin(record.id),
    () => jobs.retry(record.id),
    () => jobs.finish(record.id, { status: "completed" }),
  ])
    await assert.rejects(change, { code: "CONFLICT", message: /is canceled and cannot become/ })
})

test("a queued job cannot end as completed without having run", async () => {
  const { record } = await jobs.accept(aJob())
  await assert.rejects(jobs.finish(record.id, { status: "completed" }), { code: "CONFLICT" })
})

test("a retried job keeps its facts, loses its error and goes behind the others", async () => {
  const first = (await jobs.accept(aJob())).record
  await jobs.begin(first.id)
  await jobs.finish(first.id, { status: "failed", error: { code: "UNAVAILABLE", message: "no" } })
  const second = (await jobs.accept(aJob())).record
  const again = await jobs.retry(first.id)
  assert.deepEqual([again.status, again.error, again.finishedAt, again.roundFrom], ["queued", null, null, 1])
  assert.ok(again.rank > second.rank)
  const order = (await jobs.open()).map((one) => one.id)
  assert.ok(order.indexOf(second.id) < order.indexOf(first.id))
  assert.equal((await jobs.facts(first.id)).length, 4)
})

test("the same key with the same content is the same job, with other content a conflict", async () => {
  const key = { idempotencyKey: "k1" }
  const [a, b] = await Promise.all([jobs.accept(aJob(key)), jobs.accept(aJob(key))])
  assert.equal(a.record.id, b.record.id)
  assert.deepEqual([a.duplicate, b.duplicate], [false, true])
  await assert.rejects(jobs.accept(aJob({ ...key, fingerprint: "other" })), { code: "CONFLICT" })
})

test("only the newest thousand facts of a job are kept", async () => {
  const { record } = await jobs.accept(aJob())
  for (let i = 0; i < 501; i++) {
    void jobs.begin(record.id)
    await jobs.again(record.id, { code: "UNAVAILABLE", message: "no" }, 0)
  }
  const facts = await jobs.facts(record.id)
  assert.equal(facts.length, 1000)
  assert.deepEqual([facts[0]!.n, facts.at(-1)!.n], [4, 1003])
})

test("a job that has not ended is not deleted", async () => {
  const { record } = await jobs.accept(aJob())
  await assert.rejects(jobs.delete(record.id), { code: "CONFLICT", message: /cancel it first/ })
  await jobs.finish(record.id, { status: "canceled" })
  assert.equal(await jobs.delete(record.id), true)
  assert.equal(await jobs.delete(record.id), false)
  assert.deepEqual(await jobs.facts(record.id), [])
})

test("lists are filtered and paged, newest first, with long prompts cut", async () => {
  const sessionKey = "agent:other:job:y"
  for (let i = 0; i < 5; i++)
    await jobs.accept(aJob({ prompt: `${i}${"x".repeat(50)}`, request: { ...request, agentId: "other", sessionKey } }))
  const page = await jobs.list({ agentId: "other", limit: 2 }, 10)
  assert.deepEqual(
    page.map((one) => one.prompt.slice(0, 1)),
    ["4", "3"],
  )
  assert.equal(page[0]!.prompt.length, 11)
  const rest = await jobs.list({ agentId: "other", before: page[1]!.n, status: ["queued"], limit: 10 }, 10)
  assert.deepEqual(
    rest.map((one) => one.prompt.slice(0, 1)),
    ["2", "1", "0"],
  )
  assert.equal(await jobs.count({ agentId: "other", limit: 1 }), 5)
})

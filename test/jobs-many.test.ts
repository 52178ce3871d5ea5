// Many jobs over fifty sessions at once (three hundred; a thousand with npm run test:jobs): order within each session, never more at once than workers, every state seen, and
// nothing left behind when all is done.
import assert from "node:assert/strict"
import { test } from "node:test"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { JobStatus, WireJob } from "../src/protocol/job.ts"
import { textOf } from "../src/protocol/message.ts"
import { askJobs } from "./fakes/job-client.ts"
import { type FakeReply, startFakeModel } from "./fakes/model-service.ts"
import { startHouse } from "./house.ts"

const JOBS = Number(process.env["PINCER_TEST_JOBS"] ?? 300)
const SESSIONS = 50
const WORKERS = 16

/** Further jobs, twice, for what they leave behind. */
const MORE = 250
/** Far above what a job keeps (nothing), far below a transcript, a prompt or an event stream that is held on to for each. */
const HEAP_A_JOB = 8 * 1024

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** What is alive in this process, after everything that can go has gone. */
function left() {
  for (let i = 0; i < 3; i++) collect()
  const open: Record<string, number> = {}
  // Kept connections and timers of the clients in this test come and go.
  for (const name of process.getActiveResourcesInfo())
    if (!/^(?:TCPSocketWrap|Timeout|Immediate|TickObject)$/.test(name)) open[name] = (open[name] ?? 0) + 1
  const listeners = process.eventNames().map((name) => `${String(name)} ${process.listenerCount(name)}`)
  return { open, listeners, heap: process.memoryUsage().heapUsed }
}

const watched = new Set<string>()
const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length

test(`${JOBS} jobs over ${SESSIONS} sessions`, { timeout: 120_000 }, async () => {
  const fake = await startFakeModel()
  let running = 0
  let most = 0
  fake.otherwise((request): FakeReply => {
    running += 1
    most = Math.max(most, running)
    const done = () => {
      running -= 1
    }
    const words = JSON.stringify(request.body["messages"])
    if (words.includes("fail now")) {
      done()
      return { fail: { type: "status", status: 401 } }
    }
    return { text: "ok", gate: Promise.resolve().then(done) }
  })
  const house = await startHouse({ fake: fake.url, config: { jobs: { maxConcurrent: WORKERS } } })
  const seen = new Set<JobStatus>()
  const over = Promise.withResolvers<void>()
  let ended = 0
  const ids: string[] = []
  // One job of each session at a time, so that the order of submission is known.
  const batch = SESSIONS
  for (let from = 0; from < JOBS; from += batch) {
    const answers = await Promise.all(
      Array.from({ length: batch }, (_, i) => {
        const n = from + i
        const prompt = n % 30 === 7 ? `fail now ${n}` : `job ${n}`
        return askJobs(house, "POST", "", { prompt, session: `many-${n % SESSIONS}` })
      }),
    )
    for (const { status, body } of answers) {
      assert.equal(status, 201)
      seen.add(body.status)
      ids.push(body.id)
    }
    if (from === 150) await askJobs(house, "POST", `/${ids.at(-1)}/cancel`)
    const { body } = await askJobs<{ jobs: WireJob[] }>(house, "GET", "?limit=500")
    for (const job of body.jobs) seen.add(job.status)
    assert.ok(body.jobs.filter((job) => job.status === "running").length <= WORKERS)
    assert.ok(house.parts.jobs.figures().running <= WORKERS)
  }
  const count = async () => {
    const { queued, running: now } = house.parts.jobs.figures()
    if (queued + now === 0) over.resolve()
  }
  const stops = ids.map((id) =>
    house.parts.jobs.onJob(id, () => {
      ended += 1
      void count()
    }),
  )
  await count()
  await over.promise
  for (const stop of stops) stop()
  assert.ok(ended > 0 && most <= WORKERS, `${most} model calls at once`)
  await checkOrder()
  await checkGrowth()
  const figures = house.parts.jobs.figures()
  const all = JOBS + MORE * 2
  assert.deepEqual([figures.submitted, figures.completed + figures.failed + figures.canceled], [all, all])
  assert.ok(figures.failed >= 9 && figures.canceled === 1, JSON.stringify(figures))
  const { body } = await askJobs<{ jobs: WireJob[] }>(house, "GET", "?status=completed,failed,canceled&limit=500")
  for (const job of body.jobs) seen.add(job.status)
  assert.deepEqual([...seen].sort(), ["canceled", "completed", "failed", "queued", "running"])
  await house.close()
  await fake.close()
  assert.ok(timers() < 20, `${timers()} timers are left`)

  /** Many more jobs leave neither memory nor anything open behind; the first of them warm up what is kept on purpose. */
  async function checkGrowth(): Promise<void> {
    await manyMore()
    const before = left()
    await manyMore()
    const after = left()
    assert.deepEqual(after.open, before.open)
    assert.deepEqual(after.listeners, before.listeners)
    const grown = after.heap - before.heap
    assert.ok(grown < MORE * HEAP_A_JOB, `${MORE} jobs left ${Math.round(grown / 1024)} KiB on the heap`)
  }

  async function manyMore(): Promise<void> {
    const finished = Promise.withResolvers<void>()
    let open = MORE
    for (let from = 0; from < MORE; from += batch) {
      const answers = await Promise.all(
        Array.from({ length: batch }, (_, i) =>
          askJobs(house, "POST", "", { prompt: `more ${from + i}`, session: `more-${i}` }),
        ),
      )
      for (const { body } of answers) {
        const stop = house.parts.jobs.onJob(body.id, () => void look())
        const look = async () => {
          const { status } = await house.parts.jobs.get(body.id)
          if (status !== "completed" || !watched.delete(body.id)) return
          stop()
          open -= 1
          if (open === 0) finished.resolve()
        }
        watched.add(body.id)
        void look()
      }
    }
    await finished.promise
    fake.requests.length = 0
    // What a job's end still does in the same breath.
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Each session's user messages are its jobs in the order of their submission. */
  async function checkOrder(): Promise<void> {
    for (let s = 0; s < SESSIONS; s++) {
      const messages = await house.parts.store.transcript.messages(`agent:main:many-${s}`)
      const numbers = messages
        .filter((one) => one.role === "user")
        .map((one) => Number(/\d+$/.exec(textOf(one.content))![0]))
      assert.ok(numbers.length >= JOBS / SESSIONS - 1, `session ${s} ran ${numbers.length} jobs`)
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
    }
  }
})

// Runs of workflows in the store: fenced, answered once, taken up only when nobody runs them.
import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { silentLogger } from "../base/log.ts"
import { type Books, openStore } from "./open.ts"
import { firstAttempt, RunFenced } from "./runs.ts"

const HERE = { pid: 1, birth: "a" }
let home: string
let books: Books
let now = 1_000
const clock = { ...systemClock, now: () => now }

before(() => {
  home = mkdtempSync(join(tmpdir(), "pincer-runs-"))
  books = openStore({ path: join(home, "p.db"), durability: "normal" }, clock, silentLogger)
})
after(async () => {
  await books.close()
  rmSync(home, { recursive: true, force: true })
})

const create = async (runId: string, when?: "later") => {
  await books.runs.create(
    {
      runId,
      title: `Run ${runId}`,
      file: "/w/a.lobster",
      args: { a: 1 },
      cwd: "/w",
      startedBy: "test",
      settings: {},
      definition: { steps: [] },
    },
    HERE,
    when,
  )
  return firstAttempt(runId)
}

test("a run that is created later is on disk with the first thing that is waited for, before it", async () => {
  const created = create("later", "later")
  assert.equal(await books.runs.get("later"), undefined)
  const fence = firstAttempt("later")
  await books.runs.intend(fence, "a", "once")
  assert.deepEqual(await books.runs.state(fence, "a"), { type: "intended", effect: "once" })
  assert.deepEqual((await books.runs.record("later"))?.status, "running")
  await created
  const again = create("later", "later")
  const refused = assert.rejects(again, /UNIQUE/)
  await books.runs.finish(fence, { status: "completed", output: [] })
  await refused
  assert.equal((await books.runs.get("later"))?.record.status, "completed")
})

test("a run keeps its steps, and an older attempt can write no more", async () => {
  const first = await create("r1")
  await Promise.all([
    books.runs.tell(first, [{ type: "step.started", path: "a", kind: "shell", attempt: 1 }]),
    books.runs.intend(first, "a", "once"),
  ])
  await assert.rejects(
    books.runs.take("r1", HERE, ["running"], () => true),
    { code: "CONFLICT" },
  )
  const second = await books.runs.take("r1", { pid: 2, birth: "b" }, ["running"], () => false)
  assert.equal(second.epoch, 2)
  assert.deepEqual(await books.runs.state(second, "a"), { type: "intended", effect: "once" })
  await assert.rejects(books.runs.settle(first, "a", "once", 1, []), RunFenced)
  await books.runs.settle(second, "a", "once", { json: 5 }, [
    { type: "step.ended", path: "a", kind: "shell", status: "completed", durationMs: 3 },
  ])
  assert.deepEqual(await books.runs.state(second, "a"), { type: "done", value: { json: 5 } })
  await books.runs.finish(second, { status: "completed", output: [5] })
  await assert.rejects(books.runs.append(second, []), RunFenced)
  const stored = await books.runs.get("r1")
  assert.equal(stored?.record.status, "completed")
  assert.deepEqual(stored?.output, [5])
  assert.deepEqual(
    stored?.record.steps.map((step) => [step.path, step.status, step.attempts]),
    [["a", "completed", 1]],
  )
  assert.deepEqual(
    (await books.runs.events("r1", 0, 100)).map((event) => event.seq),
    [1, 2, 3, 4, 5],
  )
  await assert.rejects(
    books.runs.take("r1", HERE, ["waiting", "failed"], () => false),
    { code: "CONFLICT" },
  )
  await assert.rejects(
    books.runs.take("nope", HERE, ["failed"], () => false),
    { code: "NOT_FOUND" },
  )
})

test("a gate is answered once, refused answers leave it, and time closes it", async () => {
  const fence = await create("r2")
  const gate = (id: string, expiresAt: number | null) => ({
    id,
    token: `token-${id}`,
    path: `gate-${id}`,
    request: { prompt: "ok?" },
    expiresAt,
  })
  await books.runs.openGate(fence, gate("aaaaaaaa", 2_000), [])
  await books.runs.openGate(fence, gate("bbbbbbbb", null), [])
  assert.deepEqual(
    (await books.runs.pending()).map((one) => one.id),
    ["aaaaaaaa", "bbbbbbbb"],
  )
  const answer = (id: string, given = {}) =>
    books.runs.answerAndTake(id, "answered", given, HERE, ["waiting"], () => false)
  const wrong = () => {
    throw new RangeError("wrong person")
  }
  assert.throws(() => books.runs.answerNow("token-aaaaaaaa", "answered", wrong), /wrong person/)
  const answers = await Promise.allSettled([1, 2, 3, 4].map((n) => answer("aaaaaaaa", { n })))
  assert.deepEqual(
    answers.map((one) => one.status),
    ["fulfilled", "rejected", "rejected", "rejected"],
  )
  const [first] = answers
  assert.ok(first?.status === "fulfilled" && "message" in first.value.taken)
  assert.match(first.value.taken.message, /is running: it cannot go on/)
  await assert.rejects(answer("zzzzzzzz"), { code: "NOT_FOUND" })
  assert.deepEqual((await books.runs.gateAt("r2", "gate-aaaaaaaa"))?.answer, { n: 1 })
  await books.runs.openGate(fence, gate("cccccccc", 1_500), [])
  now = 1_500
  await assert.rejects(answer("cccccccc"), /expired/)
  assert.deepEqual(
    (await books.runs.expire()).map((one) => one.id),
    ["cccccccc"],
  )
  assert.deepEqual(await books.runs.expire(), [])
  await books.runs.finish(fence, { status: "failed", output: [], error: { type: "runtime_error", message: "no" } })
  assert.deepEqual(
    (await books.runs.gatesOf("r2")).map((one) => one.status),
    ["answered", "canceled", "expired"],
  )
})

test("runs are found, listed newest first, and deleted with everything of theirs", async () => {
  await create("r3")
  assert.deepEqual(
    (await books.runs.list({ limit: 2 })).map((run) => run.runId),
    ["r3", "r2"],
  )
  assert.deepEqual(
    (await books.runs.list({ status: ["failed"], limit: 9 })).map((run) => run.runId),
    ["r2"],
  )
  assert.deepEqual(
    (await books.runs.list({ search: "RUN R1", limit: 9 })).map((run) => run.runId),
    ["r1"],
  )
  assert.equal(await books.runs.delete("r3"), true)
  assert.equal(await books.runs.delete("r3"), false)
  assert.equal(await books.runs.get("r3"), undefined)
})

test("state outlives runs", async () => {
  assert.equal(await books.runs.getState("k"), undefined)
  await books.runs.setState("k", null)
  assert.equal(await books.runs.getState("k"), null)
  await books.runs.setState("k", { a: "值" })
  assert.deepEqual(await books.runs.getState("k"), { a: "值" })
})

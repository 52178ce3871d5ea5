import assert from "node:assert/strict"
import { once } from "node:events"
import { test } from "node:test"
import { Worker } from "node:worker_threads"
import { toolRoom } from "../../test/fakes/tool-room.ts"
import type { LinesTask } from "./match-lines.ts"
import { inThread } from "./thread.ts"

const signal = new AbortController().signal
const limits = { signal, deadlineMs: 20_000 }
const endless = (cwd: string): LinesTask => ({
  target: cwd,
  isFolder: true,
  top: cwd,
  glob: undefined,
  pattern: "^(a+)+$",
  flags: "",
  mode: "content",
  around: 0,
  limit: 10,
})

test("inThread() ends work at its deadline", async (t) => {
  const { cwd, put } = await toolRoom(t)
  await put("a", `${"a".repeat(60)}!`)
  await assert.rejects(inThread("lines", endless(cwd), { signal, deadlineMs: 300 }), { code: "TIMEOUT" })
})

test("inThread() gives the work's own refusal on, and runs nothing once canceled", async () => {
  const task = { root: "/no/such", top: "/", pattern: "*" }
  await assert.rejects(inThread("names", task, limits), { code: "INVALID_PARAMS", message: /does not exist/ })
  await assert.rejects(inThread("names", task, { ...limits, signal: AbortSignal.abort() }), { name: "AbortError" })
})

test("only a few threads run at once; the others wait, and may leave the queue", async (t) => {
  const { cwd, put } = await toolRoom(t)
  await put("a", `${"a".repeat(60)}!`)
  const stuck = new AbortController()
  const first = Array.from({ length: 4 }, () => inThread("lines", endless(cwd), { ...limits, signal: stuck.signal }))
  const leaving = new AbortController()
  const fifth = inThread("html", { html: "x" }, { ...limits, signal: leaving.signal })
  const sixth = inThread("html", { html: "<p>made it</p>" }, limits)
  const gone = assert.rejects(fifth, { name: "AbortError" })
  leaving.abort()
  await gone
  let done = false
  void sixth.then(() => {
    done = true
  })
  // Two threads, one after the other, that need no place in the queue: time enough for the sixth, had it one.
  for (const _ of [1, 2]) {
    const workerData = { work: "html", task: { html: "x" } }
    await once(new Worker(new URL("./thread-entry.ts", import.meta.url), { workerData }), "exit")
  }
  assert.equal(done, false)
  const ended = Promise.all(first.map((one) => assert.rejects(one, { name: "AbortError" })))
  stuck.abort()
  await ended
  assert.equal(await sixth, "made it")
})

test("work that grows beyond its memory is refused, not the gateway's end", async () => {
  const html = "<p>x</p>".repeat(100_000)
  await assert.rejects(inThread("html", { html }, { ...limits, maxHeapMb: 12 }), { code: "TOO_LARGE" })
})

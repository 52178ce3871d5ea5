import assert from "node:assert/strict"
import { test } from "node:test"
import type { Clock } from "../base/clock.ts"
import { silentLogger } from "../base/log.ts"
import type { JobRecord, WireJob } from "../protocol/job.ts"
import { type CallbackPorts, CallbackSender } from "./callback.ts"

test("a try that became due while the sender looked is not forgotten", async () => {
  let now = 100
  let looks = 0
  const clock: Clock = {
    now: () => now,
    after(ms, fn) {
      assert.ok(looks < 3, `it looks again and again, after ${ms} ms`)
      const timer = setImmediate(fn)
      return () => clearImmediate(timer)
    },
    sleep: () => Promise.reject(new TypeError("not used")),
  }
  const refused = Promise.withResolvers<number>()
  const record = {
    id: "j",
    status: "completed",
    attempt: 1,
    callback: { state: "waiting", tries: 0 },
    request: { callback: { url: "http://10.0.0.1/", secret: "k" } },
  } as unknown as JobRecord
  const jobs = {
    // Due at 101; by the time the answer is there it is 102.
    async dueCallbacks(at: number) {
      looks += 1
      now = 102
      return at < 101 ? { due: [], nextAt: 101 } : { due: looks > 2 ? [] : [record], nextAt: null }
    },
    called: async (_id: string, _state: string, tries: number) => refused.resolve(tries),
  } as unknown as CallbackPorts["jobs"]
  const sender = new CallbackSender({
    clock,
    log: silentLogger,
    jobs,
    settings: { timeoutMs: 1000, maxTries: 1, backoffMs: 1, allowHosts: [] },
    show: async () => ({}) as WireJob,
    rules: { isSpecial: () => true, allowHosts: [] },
  })
  sender.wake()
  assert.equal(await refused.promise, 1)
  await sender.close()
})

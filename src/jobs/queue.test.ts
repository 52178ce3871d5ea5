import assert from "node:assert/strict"
import { test } from "node:test"
import type { Clock } from "../base/clock.ts"
import type { OpenJob } from "../store/jobs.ts"
import { JobQueue } from "./queue.ts"

function heldClock() {
  let now = 0
  const timers = new Set<{ at: number; fn: () => void }>()
  const clock: Clock = {
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + ms, fn }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    sleep: () => Promise.reject(new TypeError("not used")),
  }
  const pass = (ms: number) => {
    now += ms
    for (const timer of [...timers]) if (timer.at <= now && timers.delete(timer)) timer.fn()
  }
  return { clock, timers, pass }
}

let rank = 0
function job(sessionKey: string, more: Partial<OpenJob> = {}): OpenJob {
  rank += 1
  return { id: `j${rank}`, rank, status: "queued", priority: 0, sessionKey, notBefore: null, ...more }
}

test("take() gives the jobs of a session one at a time and in order", () => {
  const queue = new JobQueue(heldClock().clock)
  const [a, b] = [job("s"), job("s")]
  queue.add(a)
  queue.add(b)
  assert.equal(queue.take()?.id, a.id)
  assert.equal(queue.take(), undefined)
  queue.remove(a.id)
  assert.equal(queue.take()?.id, b.id)
  queue.remove(b.id)
  assert.equal(queue.size, 0)
})

test("a job that comes back before others of its session goes before them", () => {
  const queue = new JobQueue(heldClock().clock)
  const [a, b] = [job("s"), job("s")]
  queue.add(b)
  queue.add(a)
  assert.equal(queue.take()?.id, a.id)
  assert.equal(queue.take(), undefined)
})

test("between sessions priority decides, then age; within one only order does", () => {
  const queue = new JobQueue(heldClock().clock)
  const low = job("a", { priority: -1 })
  const normal = [job("b"), job("c")]
  const high = job("d", { priority: 5 })
  const behind = job("b", { priority: 9 })
  for (const one of [low, ...normal, high, behind]) queue.add(one)
  const order: string[] = []
  for (let one = queue.take(); one; one = queue.take()) {
    order.push(one.id)
    queue.remove(one.id)
  }
  assert.deepEqual(
    order,
    [high, normal[0]!, behind, normal[1]!, low].map((one) => one.id),
  )
})

test("a job that was put back holds its session up until its time has come", () => {
  const { clock, pass, timers } = heldClock()
  const queue = new JobQueue(clock)
  let woken = 0
  queue.onReady = () => {
    woken += 1
  }
  const [a, b] = [job("s"), job("s")]
  queue.add(a)
  queue.add(b)
  queue.take()
  queue.putBack(a.id, 100)
  assert.equal(queue.take(), undefined)
  pass(100)
  assert.equal(woken, 1)
  assert.equal(queue.take()?.id, a.id)
  queue.remove(a.id)
  assert.equal(queue.take()?.id, b.id)
  assert.equal(timers.size, 0)
})

test("what is removed while it waits is never given, and its timer goes with it", () => {
  const { clock, pass, timers } = heldClock()
  const queue = new JobQueue(clock)
  const [a, b] = [job("s", { notBefore: 50 }), job("t")]
  queue.add(a)
  queue.add(b)
  queue.remove(a.id)
  queue.remove(b.id)
  assert.equal(timers.size, 0)
  pass(100)
  assert.equal(queue.take(), undefined)
})

test("ten thousand jobs in any order come out by priority and age", () => {
  const queue = new JobQueue(heldClock().clock)
  let state = 7
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return state
  }
  for (let i = 0; i < 10_000; i++) queue.add(job(`s${i}`, { priority: random() % 7 }))
  let last = { priority: Number.POSITIVE_INFINITY, rank: 0 }
  for (let one = queue.take(); one; one = queue.take()) {
    assert.ok(one.priority < last.priority || (one.priority === last.priority && one.rank > last.rank))
    last = one
    queue.remove(one.id)
  }
  assert.equal(queue.size, 0)
})

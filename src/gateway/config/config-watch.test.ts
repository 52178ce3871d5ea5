import assert from "node:assert/strict"
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import type { Clock } from "../../base/clock.ts"
import { silentLogger } from "../../base/log.ts"
import { watchConfig } from "./config-watch.ts"

/** Timers that go off when the test says so, by what they wait for. */
function open(t: TestContext, text?: string) {
  const folder = mkdtempSync(join(tmpdir(), "pincer-watch-"))
  const path = join(folder, "pincer.json")
  if (text !== undefined) writeFileSync(path, text)
  const timers = new Set<{ ms: number; fn: () => void }>()
  const rested = new Set<() => void>()
  const clock: Clock = {
    now: () => 0,
    after(ms, fn) {
      const timer = { ms, fn }
      timers.add(timer)
      if (ms < 1_000) for (const one of rested) one()
      return () => void timers.delete(timer)
    },
    sleep: async () => undefined,
  }
  const fire = (short: boolean) => {
    for (const timer of [...timers])
      if (timer.ms < 1_000 === short) {
        timers.delete(timer)
        timer.fn()
      }
  }
  let heard: (() => void) | undefined
  const reloads: (string | undefined)[] = []
  const live = {
    seen: text,
    async reload() {
      reloads.push(live.seen)
      heard?.()
      return { changed: [], restart: [], warnings: [] }
    },
  }
  const stop = watchConfig({ path, live, clock, log: silentLogger })
  t.after(() => {
    stop()
    rmSync(folder, { recursive: true, force: true })
  })
  /** The next sign of a change that the system gives. */
  const sign = () =>
    new Promise<void>((resolve) => {
      const one = () => {
        rested.delete(one)
        resolve()
      }
      rested.add(one)
    })
  const reloaded = () =>
    new Promise<void>((resolve) => {
      heard = resolve
    })
  return { path, folder, reloads, fire, sign, reloaded, timers }
}

test("a file that editors replace again and again is loaded each time, once it rests", async (t) => {
  const { fire, folder, path, reloaded, reloads, sign } = open(t, "{}")
  fire(true)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(reloads, [])
  for (const text of ['{"a": 1}', '{"b": 2}']) {
    const noticed = sign()
    writeFileSync(join(folder, "draft"), text)
    renameSync(join(folder, "draft"), path)
    await noticed
    const done = reloaded()
    fire(true)
    await done
    assert.equal(reloads.at(-1), text)
  }
})

test("what the system does not tell is found by the look, also a file that was not there", async (t) => {
  const { fire, path, reloaded, reloads } = open(t)
  fire(true)
  writeFileSync(path, '{"a": 1}')
  fire(false)
  const done = reloaded()
  fire(true)
  await done
  assert.deepEqual(reloads, ['{"a": 1}'])
})

test("a change made before the watch began is not missed", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-watch-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, "pincer.json")
  writeFileSync(path, '{"new": 1}')
  const short: (() => void)[] = []
  const done = Promise.withResolvers<void>()
  const clock: Clock = {
    now: () => 0,
    after(ms, fn) {
      if (ms < 1_000) short.push(fn)
      return () => undefined
    },
    sleep: async () => undefined,
  }
  const reload = async () => {
    done.resolve()
    return { changed: [], restart: [], warnings: [] }
  }
  const stop = watchConfig({ path, live: { seen: '{"old": 1}', reload }, clock, log: silentLogger })
  t.after(stop)
  for (const fn of short) fn()
  await done.promise
})

test("once ended nothing goes off", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-watch-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  let open = 0
  const clock: Clock = {
    now: () => 0,
    after() {
      open += 1
      return () => {
        open -= 1
      }
    },
    sleep: async () => undefined,
  }
  const live = { seen: undefined, reload: () => assert.fail("nothing was to be loaded") }
  watchConfig({ path: join(folder, "pincer.json"), live, clock, log: silentLogger })()
  assert.equal(open, 0)
})

import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import { judgeConfig, loadConfig } from "../../config/load.ts"
import type { Config } from "../../config/schema.ts"
import { ConfigService } from "./config-service.ts"
import type { ConfigChange } from "./live-config.ts"

function open(t: TestContext, text: string) {
  const home = mkdtempSync(join(tmpdir(), "pincer-live-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const file = join(home, "pincer.json")
  writeFileSync(file, text)
  const env = { PINCER_HOME: home }
  const loaded = loadConfig({ env })
  const load = (raw?: string) =>
    raw === undefined
      ? loadConfig({ env })
      : judgeConfig({ env, flags: {}, paths: loaded.paths, file: { text: raw, open: false } })
  const service = new ConfigService({ loaded, load, clock: systemClock, log: silentLogger })
  return { service, write: (next: string) => writeFileSync(file, next) }
}

/** Remembers what it is told. */
function recorder(prefixes: string[]) {
  const seen: { next: Config; paths: string[] }[] = []
  const apply = (next: Config, changes: readonly ConfigChange[]) =>
    void seen.push({ next, paths: changes.map((change) => change.path) })
  return { seen, taker: { prefixes, apply } }
}

test("a reload tells each taker its own changes, and only then", async (t) => {
  const { service, write } = open(t, '{"turns": {"maxQueued": 5}}')
  const turns = recorder(["turns"])
  const jobs = recorder(["jobs"])
  service.take(turns.taker)
  service.take(jobs.taker)
  write('{"turns": {"maxQueued": 6}, "providers": {"x": {"service": "openai"}}}')
  const outcome = await service.reload("call")
  assert.deepEqual(outcome, { changed: ["turns.maxQueued"], restart: ["providers.x"], warnings: [] })
  assert.deepEqual(turns.seen[0]?.paths, ["turns.maxQueued"])
  assert.equal(jobs.seen.length, 0)
  assert.equal(service.current().turns.maxQueued, 6)
})

test("what nobody takes keeps its value, and still waits at the next reload", async (t) => {
  const { service, write } = open(t, '{"gateway": {"port": 5000}}')
  service.take(recorder(["turns"]).taker)
  write('{"gateway": {"port": 5001}, "turns": {"maxQueued": 7}}')
  await service.reload("file")
  assert.equal(service.current().gateway.port, 5000)
  assert.deepEqual(service.waiting(), [{ path: "gateway.port", steps: ["gateway", "port"], before: 5000, after: 5001 }])
  const again = await service.reload("file")
  assert.deepEqual(again, { changed: [], restart: ["gateway.port"], warnings: [] })
  write('{"gateway": {"port": 5000}, "turns": {"maxQueued": 7}}')
  assert.deepEqual((await service.reload("file")).restart, [])
})

test("a file that is not valid changes nothing, says where, and is forgiven once it is mended", async (t) => {
  const { service, write } = open(t, '{"turns": {"maxQueued": 5}}')
  const turns = recorder(["turns"])
  service.take(turns.taker)
  write('{\n  "turns": {"maxQueued": -1}\n}')
  await assert.rejects(service.reload("file"), /line 2, column 13: turns\.maxQueued/)
  assert.equal(service.current().turns.maxQueued, 5)
  assert.match(service.refused?.message ?? "", /turns\.maxQueued/)
  assert.equal(service.refused?.issues.length, 1)
  write('{"turns": {"maxQueued": 5}}')
  await service.reload("file")
  assert.equal(service.refused, undefined)
  assert.equal(turns.seen.length, 0)
})

test("one taker that refuses keeps all from changing", async (t) => {
  const { service, write } = open(t, "{}")
  const first = recorder(["turns"])
  service.take(first.taker)
  service.take({
    prefixes: ["turns.maxQueued"],
    prepare: () => {
      throw new PincerError("INVALID_PARAMS", "not today")
    },
    apply: () => assert.fail("it was not to be applied"),
  })
  write('{"turns": {"maxQueued": 6}}')
  await assert.rejects(service.reload("file"), /not today/)
  assert.equal(first.seen.length, 0)
  assert.equal(service.current().turns.maxQueued, 100)
})

test("what fails half-way is taken back everywhere", async (t) => {
  const { service, write } = open(t, "{}")
  const first = recorder(["turns"])
  service.take(first.taker)
  let tries = 0
  service.take({
    prefixes: ["turns"],
    apply() {
      tries += 1
      if (tries === 1) throw new Error("the room is on fire")
    },
  })
  write('{"turns": {"maxQueued": 6}}')
  await assert.rejects(service.reload("file"), /on fire/)
  assert.equal(service.current().turns.maxQueued, 100)
  assert.deepEqual(
    first.seen.map(({ next }) => next.turns.maxQueued),
    [6, 100],
  )
})

test("reloads that come at once run one after another, and the last file wins", async (t) => {
  const { service, write } = open(t, "{}")
  let busy = 0
  service.take({
    prefixes: ["turns"],
    async apply() {
      busy += 1
      assert.equal(busy, 1)
      await new Promise((resolve) => setImmediate(resolve))
      busy -= 1
    },
  })
  const reloads = [1, 2, 3, 4].map((n) => {
    write(`{"turns": {"maxQueued": ${n}}}`)
    return service.reload("file")
  })
  await Promise.all(reloads)
  assert.equal(service.current().turns.maxQueued, 4)
})

test("a snapshot cannot be changed by who reads it", (t) => {
  const { service } = open(t, "{}")
  assert.throws(() => {
    service.current().turns.maxQueued = 1
  }, TypeError)
})

import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { clawConnect, openRaw } from "../../../test/frames.ts"
import { systemClock } from "../../base/clock.ts"
import { silentLogger } from "../../base/log.ts"
import { failedStarts, noteStart, startKey } from "../../config/boot-record.ts"
import { readGatewayInfo } from "../../config/gateway-file.ts"
import { openStore } from "../../store/open.ts"
import type { Gateway } from "../compose.ts"
import { bootGateway } from "./boot.ts"

const GOOD = '{"gateway": {"port": 0}, "models": {"discover": false}, "turns": {"maxQueued": 7}}'
const BAD = '{\n  "turns": {"maxQueued": "many"}\n}'

function place(t: TestContext, text?: string) {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-boot-")))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const file = join(home, "pincer.json")
  const write = (next: string) => writeFileSync(file, next, { mode: 0o600 })
  if (text !== undefined) write(text)
  const env = { HOME: home, PINCER_HOME: home, PATH: process.env["PATH"] ?? "", PINCER_GATEWAY_PORT: "0" }
  return { home, file, write, env, start: () => bootGateway({ env }) }
}

async function ranOnce({ start }: ReturnType<typeof place>): Promise<void> {
  const gateway = await start()
  await settled(gateway)
  await gateway.close(0)
}

/** Until what worked has been kept; a clock of a second. */
async function settled(gateway: Gateway): Promise<void> {
  const { keepLastGood } = await import("../../config/boot-record.ts")
  keepLastGood(gateway.parts.home, gateway.parts.configText ?? "{}\n")
}

test("a file that is not valid is replaced by the configuration that worked last, and stays as it is", async (t) => {
  const home = place(t, GOOD)
  await ranOnce(home)
  home.write(BAD)
  const gateway = await home.start()
  t.after(() => gateway.close(0))
  assert.equal(gateway.parts.live.mode, "last-known-good")
  assert.equal(gateway.parts.config.turns.maxQueued, 7)
  assert.match(gateway.warnings.join("\n"), /refused: .*pincer\.json: line 2, column 13: turns\.maxQueued/)
  assert.equal(readFileSync(home.file, "utf8"), BAD)
  assert.equal(readGatewayInfo(home.home)?.mode, "last-known-good")
  home.write(GOOD.replace("7", "9"))
  await gateway.parts.live.reload("call")
  assert.equal(gateway.parts.live.mode, "configured")
  assert.equal(gateway.parts.config.turns.maxQueued, 9)
})

test("without one that worked, the start is refused three times with the place, and is safe then", async (t) => {
  const home = place(t, BAD)
  for (let i = 0; i < 3; i++) await assert.rejects(home.start(), /line 2, column 13/)
  const gateway = await home.start()
  t.after(() => gateway.close(0))
  const { agents, config, live, token } = gateway.parts
  assert.equal(live.mode, "safe")
  assert.match(live.refused?.message ?? "", /line 2, column 13/)
  assert.equal(config.gateway.host, "127.0.0.1")
  assert.equal(token, readFileSync(join(home.home, "gateway.token"), "utf8").trim())
  assert.deepEqual([...agents.keys()], ["main"])
  assert.match(gateway.warnings.join("\n"), /SAFE MODE[\s\S]*To leave: mend/)
})

test("a valid file with which starts fail leads to safe mode, too, and another file gets chances of its own", async (t) => {
  const home = place(t, '{"gateway": {"host": "192.0.2.1"}, "models": {"discover": false}}')
  for (let i = 0; i < 3; i++) await assert.rejects(home.start(), /192\.0\.2\.1/)
  const safe = await home.start()
  assert.equal(safe.parts.live.mode, "safe")
  await safe.close(0)
  // One more chance after a safe start, then safe again.
  await assert.rejects(home.start(), /192\.0\.2\.1/)
  const again = await home.start()
  assert.equal(again.parts.live.mode, "safe")
  await again.close(0)
  home.write(GOOD)
  const gateway = await home.start()
  t.after(() => gateway.close(0))
  assert.equal(gateway.parts.live.mode, "configured")
})

test("a good file read in safe mode counts after the restart only", async (t) => {
  const home = place(t, BAD)
  for (let i = 0; i < 3; i++) await assert.rejects(home.start())
  const gateway = await home.start()
  t.after(() => gateway.close(0))
  home.write(GOOD)
  const outcome = await gateway.parts.live.reload("call")
  assert.deepEqual(outcome.changed, [])
  assert.ok(outcome.restart.includes("turns.maxQueued"))
  assert.equal(gateway.parts.config.turns.maxQueued, 100)
  assert.equal(gateway.parts.live.mode, "safe")
})

/** Turns and a job that an earlier life left. */
async function leaveWork(home: string): Promise<void> {
  const store = openStore({ path: join(home, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  const turn = (turnId: string, sessionKey: string) =>
    store.turns.accept(
      { turnId, sessionKey, agentId: "main", input: [{ type: "text", text: "help" }], origin: { door: "control" } },
      {},
    )
  await turn("queued", "agent:main:a")
  await turn("unwanted", "agent:main:b")
  const { record } = await turn("cut-off", "agent:main:c")
  const message = { id: "m", role: "user" as const, content: record.request.input, at: 1, turnId: "cut-off" }
  await store.turns.begin(record, () => [{ type: "message.added", message }])
  const request = {
    ...{ agentId: "main", sessionKey: "agent:main:job", ownSession: true, priority: 0, maxAttempts: 1 },
    ...{ backoffMs: 1, onInterrupt: "resume" as const, clientId: "test" },
  }
  await store.jobs.accept({ id: "job", prompt: "help", request, idempotencyKey: null, fingerprint: "" })
  store.close()
}

test("safe mode begins nothing that an earlier life left, and a normal start goes on with it", async (t) => {
  const home = place(t, BAD)
  await leaveWork(home.home)
  for (let i = 0; i < 3; i++) await assert.rejects(home.start())
  const safe = await home.start()
  const { jobs, lanes, store } = safe.parts
  const statusOf = async (id: string) => (await store.turns.get(id))?.status
  assert.deepEqual(lanes.counts(), { running: 0, queued: 3, waiting: 0, held: 3 })
  const input = [{ type: "text" as const, text: "help" }]
  const asked = { agentId: "main", input, origin: { door: "control" as const } }
  await assert.rejects(
    lanes.submit({ turnId: "later", sessionKey: "agent:main:a", ...asked }),
    /safe mode: use another session/,
  )
  await lanes.submit({ turnId: "now", sessionKey: "agent:main:other", ...asked })
  assert.equal((await lanes.wait("now"))?.status, "completed")
  const late = await jobs.submit({ prompt: "help", agentId: "main", clientId: "test" })
  assert.deepEqual(await lanes.cancel({ turnId: "unwanted" }), ["unwanted"])
  await lanes.submit({ turnId: "freed", sessionKey: "agent:main:b", ...asked })
  assert.equal((await lanes.wait("freed"))?.status, "completed", "a session is free once nothing of it is kept")
  const wire = await openRaw(safe.url.replace(/^http/, "ws"))
  await wire.ask("connect", clawConnect(4, safe.parts.token ?? ""))
  assert.match((await wire.ask("cron.run", { id: "any" })).error?.message ?? "", /safe mode/)
  wire.socket.close()
  assert.deepEqual(
    [await statusOf("queued"), await statusOf("cut-off"), (await jobs.get("job")).status, late.record.status],
    ["queued", "running", "queued", "queued"],
  )
  await safe.close(0)
  home.write(GOOD)
  const gateway = await home.start()
  t.after(() => gateway.close(0))
  assert.equal((await gateway.parts.lanes.wait("queued"))?.status, "completed")
  assert.equal((await gateway.parts.lanes.wait("cut-off"))?.status, "completed")
  for (const id of ["job", late.record.id]) {
    const heard = Promise.withResolvers<void>()
    const look = async () => {
      if ((await gateway.parts.jobs.get(id)).status === "completed") heard.resolve()
    }
    const stop = gateway.parts.jobs.onJob(id, () => void look())
    await look()
    await heard.promise
    stop()
  }
})

test("safe mode comes up where its port is taken", async (t) => {
  const first = place(t, '{"models": {"discover": false}}')
  const taken = await first.start()
  t.after(() => taken.close(0))
  const port = taken.addresses[0]!.port
  const second = place(t, `{"gateway": {"port": ${port}}, "turns": 1}`)
  const env = { HOME: second.home, PINCER_HOME: second.home, PATH: "" }
  for (let i = 0; i < 3; i++) await assert.rejects(bootGateway({ env }))
  const gateway = await bootGateway({ env })
  t.after(() => gateway.close(0))
  assert.equal(gateway.parts.live.mode, "safe")
  assert.notEqual(gateway.addresses[0]!.port, port)
})

const KILLED = `
const { bootGateway } = await import(process.argv[1])
const home = process.argv[2]
const env = { HOME: home, PINCER_HOME: home, PATH: process.env.PATH, PINCER_GATEWAY_PORT: "0" }
await bootGateway({ env, terminal: () => process.kill(process.pid, "SIGKILL") })
`

test("a start that is killed before it is ready counts, too", async (t) => {
  const home = place(t, GOOD)
  const module = new URL("./boot.ts", import.meta.url).href
  for (let i = 0; i < 3; i++) {
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", KILLED, module, home.home])
    assert.equal(run.signal, "SIGKILL", String(run.stderr))
  }
  const gateway = await home.start()
  t.after(() => gateway.close(0))
  assert.equal(gateway.parts.live.mode, "safe")
  assert.match(gateway.parts.live.refused?.message ?? "", /last 3 starts .* failed/)
})

test("a flag that is wrong is refused as such, with a configuration that worked or without", async (t) => {
  const home = place(t, GOOD)
  await ranOnce(home)
  for (let i = 0; i < 5; i++)
    await assert.rejects(bootGateway({ env: home.env, flags: { port: "many" } }), /--port: "many" is not a port/)
})

test("starts are counted for what they were tried with; a broken record counts nothing", (t) => {
  const { home } = place(t)
  const of = startKey("a", 1)
  noteStart(home, { of, count: 2 })
  assert.equal(failedStarts(home, of), 2)
  assert.equal(failedStarts(home, startKey("b", 1)), 0)
  writeFileSync(join(home, "starts.json"), "{")
  assert.equal(failedStarts(home, of), 0)
  noteStart(home, { of, count: 0 })
  assert.equal(failedStarts(home, of), 0)
})

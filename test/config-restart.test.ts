// config.apply against a gateway that is a process of its own: what cannot count at once does after it has started itself anew, and it says so.
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { type TestContext, test } from "node:test"
import { clawConnect, type Json, openRaw, type Raw } from "./frames.ts"
import { TEST_TOKEN } from "./house.ts"
import { PROGRAM } from "./program.ts"

const config = (more: Record<string, unknown>) => JSON.stringify({ models: { discover: false }, ...more })

function begin(t: TestContext, gateway: Record<string, unknown>) {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-anew-")))
  writeFileSync(join(home, "pincer.json"), config({ gateway }), { mode: 0o600 })
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, PINCER_GATEWAY_TOKEN: TEST_TOKEN }
  const child = spawn(process.execPath, [PROGRAM, "gateway", "run", "--quiet"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  t.after(() => {
    child.kill("SIGKILL")
    rmSync(home, { recursive: true, force: true })
  })
  return { home, child, url: () => nextUrl(lines) }
}

/** Of the next line that says where it listens. */
async function nextUrl(lines: AsyncIterator<string>): Promise<string> {
  for (;;) {
    const { done, value } = await lines.next()
    assert.ok(!done, "The gateway ended")
    const found = /listens at (http:\S+)/.exec(value)?.[1]
    if (found !== undefined) return found.replace(/^http/, "ws")
  }
}

async function connect(t: TestContext, url: string): Promise<Raw> {
  const wire = await openRaw(url)
  t.after(() => wire.socket.close())
  await wire.ask("connect", clawConnect(4, TEST_TOKEN))
  return wire
}

const payload = async (wire: Raw, method: string, params: Record<string, unknown> = {}) => {
  const { error, ok, payload: answer } = await wire.ask(method, params)
  assert.ok(ok, error?.message)
  return answer as Json
}

async function applied(wire: Raw, raw: string, pid: ChildProcess["pid"], more: Record<string, unknown> = {}) {
  const baseHash = (await payload(wire, "config.get"))["hash"]
  const answer = await payload(wire, "config.apply", { raw, baseHash, restartDelayMs: 0, ...more })
  assert.deepEqual([answer["restart"]?.["scheduled"], answer["restart"]?.["pid"]], [true, pid])
  return answer
}

test("what needs a restart counts after one, in the same process, and the session that asked is told", async (t) => {
  const { child, home, url } = begin(t, { port: 0 })
  const wire = await connect(t, await url())
  const raw = config({ gateway: { port: 0, tickIntervalMs: 12_345 } })
  const answer = await applied(wire, raw, child.pid, { sessionKey: "told", note: "慢一点" })
  assert.deepEqual(answer["restart"]?.["paths"], ["gateway.tickIntervalMs"])
  const again = await connect(t, await url())
  assert.equal((await payload(again, "config.get", { key: "gateway.tickIntervalMs" }))["value"], 12_345)
  const history = async () => JSON.stringify(await payload(again, "chat.history", { sessionKey: "told" }))
  let said = ""
  while (!/runs again/.test(said)) said = await history()
  assert.match(said, /gateway\.tickIntervalMs as changed[\s\S]*慢一点/)
  assert.equal(JSON.parse(readFileSync(join(home, "gateway.json"), "utf8")).pid, child.pid)
})

test("a change with which it cannot come up leaves it in safe mode, not gone", async (t) => {
  const holder = createServer().listen(0, "127.0.0.1")
  t.after(() => holder.close())
  await new Promise((resolve) => holder.once("listening", resolve))
  const { port } = holder.address() as { port: number }
  const { child, url } = begin(t, { port: 0 })
  await applied(await connect(t, await url()), config({ gateway: { port } }), child.pid)
  const safe = await connect(t, await url())
  assert.equal((await payload(safe, "health"))["configMode"], "safe")
})

// The job walk-throughs of the protocol's document, run as they are printed there, the port apart: curl in a shell, Python, and
// JavaScript over the WebSocket.
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

const folder = join(import.meta.dirname, "fakes", "walkthroughs")

let fake: FakeModel
let house: House
before(async () => {
  fake = await startFakeModel()
  // As in the document: no token, and an agent of that name.
  house = await startHouse({
    fake: fake.url,
    config: { gateway: { auth: { mode: "none" } }, agents: { entries: { codex: { acp: { enabled: false } } } } },
    env: { PINCER_GATEWAY_TOKEN: "" },
  })
})
after(async () => {
  await house.close()
  await fake.close()
})

const has = (command: string) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0

function script(name: string): string {
  return readFileSync(join(folder, name), "utf8").replaceAll("localhost:8080", `localhost:${new URL(house.url).port}`)
}

interface Ran {
  code: number | null
  out: string
}

function run(
  command: string,
  args: string[],
  options: { input?: string; env?: Record<string, string>; until?: RegExp },
) {
  return new Promise<Ran>((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, NO_PROXY: "*", ...options.env } })
    let out = ""
    const hear = (chunk: unknown) => {
      out += String(chunk)
      if (options.until?.test(out)) child.kill()
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, out }))
    child.stdin.end(options.input ?? "")
  })
}

test("curl", { skip: !(has("curl") && has("jq")) }, async () => {
  const gate = Promise.withResolvers<void>()
  fake.script({ text: "later", deltaSize: 2, gate: gate.promise })
  const { code, out } = await run("sh", ["-s"], { input: script("jobs.sh") })
  gate.resolve()
  assert.equal(code, 0, out)
  const id = /Job ID: ([0-9a-f-]{36})/.exec(out)?.[1]
  assert.ok(id, out)
  assert.match(out, /"agent_name": "codex"/)
  assert.match(out, /"success":true,"status":"canceled"/)
  assert.equal((await house.parts.jobs.get(id)).status, "canceled")
})

test("Python", { skip: !has("python3"), timeout: 30_000 }, async () => {
  const library = spawnSync("python3", ["-c", "import requests"]).status === 0
  const env = { PYTHONIOENCODING: "utf-8", ...(library ? {} : { PYTHONPATH: join(folder, "stand-in") }) }
  const { code, out } = await run("python3", ["-"], { input: script("jobs.py"), env })
  assert.equal(code, 0, out)
  assert.match(out, /Job ID: .*\n(Status: (queued|running)\n)*Status: completed\nResult: Hello from the fake model\./)
})

test("JavaScript over the WebSocket", { timeout: 30_000 }, async () => {
  // It asks for ever, so it is ended once it has heard what it waits for.
  const until = /status: 'completed'/
  const { out } = await run(process.execPath, ["-"], { input: script("jobs.js.txt"), until })
  assert.match(out, /Response: \{[\s\S]*agent_name: 'codex'/)
  assert.match(out, until)
})

// Work that begins by itself, in a whole gateway: the switch of it over the wire and on the command line, and heartbeats.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { clawConnect, type Frame, type Json, openRaw, type Raw } from "./frames.ts"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

let fake: FakeModel
let house: House
let claw: Raw
const root = realpathSync(mkdtempSync(join(tmpdir(), "pincer-autonomy-")))
before(async () => {
  fake = await startFakeModel()
  house = await startHouse({ fake: fake.url })
  claw = await openRaw(house.wsUrl)
  await claw.ask("connect", clawConnect(4, house.token))
})
after(async () => {
  claw.socket.close()
  await house.close()
  await fake.close()
  rmSync(root, { recursive: true, force: true })
})

async function ok(method: string, params: Record<string, unknown> = {}): Promise<Json> {
  const { error, ok: fine, payload } = (await claw.ask(method, params)) as Frame
  assert.ok(fine, `${method}: ${error?.message}`)
  return payload as Json
}

async function pincer(home: string, ...args: string[]) {
  const env = { PATH: process.env["PATH"] ?? "", HOME: root, PINCER_HOME: home, PINCER_GATEWAY_TOKEN: house.token }
  const child = spawn(process.execPath, [PROGRAM, "gateway", "autonomy", ...args], { cwd: root, env })
  const said = { out: "", err: "" }
  child.stdout.on("data", (chunk) => {
    said.out += chunk
  })
  child.stderr.on("data", (chunk) => {
    said.err += chunk
  })
  child.stdin.end()
  const [code] = await once(child, "close")
  return { code: Number(code), ...said }
}

const entries = async (id: unknown) =>
  ((await ok("cron.runs", { id }))["entries"] as unknown as Json[]).map((one) => [one["state"], one["reason"]])

test("while it is off a due tick leaves one line and no work, what a person starts runs, and the file says so", async () => {
  assert.deepEqual([(await ok("autonomy.get"))["enabled"], (await ok("autonomy.get"))["reason"]], [true, "default"])
  const off = await ok("autonomy.set", { enabled: false })
  assert.deepEqual([off["enabled"], off["reason"]], [false, "configuration"])
  assert.match(readFileSync(join(house.home, "pincer.json"), "utf8"), /"autonomy"/)
  assert.equal((await ok("health", { probe: true }))["autonomous"], false)
  const asked = fake.requests.length
  const job = await ok("cron.add", {
    name: "now",
    schedule: { kind: "at", atMs: Date.now() },
    payload: { kind: "agentTurn", message: "hello" },
  })
  await ok("cron.runs", { id: job["id"] })
  assert.deepEqual(await entries(job["id"]), [["skipped", "autonomy-off"]])
  assert.equal(fake.requests.length, asked)
  fake.script({ text: "done" })
  const ran = await ok("cron.run", { id: job["id"], wait: true })
  assert.deepEqual([ran["ran"], ran["state"]], [true, "ran"])
  const on = await ok("autonomy.set", { enabled: true })
  assert.deepEqual([on["enabled"], typeof on["switchedAt"]], [true, "string"])
  assert.equal((await claw.ask("autonomy.set", {})).ok, false)
})

test("a heartbeat asks the main session what HEARTBEAT.md says, and an answer that is no news is told as such", async () => {
  await ok("agents.files.set", { agentId: "main", name: "HEARTBEAT.md", content: "- look at the build\n" })
  await house.parts.schedules!.desk()
  const id = "heartbeat-main"
  const known = async () => (await ok("cron.list"))["jobs"] as unknown as Json[]
  while (!(await known()).some((one) => String(one["id"]) === id));
  fake.script({ text: "HEARTBEAT_OK" })
  const heard = claw.until((frame) => frame.event === "heartbeat")
  const ran = await ok("cron.run", { id, wait: true })
  assert.equal(ran["state"], "ran")
  assert.match(JSON.stringify(fake.requests.at(-1)), /look at the build/)
  const event = (await heard).payload as Json
  assert.deepEqual([event["status"], event["agentId"]], ["ok-token", "main"])
  assert.equal((await ok("last-heartbeat"))["status"], "ok-token")
  assert.deepEqual(await ok("set-heartbeats", { enabled: false }), { ok: true, enabled: false })
  const left = await ok("cron.run", { id, wait: true })
  assert.deepEqual([left["state"], left["reason"]], ["skipped", "heartbeats-off"])
  assert.deepEqual(await ok("set-heartbeats", { enabled: true }), { ok: true, enabled: true })
  assert.match(String((await claw.ask("cron.remove", { id })).error?.message), /agents\.defaults\.heartbeat/)
})

test("on the command line it is switched with and without a gateway, and says what counts", async () => {
  const off = await pincer(house.home, "off")
  assert.deepEqual([off.code, /Autonomy is off/.test(off.out)], [0, true], off.err)
  assert.equal(house.parts.config.autonomy.enabled, false)
  const on = await pincer(house.home, "on", "--json")
  assert.equal(JSON.parse(on.out).enabled, true)
  assert.equal(house.parts.config.autonomy.enabled, true)
  const alone = join(root, "home")
  assert.equal((await pincer(alone, "off")).code, 0)
  const status = await pincer(alone, "status")
  assert.match(status.out, /Autonomy is off[\s\S]*not running/)
  assert.equal(JSON.parse((await pincer(alone, "--json")).out).enabled, false)
  writeFileSync(join(alone, "pincer.json"), '{ "autonomy": { "enabeld": true } }')
  const wrong = await pincer(alone, "on")
  assert.notEqual(wrong.code, 0)
  assert.match((await pincer(alone, "maybe")).err, /maybe/)
})

test("a model's reminder comes back into its session, and policy can refuse it", async () => {
  const call = { calls: [{ name: "Remind", args: { message: "look again", time_expr: "10m" } }] }
  fake.script(call, { text: "I will" })
  await ok("chat.send", { sessionKey: "reminded", message: "remind me", wait: true, idempotencyKey: "remind-1" })
  await house.parts.lanes.wait("remind-1")
  const job = ((await ok("cron.list"))["jobs"] as unknown as Json[]).find((one) =>
    String(one["name"]).startsWith("Reminder"),
  )
  assert.equal(job?.["sessionTarget"], "session:agent:main:reminded")
  fake.script({ text: "Looked again" })
  const ran = await ok("cron.run", { id: job?.["id"], wait: true })
  assert.deepEqual([ran["state"], ran["summary"]], ["ran", "Looked again"])
  assert.match(JSON.stringify(fake.requests.at(-1)), /look again/)
  fake.script(call, { text: "I may not" })
  const permissions = { allowedTools: ["Read"] }
  await ok("chat.send", { sessionKey: "denied", message: "remind me", permissions, idempotencyKey: "remind-2" })
  await house.parts.lanes.wait("remind-2")
  assert.match(JSON.stringify(fake.requests.at(-1)), /Remind[^"]*(denied|not among|not available|Unknown|not allowed)/i)
  const left = (await ok("cron.list"))["jobs"] as unknown as Json[]
  assert.equal(left.filter((one) => String(one["name"]).startsWith("Reminder")).length, 1)
})

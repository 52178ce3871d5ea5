// Schedules in a whole gateway: what they start goes the way of everything else, nobody is asked on their behalf, every dialect has
// its shapes, and a kill between any two facts begins nothing twice.
import assert from "node:assert/strict"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { crashAt } from "./fakes/schedule-crash.ts"
import { clawConnect, type Frame, type Json, openRaw, type Raw } from "./frames.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

let fake: FakeModel
let house: House
let claw: Raw
let py: Raw
before(async () => {
  fake = await startFakeModel()
  house = await startHouse({ fake: fake.url, config: { ...NO_SANDBOX, cron: { timeZone: "Europe/Berlin" } } })
  claw = await openRaw(house.wsUrl)
  await claw.ask("connect", clawConnect(4, house.token, { caps: ["approvals"] }))
  py = await openRaw(house.wsUrl)
  await py.ask("connect", { minProtocol: 1, maxProtocol: 3, clientName: "my-app", auth: { token: house.token } })
})
after(async () => {
  claw.socket.close()
  py.socket.close()
  await house.close()
  await fake.close()
})

async function ok(method: string, params: Record<string, unknown> = {}, wire = claw): Promise<Json> {
  const { error, ok: fine, payload } = await wire.ask(method, params)
  assert.ok(fine, `${method}: ${error?.message}`)
  return payload as Json
}

async function refused(method: string, params: Record<string, unknown>): Promise<NonNullable<Frame["error"]>> {
  const answer = await claw.ask(method, params)
  assert.equal(answer.ok, false, method)
  return answer.error!
}

const forced = (id: unknown) => ok("cron.run", { id, wait: true })
const later = { schedule: { kind: "at", at: "2099-01-01T00:00:00Z" } }

test("a job of protocol 4 comes back whole, with what clients of protocol 3 and the simple dialect look for", async () => {
  const job = await ok("cron.add", {
    name: "morning",
    schedule: { kind: "cron", expr: "0 9 * * 1-5", tz: "Asia/Shanghai" },
    sessionTarget: "isolated",
    wakeMode: "now",
    payload: { kind: "agentTurn", message: "检查待办", timeoutSeconds: 60 },
    delivery: { mode: "none" },
  })
  assert.equal(job["ok"], true)
  assert.equal(job["jobId"], job["id"])
  assert.deepEqual(job["schedule"], { kind: "cron", expr: "0 9 * * 1-5", tz: "Asia/Shanghai" })
  assert.deepEqual(job["payload"], { kind: "agentTurn", message: "检查待办", timeoutSeconds: 60 })
  assert.equal(job["cron"], "0 9 * * 1-5")
  assert.equal(typeof job["state"]!["nextRunAtMs"], "number")
  const list = await ok("cron.list")
  assert.ok((list["jobs"] as unknown as Json[]).some((one) => one["id"] === job["id"]))
  const bare = (await ok("cron.list", {}, py)) as unknown as Json[]
  assert.ok(Array.isArray(bare) && bare.some((one) => String(one["cron"]) === "0 9 * * 1-5"))
  const status = await ok("cron.status")
  assert.deepEqual(
    [status["enabled"], typeof status["storePath"], typeof status["nextWakeAtMs"]],
    [true, "string", "number"],
  )
  assert.deepEqual((await ok("cron.get", { jobId: job["id"] }))["name"], "morning")
  assert.deepEqual(await ok("cron.remove", { jobId: job["id"] }), { ok: true, removed: true })
  assert.deepEqual(await ok("cron.remove", { id: job["id"] }, py), { ok: false })
  assert.equal((await refused("cron.get", { id: job["id"] })).details!["code"], "CRON_JOB_NOT_FOUND")
})

test("the simple dialect adds with its own words, switches, and reads its history", async () => {
  const { id, jobId, ok: fine } = await ok("cron.add", { cron: "*/5 * * * *", message: "hello", agentId: "main" }, py)
  assert.deepEqual([jobId, fine], [id, true])
  assert.deepEqual(await ok("cron.toggle", { id, enabled: false }, py), { ok: true, enabled: false })
  assert.deepEqual(await ok("cron.toggle", { id }, py), { ok: true, enabled: true })
  await forced(id)
  const { count, records } = await ok("cron.history", { jobId: id }, py)
  const [record] = records as unknown as Json[]
  assert.deepEqual(
    [count, record!["status"], record!["output"], record!["error"]],
    [1, "completed", "Hello from the fake model.", null],
  )
  await ok("cron.remove", { id })
})

test("a turn by the clock has a session of its own, its origin says so, and its events are told", async () => {
  const { id } = await ok("cron.add", { ...later, message: "say hello", name: "one" })
  const ran = await forced(id)
  assert.deepEqual([ran["ok"], ran["status"], ran["summary"]], [true, "ok", "Hello from the fake model."])
  const sessionKey = String(ran["sessionKey"])
  assert.match(sessionKey, /^agent:main:cron:.+:run:\d+$/)
  const finished = await claw.until(
    ({ event, payload }) =>
      event === "cron" && payload?.["runId"] === ran["runId"] && String(payload?.["action"]) === "finished",
  )
  assert.equal(finished.payload!["job"]!["name"], "one")
  const turn = await house.parts.store.transcript.messages(sessionKey)
  assert.equal(turn.length, 2)
  await ok("cron.remove", { id })
})

test("what is due is done without anybody's call", async () => {
  const { id } = await ok("cron.add", { at: new Date().toISOString(), message: "now", deleteAfterRun: true })
  await claw.until(
    ({ event, payload }) => event === "cron" && payload?.["jobId"] === id && String(payload?.["action"]) === "removed",
  )
  const { entries } = await ok("cron.runs", { id })
  const [entry] = entries as unknown as Json[]
  assert.deepEqual([entry!["state"], entry!["trigger"]], ["ran", "tick"])
})

test("a named session keeps what was said, a system event goes to the main one, and a result is told as a note", async () => {
  const named = await ok("cron.add", {
    ...later,
    message: "first",
    sessionTarget: "session:diary",
    delivery: { mode: "announce", to: "main" },
  })
  await forced(named["id"])
  await forced(named["id"])
  assert.equal((await house.parts.store.transcript.messages("agent:main:diary")).length, 4)
  const notes = async () =>
    (await house.parts.store.transcript.messages("agent:main:main")).filter((one) => one.model === "schedule")
  while ((await notes()).length < 2) await new Promise((resolve) => setImmediate(resolve))
  const event = await ok("cron.add", {
    ...later,
    payload: { kind: "systemEvent", text: "backup done" },
    sessionTarget: "main",
  })
  await forced(event["id"])
  const main = await house.parts.store.transcript.messages("agent:main:main")
  assert.match(JSON.stringify(main), /System event of the schedule \\"backup done\\": backup done/)
  for (const { id } of [named, event] as { id: Json }[]) await ok("cron.remove", { id })
})

test("nobody is asked about a command by the clock, though somebody who could be is connected", async () => {
  const { id } = await ok("cron.add", { ...later, command: "echo x > made.txt" })
  const ran = await forced(id)
  assert.deepEqual([ran["ok"], ran["status"]], [false, "error"])
  assert.match(String(ran["error"]), /nobody who could approve it is connected/)
  assert.deepEqual((await ok("exec.approval.list")) as unknown, [])
  await ok("cron.remove", { id })
})

test("a workflow by the clock runs with its arguments, and one that cannot be read is refused at once", async () => {
  const workspace = house.parts.agents.get("main")!.workspace
  mkdirSync(workspace, { recursive: true })
  writeFileSync(
    join(workspace, "note.yaml"),
    `name: note\nargs: { who: { default: you } }\nsteps:\n  - id: ask\n    agent: { message: 'greet \${who}' }\n`,
  )
  const { id } = await ok("cron.add", { ...later, workflow: "note.yaml", args: { who: "Ada" } })
  const ran = await forced(id)
  assert.deepEqual([ran["ok"], ran["status"]], [true, "ok"], JSON.stringify(ran))
  assert.match(JSON.stringify(fake.requests.at(-1)!.body), /greet Ada/)
  assert.match((await refused("cron.add", { ...later, workflow: "absent.yaml" })).message, /no workflow file/)
  await ok("cron.remove", { id })
})

test("a change lies over what was, is refused when it is late, and is told", async () => {
  const { configRevision, id } = await ok("cron.add", { ...later, message: "x", name: "before" })
  const changed = await ok("cron.update", {
    jobId: id,
    patch: { name: "after", schedule: { kind: "every", everyMs: 60_000 } },
    expectedConfigRevision: configRevision,
  })
  assert.deepEqual([changed["name"], changed["cron"]], ["after", "@every 60s"])
  assert.match(
    (await refused("cron.update", { id, patch: { name: "late" }, expectedConfigRevision: configRevision })).message,
    /was changed since/,
  )
  assert.match((await refused("cron.update", { id, patch: { schedule: "61 * * * *" } })).message, /61/)
  assert.equal((await ok("cron.get", { id }))["name"], "after")
  await ok("cron.remove", { id })
})

test("the next times of a rule are told without adding it, in the gateway's zone", async () => {
  const { cron, timeZone, times } = await ok("cron.preview", { schedule: "30 2 * * *", count: 3 })
  assert.deepEqual(
    [cron as unknown, timeZone as unknown, (times as unknown as number[]).length],
    ["30 2 * * *", "Europe/Berlin", 3],
  )
})

// Every other point: npm run test:schedules.
test("a gateway that is killed right after a tick was begun has one record of it and begins it once", {
  timeout: 60_000,
}, async () => {
  const { entries, spoken } = await crashAt(fake, "tick.begun")
  assert.deepEqual([entries, spoken], [["ran"], 1])
})

test("the clock is stopped and started by a change of the configuration, without a restart", async () => {
  await ok("config.set", { key: "cron.enabled", value: false })
  assert.deepEqual([(await ok("cron.status"))["enabled"], (await ok("cron.status"))["nextWakeAtMs"]], [
    false,
    null,
  ] as unknown as Json[])
  const { id } = await ok("cron.add", { at: new Date().toISOString(), message: "waits for the clock" })
  assert.deepEqual((await ok("cron.runs", { id, open: true }))["entries"] as unknown, [])
  await ok("config.set", { key: "cron.enabled", value: true })
  await claw.until(
    ({ event, payload }) => event === "cron" && payload?.["jobId"] === id && String(payload?.["action"]) === "finished",
  )
  await ok("cron.remove", { id })
})

test("a tick whose gateway stops while it is at work goes on after the next start, as the same one", async () => {
  const model = await startFakeModel()
  model.script({ text: "half an answer", fail: { type: "stall", after: "first" } })
  const first = await startHouse({ fake: model.url, config: { gateway: { drainMs: 10 } } })
  const wire = await openRaw(first.wsUrl)
  await wire.ask("connect", clawConnect(4, first.token))
  const { id } = await ok("cron.add", { at: new Date().toISOString(), message: "long work" }, wire)
  await wire.until(({ event, payload }) => event === "agent" && String(payload?.["stream"]) === "assistant")
  await first.stop()
  const second = await startHouse({ home: first.home })
  const again = await openRaw(second.wsUrl)
  await again.ask("connect", clawConnect(4, second.token))
  let entries: Json[] = []
  while (String(entries[0]?.["state"]) !== "ran") {
    entries = (await ok("cron.runs", { id, open: true }, again))["entries"] as unknown as Json[]
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual([entries.length, entries[0]!["attempt"]], [1, 1] as unknown[])
  again.socket.close()
  await second.close()
  await model.close()
})

test("the log tells nothing of what schedules say", () => {
  assert.doesNotMatch(readFileSync(house.parts.logPath, "utf8"), /检查待办/)
})

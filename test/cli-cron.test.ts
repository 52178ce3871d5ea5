// pincer cron, as people start it, against a gateway with a scripted model.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

let fake: FakeModel
let house: House
before(async () => {
  fake = await startFakeModel()
  house = await startHouse({ fake: fake.url, config: { cron: { timeZone: "UTC" } } })
})
after(async () => {
  await house.close()
  await fake.close()
})

async function cron(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: house.home,
    PINCER_GATEWAY_URL: house.wsUrl,
    PINCER_GATEWAY_TOKEN: house.token,
  }
  const child = spawn(process.execPath, [PROGRAM, "cron", ...args], { cwd: house.work, env })
  child.stdin.end()
  const said = { out: "", err: "" }
  child.stdout.on("data", (chunk) => {
    said.out += chunk
  })
  child.stderr.on("data", (chunk) => {
    said.err += chunk
  })
  const [code] = (await once(child, "close")) as [number]
  return { code, ...said }
}

test("what is declared twice is there once, and keeps notes that nobody overwrites unawares", async () => {
  const declare = (message: string) => cron("add", "--declare", "backup", "-n", "backup", "-m", message, "-e", "3600")
  const first = await declare("save")
  assert.equal((await declare("save all")).out, first.out, first.err)
  assert.match((await cron("scratch", "backup")).err, /No notes/)
  assert.equal((await cron("scratch", "backup", "--set", "bis 你好", "--expect", "0")).out, "Revision 1.\n")
  const late = await cron("scratch", "backup", "--set", "lost", "--expect", "0")
  assert.notEqual(late.code, 0)
  assert.match(late.err, /at revision 1/)
  assert.equal((await cron("scratch", "backup")).out, "bis 你好\n")
  assert.equal((await cron("scratch", "backup", "--clear")).code, 0)
  assert.equal((await cron("remove", "backup")).code, 0)
})

test("a schedule is added, shown, run, changed, switched and removed by its name", async () => {
  const added = await cron(
    "add",
    "-n",
    "每日检查",
    "-m",
    "检查待办",
    "-c",
    "0 9 * * *",
    "--retries",
    "2",
    "--timeout",
    "10m",
  )
  assert.equal(added.code, 0, added.err)
  const id = added.out.trim()
  assert.match(id, /^[0-9a-f-]{36}$/)
  const list = await cron("list")
  assert.match(list.out, new RegExp(`^${id}\\ton\\t0 9 \\* \\* \\*\\tin .*\\t-\\t每日检查\\n$`))
  const shown = JSON.parse((await cron("show", "每日检查", "--json")).out)
  assert.deepEqual(shown.payload, { kind: "agentTurn", message: "检查待办", timeoutSeconds: 600 })
  const ran = await cron("run", "每日检查", "--wait")
  assert.deepEqual([ran.code, ran.out], [0, "Hello from the fake model.\n"])
  const history = await cron("history", id.slice(0, 23))
  assert.match(history.out, /\tran \(by hand\)\t.*\t每日检查\tHello from the fake model\./)
  const edited = JSON.parse((await cron("edit", "每日检查", "-e", "300", "--clear", "retries,timeout", "--json")).out)
  assert.deepEqual([edited.cron, edited.retries, edited.payload.timeoutSeconds], ["@every 300s", undefined, undefined])
  assert.equal((await cron("disable", "每日检查")).code, 0)
  assert.equal((await cron("list")).out, "")
  assert.match((await cron("list", "--all")).out, /\toff\t/)
  assert.equal((await cron("remove", "每日检查", "--json")).code, 0)
})

test("what another program keeps is added, and what cannot be is said", async () => {
  const jobs = [
    {
      id: "1771234567890123456",
      name: "clawgo",
      enabled: true,
      schedule: { kind: "every", everyMs: 300_000 },
      payload: { kind: "agent_turn", message: "汇报状态", deliver: true, channel: "telegram", to: "42" },
      state: { totalRuns: 3 },
    },
    {
      id: "a",
      name: "openclaw",
      enabled: false,
      createdAtMs: 1,
      schedule: { kind: "cron", expr: "0 9 * * *", tz: "Asia/Shanghai" },
      sessionTarget: "main",
      wakeMode: "now",
      payload: { kind: "systemEvent", text: "hello" },
    },
    { name: "over", schedule: { kind: "at", atMs: 1_000 }, payload: { kind: "agentTurn", message: "x" } },
  ]
  writeFileSync(join(house.work, "jobs.json"), JSON.stringify({ version: 1, jobs }))
  const { code, out } = await cron("import", "jobs.json", "--json")
  assert.equal(code, 0)
  const { added, left, notes } = JSON.parse(out)
  assert.deepEqual(
    added.map((one: { from: string }) => one.from),
    ["1771234567890123456", "a"],
  )
  assert.match(JSON.stringify(left), /has passed/)
  assert.match(JSON.stringify(notes), /telegram/)
  const shown = JSON.parse((await cron("show", "openclaw", "--json")).out)
  assert.deepEqual([shown.enabled, shown.sessionTarget, shown.payload.kind], [false, "main", "systemEvent"])
})

test("when a rule is due next is told in its zone", async () => {
  const { out } = await cron("next", "30 2 * * *", "--tz", "America/New_York", "--count", "2")
  assert.match(out, /^(\d{4}-\d\d-\d\d 0[23]:\d0:00 America\/New_York {2}\S+Z\n){2}$/)
})

for (const [name, args, code, words] of [
  ["nothing that says when", ["add", "-m", "x"], 2, /give --at, --every or --cron/],
  ["nothing that says what", ["add", "-e", "300"], 2, /give --message, --workflow or --command/],
  ["two things to do", ["add", "-e", "300", "-m", "x", "--command", "y"], 2, /a schedule does one thing/],
  ["a rule that is none", ["add", "-c", "99 * * * *", "-m", "x"], 2, /Cron expression "99 \* \* \* \*"/],
  ["a zone that is none", ["add", "-c", "0 9 * * *", "--tz", "Mars/X", "-m", "x"], 2, /Unknown time zone "Mars\/X"/],
  ["a schedule that is not there", ["show", "nothing"], 4, /Unknown schedule "nothing"/],
  ["a flag to clear that is none", ["edit", "nothing", "--clear", "luck"], 2, /"luck" is none of/],
] as const)
  test(`${name} is refused with exit code ${code} and the next step`, async () => {
    const ran = await cron(...args)
    assert.deepEqual([ran.code, ran.out], [code, ""], ran.err)
    assert.match(ran.err, words)
  })

// pincer job, as people start it, against a gateway with a scripted model.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { after, before, test } from "node:test"
import type { WireJob } from "../src/protocol/job.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

let fake: FakeModel
let house: House
before(async () => {
  fake = await startFakeModel()
  house = await startHouse({ fake: fake.url, config: { agents: { entries: { codex: { acp: { enabled: false } } } } } })
})
after(async () => {
  await house.close()
  await fake.close()
})

function start(args: string[], input?: string) {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: house.home,
    PINCER_GATEWAY_URL: house.wsUrl,
    PINCER_GATEWAY_TOKEN: house.token,
  }
  const child = spawn(process.execPath, [PROGRAM, "job", ...args], { cwd: house.work, env })
  child.stdin.end(input)
  const ran = { out: "", err: "" }
  child.stdout.on("data", (chunk) => {
    ran.out += chunk
  })
  child.stderr.on("data", (chunk) => {
    ran.err += chunk
  })
  return { child, ran }
}

async function job(args: string[], input?: string): Promise<{ code: number | null; out: string; err: string }> {
  const { child, ran } = start(args, input)
  const [code] = (await once(child, "close")) as [number | null]
  return { code, ...ran }
}

test("submit prints the id alone; get, logs and list show the job", async () => {
  const { code, out } = await job(["submit", "分析项目结构", "--agent", "codex"])
  assert.equal(code, 0)
  const id = out.trim()
  assert.match(id, /^[0-9a-f-]{36}$/)
  assert.equal((await job(["watch", id])).code, 0)
  const got = await job(["get", id])
  assert.match(got.out, /Status\s+completed/)
  assert.match(got.out, /Hello from the fake model\./)
  const json = JSON.parse((await job(["get", id, "--json"])).out) as WireJob
  assert.deepEqual([json.id, json.status, json.agent_name], [id, "completed", "codex"])
  assert.equal((await job(["get", id, "--result"])).out, "Hello from the fake model.\n")
  assert.match((await job(["logs", id])).out, /info {2}Job submitted\n.*Job started\n.*Job completed successfully\n$/)
  const list = await job(["list", "--agent", "codex", "--status", "completed"])
  assert.match(list.out, new RegExp(`^${id}\tcompleted\tcodex\t.* ago\t分析项目结构\n$`))
  assert.equal((await job(["delete", id])).code, 0)
  const gone = await job(["get", id])
  assert.deepEqual([gone.code, gone.out], [4, ""])
  assert.match(gone.err, /Unknown job/)
})

test("submit --watch shows words on standard output and the rest on standard error, and ends with the job", async () => {
  fake.script({ calls: [{ name: "LS", args: { path: "." } }] }, { text: "There is nothing here." })
  const { code, out, err } = await job(["submit", "look around", "--watch"])
  assert.deepEqual([code, out], [0, "There is nothing here.\n"])
  assert.match(err, /Job [0-9a-f-]{36}\nQueued\nStarted\n● .*\n {2}└ .*\nCompleted\n/)
})

test("watch --json prints one event a line, and --after goes on from one", async () => {
  const id = (await job(["submit"], "from a pipe")).out.trim()
  const lines = (await job(["watch", id, "--json"])).out.trim().split("\n")
  const events = lines.map((line) => JSON.parse(line) as { type: string; cursor: string | null })
  assert.equal(events.at(-1)?.type, "job.completed")
  const from = events.findIndex((event) => event.type === "job.started")
  const rest = (await job(["watch", id, "--json", "--after", events[from]!.cursor!])).out.trim().split("\n")
  assert.deepEqual(
    rest,
    lines.slice(from + 1).filter((line) => !line.includes('"cursor":null')),
  )
})

test("a job that failed gives 1, its timeout 3, a canceled one 130; retry runs a failed one again", async () => {
  fake.script({ fail: { type: "status", status: 401 } })
  const failed = await job(["submit", "x", "--watch", "--json"])
  assert.equal(failed.code, 1)
  const id = /"job_id":"([0-9a-f-]{36})"/.exec(failed.out)![1]!
  assert.deepEqual((await job(["retry", id])).code, 0)
  assert.equal((await job(["watch", id])).code, 0)
  const again = await job(["retry", id])
  assert.equal(again.code, 1)
  assert.match(again.err, /is completed and cannot become queued/)
  const gate = Promise.withResolvers<void>()
  fake.script({ text: "never", deltaSize: 2, gate: gate.promise })
  const late = await job(["submit", "x", "--timeout", "0.1", "--watch"])
  gate.resolve()
  assert.equal(late.code, 3)
  assert.match(late.err, /timeout of 0\.1 seconds/)
  const hold = Promise.withResolvers<void>()
  fake.script({ text: "never", deltaSize: 2, gate: hold.promise })
  const other = (await job(["submit", "x"])).out.trim()
  const watching = start(["watch", other])
  const closed = once(watching.child, "close")
  assert.equal((await job(["cancel", other])).out, `Canceled ${other}.\n`)
  hold.resolve()
  assert.deepEqual(await closed, [130, null])
})

test("what cannot be submitted is refused with the exit code of the mistake", async () => {
  assert.equal((await job(["submit", ""])).code, 2)
  assert.equal((await job(["submit", "x", "--priority", "high"])).code, 2)
  assert.equal((await job(["submit", "x", "--agent", "nobody"])).code, 4)
  assert.equal((await job(["submit", "x", "--non-interactive-permissions", "allow"])).code, 2)
  assert.equal((await job(["cancel", "019d527d-34ed-7272-b336-f67fd49024db"])).code, 4)
  const keyed = await job(["submit", "x", "--key", "k"])
  assert.equal(keyed.code, 0)
  assert.equal((await job(["submit", "y", "--key", "k"])).code, 1)
  assert.equal((await job(["submit", "x", "--key", "k"])).out, keyed.out)
})

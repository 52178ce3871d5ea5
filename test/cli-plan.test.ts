// pincer plan, as people start it, on plans that a session holds.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { after, before, test } from "node:test"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

let house: House
before(async () => {
  house = await startHouse()
})
after(() => house.close())

async function pincer(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: house.home,
    PINCER_GATEWAY_URL: house.wsUrl,
    PINCER_GATEWAY_TOKEN: house.token,
  }
  const child = spawn(process.execPath, [PROGRAM, "plan", ...args], { cwd: house.work, env, stdio: "pipe" })
  const ran = { out: "", err: "" }
  child.stdout.on("data", (chunk) => {
    ran.out += chunk
  })
  child.stderr.on("data", (chunk) => {
    ran.err += chunk
  })
  const [code] = (await once(child, "close")) as [number | null]
  return { code, ...ran }
}

test("plans are listed, shown, taken up again and forgotten from the command line", async () => {
  const entries = [
    { content: "读取资料", priority: "medium", status: "completed" },
    { content: "write it down", priority: "medium", status: "pending" },
  ] as const
  const plan = { planId: "main", entries: [...entries] }
  await house.parts.store.transcript.add("agent:main:work", "main", [{ type: "plan.updated", planId: "main", plan }])
  const { plans } = await house.parts.store.plans.list({ limit: 1 })
  const { id } = plans[0]!
  const [listed, shown, resumed, unknown] = await Promise.all([
    pincer("list", "--json"),
    pincer("show", id.slice(-6)),
    pincer("resume", id, "--wait"),
    pincer("show", "nothing"),
  ])
  assert.equal(JSON.parse(listed.out)[0].id, id)
  assert.match(shown.out, /\[x\] 读取资料\n\[ \] write it down\n/)
  assert.equal(resumed.code, 0, resumed.err)
  assert.notEqual(resumed.out.trim(), "")
  assert.equal(unknown.code, 4)
  assert.match(unknown.err, /Unknown plan "nothing": run "pincer plan list"/)
  assert.equal((await pincer("delete", id)).out, `Forgotten: ${id}\n`)
})

// pincer session rewind, branches, switch, fork, group, groups, files and diff as people and scripts type them.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { after, before, test } from "node:test"
import { clawConnect, openRaw } from "./frames.ts"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

let house: House

before(async () => {
  house = await startHouse()
  const wire = await openRaw(house.wsUrl)
  await wire.ask("connect", clawConnect(4, house.token))
  for (const message of ["hello", "list the files 你好"])
    await wire.ask("chat.send", { sessionKey: "work", message, wait: true, cwd: house.work })
  wire.socket.terminate()
})
after(() => house.close())

async function pincer(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: house.home,
    PINCER_HOME: house.home,
    PINCER_GATEWAY_TOKEN: house.token,
    NO_COLOR: "1",
  }
  const child = spawn(process.execPath, [PROGRAM, "session", ...args], { cwd: house.work, env })
  const ran = { out: "", err: "" }
  child.stdout.setEncoding("utf8").on("data", (text: string) => (ran.out += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => (ran.err += text))
  child.stdin.end()
  const [code] = await once(child, "close")
  return { code, ...ran }
}

test("one goes back, lists what was left, and goes there again; a fork ends where it is told to", async () => {
  const back = await pincer("rewind", "work")
  assert.match(back.out, /goes on after 2 messages[\s\S]*list the files 你好/, back.err)
  const branches = JSON.parse((await pincer("branches", "work", "--json")).out)
  assert.deepEqual(
    branches.map((one: { active: boolean }) => one.active),
    [true, false],
  )
  const [wrong, switched] = [await pincer("switch", "work", "9"), await pincer("switch", "work", "2")]
  assert.equal(wrong.code, 4)
  assert.match(wrong.err, /no branch 9.*pincer session branches work/)
  assert.equal(switched.code, 0, switched.err)
  const forked = await pincer("fork", "work", "other", "--json")
  assert.equal(JSON.parse(forked.out).key, "agent:main:other", forked.err)
  const [unknown, none] = await Promise.all([pincer("rewind", "work", "nothing"), pincer("rewind", "nobody")])
  assert.match(unknown.err, /"nothing".*chat\.history/)
  assert.equal(none.code, 4)
})

test("sessions are sorted into groups, and files and differences are shown or said to be none", async () => {
  assert.match((await pincer("group", "work", "客户")).out, /work is in 客户/)
  const [groups, inGroup, files, diff, unknown] = await Promise.all([
    pincer("groups"),
    pincer("list", "--group", "客户", "--json"),
    pincer("files", "work", "--json"),
    pincer("diff", "work"),
    pincer("group", "nobody", "x"),
  ])
  assert.equal(groups.out, "客户\n", groups.err)
  assert.equal(JSON.parse(inGroup.out).length, 1)
  assert.ok(Array.isArray(JSON.parse(files.out).files), files.err)
  assert.match(diff.err, /does not work in a git checkout/)
  assert.equal(unknown.code, 4)
  assert.match((await pincer("groups", "rename", "客户", "Customers")).out, /^Customers\n$/)
  assert.match((await pincer("groups", "delete", "Customers")).err, /No groups\.\n1 session changed/)
})

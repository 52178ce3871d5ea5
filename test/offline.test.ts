// The offline model through the whole house: real tools, real policy, real approvals, no network and no key.
import assert from "node:assert/strict"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import type { ApprovalDecision } from "../src/protocol/approval.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

async function open(t: TestContext): Promise<House> {
  const house = await startHouse({ config: NO_SANDBOX })
  t.after(() => house.close())
  mkdirSync(join(house.work, "src"))
  writeFileSync(join(house.work, "package.json"), '{ "name": "crab" }\n')
  writeFileSync(join(house.work, "src", "app.ts"), "// TODO: walk sideways\n")
  return house
}

let turns = 0

async function ask(house: House, text: string): Promise<string> {
  turns += 1
  const turnId = `offline-${turns}`
  await house.parts.lanes.submit({
    turnId,
    sessionKey: `agent:main:offline-${turns}`,
    agentId: "main",
    input: [{ type: "text", text }],
    cwd: house.work,
    origin: { door: "test" },
  })
  const record = await house.parts.lanes.wait(turnId)
  assert.equal(record?.outcome?.status, "completed", JSON.stringify(record?.outcome))
  return record.outcome.text
}

/** Answers whatever asks. */
function decide(t: TestContext, house: House, decision: ApprovalDecision): void {
  house.parts.approvals.canAsk = () => true
  t.after(
    house.parts.hub.onAll((envelope) => {
      if (envelope.event.type !== "approval.requested") return
      void house.parts.approvals.resolve(envelope.event.approval.id, decision, "test")
    }),
  )
}

test("a gateway without key and network lists, reads and searches with real tools", async (t) => {
  const house = await open(t)
  assert.match(
    await ask(house, "list the files here"),
    /src\/[\s\S]*package\.json[\s\S]*No language model is configured/,
  )
  assert.match(await ask(house, "read package.json"), /"name": "crab"/)
  assert.match(await ask(house, "search for TODO in src"), /app\.ts.*walk sideways/)
  assert.match(await ask(house, "find all .ts files"), /src\/app\.ts/)
  assert.match(
    await ask(house, "列出 src 里的文件，然后读取 package.json"),
    /app\.ts[\s\S]*"name": "crab"[\s\S]*没有配置语言模型/,
  )
  assert.match(await ask(house, "read nothing.txt"), /Read `nothing\.txt` did not succeed:/)
})

test("what needs approval is denied and said so when nobody can be asked", async (t) => {
  const house = await open(t)
  assert.match(
    await ask(house, "run `touch made.txt`"),
    /Bash `touch made\.txt` did not succeed: Denied: .*nobody who could approve/,
  )
  assert.throws(() => readFileSync(join(house.work, "made.txt")), { code: "ENOENT" })
})

test("approved commands, writes and edits are carried out in order", async (t) => {
  const house = await open(t)
  decide(t, house, "allow-once")
  const text = 'create a.txt with the content "one two", then replace "two" with "three" in a.txt and run `cat a.txt`'
  assert.match(await ask(house, text), /Created a\.txt[\s\S]*`cat a\.txt` printed:[\s\S]*one three/)
  assert.equal(readFileSync(join(house.work, "a.txt"), "utf8"), "one three")
})

test("a step that the user denies stops what should follow it", async (t) => {
  const house = await open(t)
  decide(t, house, "deny")
  assert.match(
    await ask(house, "运行 `touch made.txt`，然后运行 `ls`"),
    /没有成功：The user denied this call[\s\S]*后面的 1 步没有执行/,
  )
})

// A morning's mail from end to end in a whole gateway: a program lists letters, another sorts them, a person looks at the plan, and only then is
// anything done, with a tool of an MCP server for the note about it. The person's no does nothing.

import assert from "node:assert/strict"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import type { Envelope } from "../src/protocol/workflow.ts"
import { giveAway } from "./fakes/sandbox-room.ts"
import { fakeProgram } from "./fakes/stripped.ts"
import { type House, startHouse } from "./house.ts"

const SERVER = fakeProgram("mcp-server")

/** What stands in for the mailbox: lists letters, sorts them, says what would be done, does it. */
const LETTERS = `case "$1" in
list) echo '[{"id":1,"from":"银行","subject":"账单"},{"id":2,"from":"Bo","subject":"Lunch?"},{"id":3,"from":"List","subject":"News"}]' ;;
sort) cat > sorted.json; echo '[{"id":1,"do":"pay"},{"id":2,"do":"answer"},{"id":3,"do":"archive"}]' ;;
plan) echo '{"requiresApproval":{"prompt":"Do three things?","items":["pay 1","answer 2","archive 3"],"preview":"3 letters"}}' ;;
act) cat > acted.json; echo '{"acted":3}' ;;
esac
`
const MORNING = `name: morning mail
steps:
  - { id: new, command: "sh ./letters.sh list", effect: read }
  - { id: sorted, command: "sh ./letters.sh sort", stdin: $new.json }
  - { id: look, command: "sh ./letters.sh plan", stdin: $sorted.json, approval: required }
  - { id: act, command: "sh ./letters.sh act", stdin: $sorted.json, when: $look.approved }
  - { id: note, tool: "mcp:notes:echo", tool_args: { text: "$act.json.acted letters done" }, when: $act.json.acted == 3 }
`

interface Ran {
  runId: string
  envelope: Envelope
}

async function open(t: TestContext): Promise<{ house: House; owner: GatewayClient } | undefined> {
  const notes = { command: process.execPath, args: [SERVER, "well"], sandbox: "off" }
  const house = await startHouse({ config: { tools: { mcpServers: { notes } } } })
  t.after(() => house.close())
  if (!(await house.parts.sandbox.report()).available) {
    t.skip("NOT TESTED: there is no sandbox on this machine")
    return undefined
  }
  giveAway(house.work)
  writeFileSync(join(house.work, "letters.sh"), LETTERS)
  writeFileSync(join(house.work, "morning.lobster"), MORNING)
  const owner = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: { id: "test", version: "1", platform: "linux", mode: "test" },
    caps: ["approvals"],
  })
  t.after(() => owner.close())
  return { house, owner }
}

test("letters are listed, sorted, looked at by a person, and only then done", async (t) => {
  const room = await open(t)
  if (!room) return
  const { house, owner } = room
  const here = { file: "morning.lobster", cwd: house.work }
  const checked = await owner.request<{ problems: { message: string }[] }>("workflow.check", here)
  assert.deepEqual(checked.problems, [])
  const typo = MORNING.replace("mcp:notes:echo", "mcp:notes:ecko")
  const told = await owner.request<{ problems: { code: string }[] }>("workflow.check", {
    definition: typo,
    cwd: house.work,
  })
  assert.deepEqual(
    told.problems.map(({ code }) => code),
    ["unknown-tool"],
  )

  const waiting = await owner.request<Ran>("workflow.run", here)
  assert.ok(waiting.envelope.ok, JSON.stringify(waiting.envelope))
  const { prompt, items, preview, resumeToken } = waiting.envelope.requiresApproval!
  assert.deepEqual([prompt, items, preview], ["Do three things?", ["pay 1", "answer 2", "archive 3"], "3 letters"])
  assert.match(readFileSync(join(house.work, "sorted.json"), "utf8"), /银行/)
  assert.equal(existsSync(join(house.work, "acted.json")), false)

  const no = await owner.request<Ran>("workflow.resume", { token: resumeToken, approve: false, reason: "not today" })
  assert.ok(no.envelope.ok)
  assert.equal(no.envelope.status, "cancelled")
  assert.equal(existsSync(join(house.work, "acted.json")), false)

  const again = await owner.request<Ran>("workflow.run", here)
  assert.ok(again.envelope.ok)
  const token = again.envelope.requiresApproval!.resumeToken
  const done = await owner.request<Ran>("workflow.resume", { token, approve: true })
  assert.ok(done.envelope.ok, JSON.stringify(done.envelope))
  assert.deepEqual(
    done.envelope.steps?.map(({ path, status }) => `${path} ${status}`),
    ["new", "sorted", "look", "act", "note"].map((id) => `${id} completed`),
  )
  assert.equal(JSON.parse(readFileSync(join(house.work, "acted.json"), "utf8")).length, 3)
  assert.match(JSON.stringify(done.envelope.output), /3 letters done/)
})

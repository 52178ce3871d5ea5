import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import { hostRoom } from "../../../test/fakes/acp-agent-room.ts"

const command = [process.execPath, join(import.meta.dirname, "../../../test/fakes/acp-agent-sdk.ts")]

test("an agent made with the official library works in version 1", async () => {
  await using room = hostRoom()
  const written: string[] = []
  const turn = { writeText: async (path: string, text: string) => void written.push(`${path}=${text}`) }
  const { end, heard } = await room.run("go", { agent: { command }, turn })
  assert.deepEqual(end, { stop: "end_turn" })
  assert.equal(heard.text(), "Hello. chose a")
  assert.deepEqual(written, ["/x=text of /x!"])
  assert.equal(room.host.warm()[0]?.facts.protocol, 1)
})

test("an agent made with the official library works in version 2", async () => {
  await using room = hostRoom()
  const turn = { leave: async () => ({ type: "denied", reason: "no", always: false }) as const }
  const { end, heard } = await room.run("go", { agent: { command, protocol: 2 }, turn })
  assert.deepEqual(end, { stop: "end_turn" })
  assert.equal(heard.text(), "chose r")
  assert.equal(room.host.warm()[0]?.facts.protocol, 2)
})

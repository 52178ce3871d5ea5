import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { textOf } from "../../protocol/message.ts"

interface Any {
  [key: string]: Any
}

test("what happened is told at once in a turn, or waits as a note that the next turn reads", async (t: TestContext) => {
  let read = ""
  const room: MethodRoom = await openMethodRoom({
    script: ({ messages }) => {
      read = messages.map((message) => textOf(message.content)).join("\n")
      return say("Noted")
    },
  })
  t.after(() => room.close())
  const { call, py } = room
  const later = (await py("system.event", { text: "the build is red" })) as Any
  assert.deepEqual([later["mode"], later["heartbeatTriggered"]], ["next-heartbeat", false])
  assert.equal(read, "")
  const now = (await call("wake", { mode: "now", text: "the build is green" })) as Any
  await room.room.lanes.wait(String(now["runId"]))
  assert.equal(read, "System event: the build is red\nSystem event: the build is green")
  await assert.rejects(call("wake", { text: "x" }), /mode/)
  await call("system-event", { text: "Node: up", host: "phone", tags: ["ios"] })
  const there = (await call("system-presence")) as Any[]
  assert.ok(there.some((one) => String(one["host"]) === "phone"))
  assert.equal(await call("last-heartbeat"), null)
  assert.deepEqual(await py("system.heartbeat.last"), { enabled: false, lastHeartbeatAt: null })
})

test("small looks at the gateway say what is true", async (t: TestContext) => {
  const room = await openMethodRoom({ script: () => say("x") })
  t.after(() => room.close())
  const { call } = room
  const web = (await call("web.status")) as Any
  assert.deepEqual([web["connected"], web["clients"]], [false, 0])
  assert.equal(((await call("diagnostics.lanes")) as Any)["running"], 0)
  assert.ok(Number(((await call("diagnostics.stability")) as Any)["memory"]!["rssBytes"]) > 0)
  assert.equal(((await call("gateway.identity.get")) as Any)["bootId"], "boot")
  const { commands } = (await call("commands.list")) as { commands: Any[] }
  assert.deepEqual(
    commands.map((one) => String(one["textAliases"])),
    ["/stop"],
  )
  assert.deepEqual(await call("secrets.reload"), { ok: true, reloaded: true, count: 0 })
  assert.ok(Array.isArray(((await call("models.providers")) as Any)["providers"]))
  assert.ok(Array.isArray(((await call("models.authStatus")) as Any)["providers"]))
})

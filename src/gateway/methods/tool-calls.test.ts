import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { type RoomOptions, say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"
import { configSchema } from "../../config/schema.ts"

async function open(t: TestContext, options: Partial<RoomOptions & { parts: object }> = {}): Promise<MethodRoom> {
  const opened = await openMethodRoom({ script: () => say("Well"), ...options })
  t.after(() => opened.close())
  return opened
}

interface Any {
  [key: string]: Any
}

const refusal = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof PincerError && error.code === code && text.test(error.message)

test("a tool called by hand runs once per key, is in the transcript, and the model is asked nothing", async (t) => {
  const { call, room } = await open(t, {
    script: () => {
      throw new TypeError("no model is asked")
    },
  })
  const params = { name: "Look", args: { text: "here" }, sessionKey: "s", idempotencyKey: "k" }
  const first = (await call("tools.invoke", params)) as Any
  assert.equal(first["ok"], true)
  assert.equal(first["runId"], "k")
  assert.deepEqual(await call("tools.invoke", params), first)
  const { messages } = (await call("chat.history", { sessionKey: "s" })) as { messages: Any[] }
  assert.deepEqual(
    messages.map(({ role }) => role),
    ["custom", "assistant", "toolResult"],
  )
  assert.equal((await room.lanes.wait("k"))?.status, "completed")
})

test("what must be asked about waits for a human, also when nobody is connected, and its outcome is there afterwards", async (t) => {
  const { call, room } = await open(t)
  const params = { name: "Act", args: { text: "rm x" }, idempotencyKey: "k" }
  const waiting = (await call("tools.invoke", params)) as Any
  assert.equal(waiting["requiresApproval"], true, JSON.stringify(waiting))
  assert.equal(((await call("tools.invoke", params)) as Any)["approvalId"], waiting["approvalId"])
  assert.deepEqual(room.acts, [])
  await call("exec.approve", { id: waiting["approvalId"] })
  await room.lanes.wait("k")
  assert.equal(((await call("tools.invoke", params)) as Any)["ok"], true)
  assert.deepEqual(room.acts, ["rm x"])
  const denied = { ...params, idempotencyKey: "d" }
  await call("exec.deny", { id: ((await call("tools.invoke", denied)) as Any)["approvalId"] })
  await room.lanes.wait("d")
  assert.equal(((await call("tools.invoke", denied)) as Any)["error"]!["code"], "denied")
  assert.deepEqual(room.acts, ["rm x"])
})

test("unknown tools and agents are refused before anything begins; wrong arguments are the tool's error", async (t) => {
  const { call, parts } = await open(t)
  await assert.rejects(call("tools.invoke", { name: "Nope" }), refusal("NOT_FOUND", /Tool not available: Nope/))
  await assert.rejects(call("tools.invoke", { name: "Look", agentId: "x" }), refusal("NOT_FOUND", /Unknown agent/))
  await assert.rejects(call("tools.invoke", {}), refusal("INVALID_PARAMS", /name is required/))
  assert.equal((await parts.store.sessions.list({})).total, 0)
  const wrong = (await call("tools.invoke", { name: "Look", args: { text: 5 } })) as Any
  assert.equal(wrong["error"]!["code"], "tool_error")
})

test("the catalogue has every tool in a group; what policy denies by name is not effective, and says why", async (t) => {
  const config = configSchema.parse({ policy: { deny: ["Act"] } })
  const { call, py } = await open(t, { parts: { config } })
  const catalog = (await call("tools.catalog")) as Any
  assert.equal(catalog["count"], 3)
  assert.equal(((await py("tools.catalog")) as Any)["count"], 3)
  const effective = (await call("tools.effective", { sessionKey: "s" })) as Any
  assert.doesNotMatch(JSON.stringify(effective["groups"]), /"Act"/)
  assert.match(JSON.stringify(effective["notices"]), /Act is denied by policy \(policy\.deny\[0\]\)/)
})

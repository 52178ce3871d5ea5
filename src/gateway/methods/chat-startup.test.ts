import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { openMethodRoom } from "../../../test/fakes/method-room.ts"
import { tools } from "../../tools/index.ts"
import type { Tool } from "../../tools/tool.ts"

interface Any {
  [key: string]: Any
}

async function open(t: TestContext, tools: readonly Tool[] = []) {
  const opened = await openMethodRoom({ script: () => say("Hello there"), parts: { tools } })
  t.after(() => opened.close())
  return opened
}

test("chat.startup gives a screen the messages and what can be chosen, by key or by the beginning of the id", async (t) => {
  const { call } = await open(t)
  await call("chat.send", { sessionKey: "work", message: "one", wait: true })
  const started = (await call("chat.startup", { sessionKey: "work", limit: 1 })) as Any
  assert.equal(started["messages"]!["length"], 1)
  assert.equal(started["subscribed"], false, "nothing can be pushed here")
  assert.deepEqual(started["metadata"], await call("chat.metadata", { sessionKey: "work" }))
  const { commands, models, sessionKey } = started["metadata"]!
  assert.equal(sessionKey, "agent:main:work")
  assert.ok((commands as unknown as { name: string }[]).some(({ name }) => name === "stop"))
  assert.ok(Array.isArray(models))
  const shortId = String(started["sessionId"]).slice(0, 20)
  const short = (await call("chat.startup", { shortId })) as Any
  assert.equal(short["resolution"]!["key"], "agent:main:work")
  assert.equal(short["messages"]!["length"], 2)
  const none = (await call("chat.startup", { shortId: "ffffffff" })) as Any
  assert.deepEqual([none["resolution"]!["ok"], none["messages"]], [false, undefined])
  await assert.rejects(call("chat.startup", {}), /sessionKey or shortId is required/)
  await assert.rejects(call("chat.metadata", { agentId: "nobody" }), /nobody/)
})

test("chat.toolTitles says of a call what its tool says, and nothing of what is unknown or no call", async (t) => {
  const { call } = await open(t, tools)
  const items = [
    { id: "a", name: "Read", input: '{"path":"src/a.ts"}' },
    { id: "b", name: "Nobody", input: "{}" },
    { id: "c", name: "Read", input: "no json" },
  ]
  const { titles } = (await call("chat.toolTitles", { sessionKey: "work", items })) as {
    titles: Record<string, string>
  }
  assert.deepEqual(titles, { a: "src/a.ts" })
  await assert.rejects(call("chat.toolTitles", { sessionKey: "work" }), /items is required/)
})

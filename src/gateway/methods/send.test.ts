import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"

const refusal = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  assert.match(error.message, text)
  return true
}

async function open(t: TestContext, script?: Parameters<typeof openMethodRoom>[0]["script"]) {
  const opened = await openMethodRoom({ script: script ?? (() => say("Hello there")) })
  t.after(() => opened.close())
  await opened.call("sessions.create", { key: "work" })
  return opened
}

test("send says something in a session without a turn, once for each key, also when two come together", async (t) => {
  const { call, parts } = await open(t)
  const heard: string[] = []
  parts.hub.onAll(({ event }) => heard.push(event.type))
  const wish = { to: "work", message: "你好", mediaUrl: "https://example.com/a/b.png", idempotencyKey: "k" }
  const [first, second] = await Promise.all([call("send", wish), call("send", wish)])
  assert.deepEqual(first, {
    runId: "k",
    messageId: "sent-k",
    channel: "session",
    conversationId: "agent:main:work",
    sessionKey: "agent:main:work",
  })
  assert.deepEqual(second, first)
  await call("send", { ...wish, channel: "webchat", message: "again" })
  const { messages } = (await call("chat.history", { sessionKey: "work" })) as {
    messages: { role: string; content: { type: string; text?: string }[] }[]
  }
  assert.equal(messages.length, 1)
  assert.deepEqual(
    messages[0]!.content.map(({ type }) => type),
    ["text", "link"],
  )
  assert.deepEqual(heard, ["message.added"])
  const file = { buffer: Buffer.from("hi").toString("base64"), filename: "a.txt" }
  await call("send", { to: "agent:main:work", ...file })
  assert.equal(((await call("chat.history", { sessionKey: "work" })) as { messages: unknown[] }).messages.length, 2)
})

test("send refuses channels that are not there in the original's words, sessions that are not, and what says nothing", async (t) => {
  const { call } = await open(t)
  const send = (params: Record<string, unknown>) => call("send", { message: "x", ...params })
  await assert.rejects(
    send({ to: "+1", channel: "telegram" }),
    refusal("INVALID_PARAMS", /^unsupported channel: telegram$/),
  )
  await assert.rejects(
    send({ to: "+15551234" }),
    refusal("INVALID_PARAMS", /^Channel is required \(no available channels/),
  )
  await assert.rejects(send({ to: "none", channel: "session" }), refusal("NOT_FOUND", /none/))
  await assert.rejects(send({ to: "work", message: " " }), refusal("INVALID_PARAMS", /requires text or media/))
  await assert.rejects(send({ to: "work", mediaUrl: "file:///etc/passwd" }), refusal("INVALID_PARAMS", /http/))
  await assert.rejects(send({}), refusal("INVALID_PARAMS", /to is required/))
})

test("send waits for nobody: while a turn runs it is refused, to be tried again", async (t) => {
  const held = Promise.withResolvers<void>()
  const { call, parts } = await open(t, (_request, signal) => say("late", signal, held.promise))
  const runs = call("chat.send", { sessionKey: "work", message: "go", wait: true })
  while (parts.lanes.active("agent:main:work").every(({ status }) => status === "queued"))
    await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(call("send", { to: "work", message: "x" }), refusal("UNAVAILABLE", /A turn runs/))
  held.resolve()
  await runs
  await call("send", { to: "work", message: "x" })
})

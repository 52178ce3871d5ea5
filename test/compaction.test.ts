// Conversations that grow longer than a model's window, in a whole house: older messages are summarised, recorded, and never lost.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { isObject } from "../src/base/json.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import type { TaintMark } from "../src/protocol/decision.ts"
import type { RecordedEvent } from "../src/protocol/event.ts"
import type { Part } from "../src/protocol/message.ts"
import { type FakeModel, type FakeRequest, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

let fake: FakeModel
before(async () => {
  fake = await startFakeModel()
})
after(() => fake.close())

const SUMMARY_ORDER = /You keep the memory of a conversation/
const KEY = "agent:main:long"

function connect(house: House): Promise<GatewayClient> {
  const client = { id: "cli", version: "0", platform: "test", mode: "cli" }
  return connectGateway({ url: house.wsUrl, token: house.token, client })
}

async function say(client: GatewayClient, message: string): Promise<{ status: string; text: string }> {
  return client.request("chat.send", { sessionKey: KEY, message, wait: true })
}

/** Roles and words of what the model was asked, the system prompt first. */
function asked(request: FakeRequest | undefined): string[] {
  const messages = request?.body["messages"]
  if (!Array.isArray(messages)) throw new Error("No messages were asked")
  return messages.map((message: unknown) => {
    if (!isObject(message)) return ""
    const { content, role } = message
    return `${String(role)}: ${typeof content === "string" ? content : JSON.stringify(content)}`
  })
}

const isSummary = (request: FakeRequest) => SUMMARY_ORDER.test(JSON.stringify(request.body))

async function events(house: House): Promise<RecordedEvent[]> {
  const found = await house.parts.store.transcript.events(KEY, { afterSeq: 0, limit: 10_000 })
  return found.map(({ event }) => event)
}

async function open(t: { after: (fn: () => Promise<void>) => void }, options: Parameters<typeof startHouse>[0] = {}) {
  fake.requests.length = 0
  fake.otherwise({ text: "Fine." })
  const house = await startHouse({ fake: fake.url, ...options })
  t.after(() => house.close())
  const client = await connect(house)
  t.after(async () => client.close())
  return { house, client }
}

test("compact: the summary stands for the older messages, which stay in the history, also after a restart", async (t) => {
  const { house, client } = await open(t)
  for (const words of ["我的项目叫海豚", "我用 Node 24", "测试在 test 文件夹"]) await say(client, words)
  fake.script({ text: "项目：海豚。Node 24。", usage: { input: 100, output: 20 } })
  const answer = await client.request<Record<string, unknown>>("sessions.compact", {
    sessionKey: KEY,
    instructions: "the name of the project",
  })
  assert.deepEqual([answer["compacted"], answer["summarised"]], [true, 4])
  const order = asked(fake.requests.at(-1))
  assert.match(order[0]!, SUMMARY_ORDER)
  assert.match(order[1]!, /我的项目叫海豚[\s\S]*dwell on this: the name of the project/)
  assert.doesNotMatch(order[1]!, /测试在 test/, "the last exchange stays as it is")

  await house.stop()
  const again = await startHouse({ fake: fake.url, home: house.home })
  t.after(() => again.close())
  const second = await connect(again)
  t.after(async () => second.close())
  await say(second, "还记得吗？")
  const seen = asked(fake.requests.at(-1))
  assert.deepEqual(
    seen.slice(1).map((line) => line.slice(0, line.indexOf(":"))),
    ["user", "user", "assistant", "user"],
  )
  assert.match(seen[1]!, /项目：海豚。Node 24。/)
  assert.match(seen[2]!, /测试在 test 文件夹/)
  const history = await second.request<{ messages: Record<string, unknown>[] }>("chat.history", { sessionKey: KEY })
  assert.match(JSON.stringify(history.messages[0]), /我的项目叫海豚/)
  assert.equal(history.messages.filter(({ role }) => role === "custom").length, 1)

  const use = await second.request<{ summarised: number; parts: { part: string; count: number }[] }>(
    "sessions.context",
    {
      sessionKey: KEY,
    },
  )
  assert.equal(use.summarised, 4)
  assert.equal(use.parts.find(({ part }) => part === "user")?.count, 2)
  fake.script({ text: "All of it." })
  const more = await second.request<Record<string, unknown>>("sessions.compact", { sessionKey: KEY })
  assert.equal(more["summarised"], 6, "with those of the summary before")
  assert.match(asked(fake.requests.at(-1))[1]!, /## Summary so far[\s\S]*项目：海豚/)
})

test("compact with nothing older to summarise says so and asks no model; an unknown session is not found", async (t) => {
  const { client } = await open(t)
  await say(client, "hello")
  const count = fake.requests.length
  const answer = await client.request<Record<string, unknown>>("sessions.compact", { sessionKey: KEY })
  assert.equal(answer["compacted"], false)
  assert.match(String(answer["reason"]), /nothing older/)
  assert.equal(fake.requests.length, count)
  await assert.rejects(client.request("sessions.compact", { sessionKey: "agent:main:none" }), /Unknown session/)
})

test("a full window: older messages are summarised before the model is asked, and it is said", async (t) => {
  const { house, client } = await open(t)
  for (const letter of ["a", "b", "c"]) await say(client, `${letter} ${"word ".repeat(24_000)}`)
  // More than one request takes in: the second begins with the summary of the first.
  fake.script({ text: "Words." }, { text: "Words were said." }, { text: "Done." })
  const ended = await say(client, `d ${"word ".repeat(16_000)}`)
  assert.equal(ended.text, "Done.")
  const [first, second, last] = fake.requests.slice(-3)
  assert.ok(first && isSummary(first) && second && isSummary(second))
  assert.match(asked(second)[1]!, /^user: ## Summary so far\nWords\.\n\n## /)
  const seen = asked(last)
  assert.match(seen[1]!, /^user: [\s\S]*Words were said\.$/)
  assert.ok(seen.at(-1)!.startsWith("user: d word"))
  assert.equal(
    seen.some((line) => line.startsWith("user: a word")),
    false,
  )
  const notices = (await events(house)).flatMap((event) => (event.type === "notice.posted" ? [event.code] : []))
  assert.deepEqual(notices, ["history-summarised"])
})

test("when the summary fails the turn goes on with what fits, and both are said", async (t) => {
  const { house, client } = await open(t)
  for (const letter of ["a", "b", "c"]) await say(client, `${letter} ${"word ".repeat(24_000)}`)
  fake.script({ fail: { type: "status", status: 400, body: '{"error":{"message":"no"}}' } }, { text: "Done." })
  assert.equal((await say(client, `d ${"word ".repeat(16_000)}`)).text, "Done.")
  const notices = (await events(house)).flatMap((event) => (event.type === "notice.posted" ? [event.code] : []))
  assert.deepEqual(notices, ["history-not-summarised", "history-shortened"])
  const messages = await house.parts.store.transcript.messages(KEY)
  assert.equal(messages.length, 8, "nothing is lost")
})

test("when the service says that it was too much, older messages are summarised and it is asked again, once", async (t) => {
  const { client } = await open(t)
  for (const words of ["one", "two", "three"]) await say(client, words)
  const body = JSON.stringify({
    error: { message: "maximum context length exceeded", code: "context_length_exceeded" },
  })
  const tooMuch = { fail: { type: "status", status: 400, body } } as const
  fake.script(tooMuch, { text: "In short." }, { text: "It fits." })
  assert.equal((await say(client, "four")).text, "It fits.")
  assert.match(asked(fake.requests.at(-1))[1]!, /In short\./)
  fake.script(tooMuch, { text: "Shorter." }, tooMuch)
  await assert.rejects(say(client, "five"), /context length/)
})

test("a compact turn that a shutdown cut off is done after the restart, and recorded once", async (t) => {
  const { house, client } = await open(t)
  for (const words of ["one", "two", "three"]) await say(client, words)
  const reached = Promise.withResolvers<void>()
  fake.script(() => {
    reached.resolve()
    return { fail: { type: "stall", after: "nothing" } }
  })
  client.request("sessions.compact", { sessionKey: KEY, idempotencyKey: "compact-1" }).catch(() => undefined)
  await reached.promise
  client.close()
  await house.stop()
  const again = await startHouse({ fake: fake.url, home: house.home })
  t.after(() => again.close())
  const record = await again.parts.lanes.wait("compact-1", { timeoutMs: 20_000 })
  assert.equal(record?.status, "completed")
  const messages = await again.parts.store.transcript.messages(KEY)
  assert.equal(messages.filter((message) => message.summary).length, 1)
})

test("sending the last message again keeps what was summarised before it", async (t) => {
  const { client } = await open(t)
  for (const words of ["one", "two", "three"]) await say(client, words)
  fake.script({ text: "In short." })
  await client.request("sessions.compact", { sessionKey: KEY })
  await client.request("chat.resend", { sessionKey: KEY, wait: true })
  const seen = asked(fake.requests.at(-1))
  assert.match(seen[1]!, /In short\./)
  assert.deepEqual(seen.slice(2), ["user: three"])
})

test("a summary of text from outside keeps its mark, and holds no secret", async (t) => {
  const { house, client } = await open(t)
  const content = [{ type: "text" as const, text: "do as I say" }]
  const taint: TaintMark[] = [{ source: "web", detail: "evil.example" }]
  const call = { type: "tool.call", callId: "c", name: "WebFetch", args: {} } as const
  const said = (id: string, role: "user" | "assistant" | "tool", part: Part): RecordedEvent => ({
    type: "message.added",
    message: { id, role, content: [part], at: 1 },
  })
  const old = [
    said("1", "user", { type: "text", text: "look" }),
    said("2", "assistant", call),
    said("3", "tool", { type: "tool.result", callId: "c", name: "WebFetch", content, isError: false, taint }),
    said("4", "assistant", { type: "text", text: "seen" }),
  ]
  const entries = old.map((event) => ({ turnId: "t", at: 1, event }))
  await house.parts.store.transcript.restore(KEY, "main", entries, {})
  await say(client, "and now?")
  fake.script({ text: `It said: use ${house.token}` })
  await client.request("sessions.compact", { sessionKey: KEY })
  const made = (await house.parts.store.transcript.messages(KEY)).find((message) => message.summary)
  assert.deepEqual(made?.taint, taint)
  assert.doesNotMatch(JSON.stringify(made), new RegExp(house.token))
})

test("without a language model nothing is summarised, and it is said what to do", async (t) => {
  const house = await startHouse()
  t.after(() => house.close())
  const client = await connect(house)
  t.after(async () => client.close())
  for (const words of ["hello", "help"]) await say(client, words)
  await assert.rejects(client.request("sessions.compact", { sessionKey: KEY }), /no language model is set up/)
})

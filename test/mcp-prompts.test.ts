// Prompts of MCP servers as commands in a whole gateway: at the control plane, from an editor (ACP) and on the command line.

import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { promptChoices, promptNames } from "../src/cli/slash-prompts.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { openEditor } from "./fakes/acp-editor.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { fakeProgram } from "./fakes/stripped.ts"
import { type House, startHouse, TEST_TOKEN } from "./house.ts"

// biome-ignore lint/suspicious/noExplicitAny: what comes over a wire is looked at, not typed.
type Any = any

const FAKE = fakeProgram("mcp-server")
const docs = (more: object = {}) => ({ command: process.execPath, args: [FAKE, "prompts"], sandbox: "off", ...more })

interface Room {
  house: House
  fake: FakeModel
  client: GatewayClient
  say(message: string, more?: object): Promise<Any>
  /** What the model was told by the person last. */
  heard(): string
  marks(session: string): Promise<string[]>
}

async function open(t: TestContext, mcpServers: object): Promise<Room> {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: { tools: { mcpServers } } })
  const client = await connectGateway({
    url: house.wsUrl,
    token: TEST_TOKEN,
    client: { id: "test", version: "0", platform: "test", mode: "cli" },
  })
  t.after(async () => {
    client.close()
    await house.close()
    await fake.close()
  })
  return {
    ...{ house, fake, client },
    say(message, more = {}) {
      fake.script({ text: "Done." })
      return client.request("chat.send", { sessionKey: "a", message, wait: true, ...more })
    },
    heard() {
      const body: Any = fake.requests.at(-1)?.body
      const { content } = body.messages.findLast((message: Any) => message.role === "user")
      return typeof content === "string" ? content : content.map((part: Any) => part.text).join("")
    },
    async marks(session) {
      const messages = await house.parts.store.transcript.messages(`agent:main:${session}`)
      return messages.flatMap(({ taint = [] }) => taint.map(({ detail, source }) => `${source} ${detail}`))
    },
  }
}

test("a prompt is said in the person's place, its blanks filled by name and by place, and marked as text from outside", async (t) => {
  const room = await open(t, { docs: docs(), mine: docs({ trusted: true }) })
  await room.say('/mcp:docs:review "喝 茶.ts" very terse')
  assert.equal(room.heard(), 'review {"file":"喝 茶.ts","style":"very terse"}')
  assert.deepEqual(await room.marks("a"), ["mcp mcp:docs:review"])
  await room.say("/mcp:docs:review style=x a.ts", { sessionKey: "b" })
  assert.equal(room.heard(), 'review {"style":"x","file":"a.ts"}')
  await room.say("/mcp:docs:say%20it%3A%20茶", { sessionKey: "c" })
  assert.equal(room.heard(), "say it: 茶 {}")
  await room.say("/mcp:mine:review a.ts", { sessionKey: "d" })
  assert.deepEqual(await room.marks("d"), [])
  for (const [method, params] of [
    ["ask", { session: "e", content: "/mcp:docs:review b.ts" }],
    ["agent", { sessionKey: "f", message: "/mcp:docs:review b.ts" }],
  ] as const) {
    room.fake.script({ text: "Done." })
    await room.client.request(method, params)
    assert.equal(room.heard(), 'review {"file":"b.ts"}')
  }
  await room.say("see /mcp:docs:review", { sessionKey: "g" })
  assert.equal(room.heard(), "see /mcp:docs:review")
})

test("what cannot be meant is refused before anything is said, with the nearest name or the blank that is missing", async (t) => {
  const room = await open(t, { docs: docs(), theirs: docs({ agents: ["other"] }), dead: { command: "/nonexistent/x" } })
  const refusals: [string, RegExp][] = [
    ["/mcp:docs:revew a", /No prompt "\/mcp:docs:revew": did you mean \/mcp:docs:review\?/],
    ["/mcp:docs:other", /there are \/mcp:docs:review, \/mcp:docs:say%20it%3A%20茶/],
    ["/mcp:doc:review a", /No MCP server "doc" is in use: did you mean docs\?/],
    ["/mcp:docs:review", /needs file \(which one\): type \/mcp:docs:review file=…/],
    ["/mcp:docs:review style=x", /needs file/],
    ["/mcp:docs:say%20it%3A%20茶 now", /takes no words: leave out "now"/],
    ["/mcp:docs:review 'a", /The quote ' is not closed/],
    ["/mcp:docs", /is not like \/mcp:<server>:<prompt>/],
    ["/mcp:theirs:review a", /"theirs" is not for the agent main/],
    ["/mcp:dead:review a", /MCP server "dead"/],
  ]
  for (const [message, said] of refusals) await assert.rejects(room.say(message), said)
  assert.equal(room.fake.requests.length, 0)
})

test("listed where commands are, completed by names, blanks and what the server offers, and anew when the server has others", async (t) => {
  const room = await open(t, { docs: docs() })
  const { client } = room
  const listed = async () => {
    const { commands }: Any = await client.request("commands.list", { sessionKey: "a" })
    return commands.filter(({ category }: Any) => category === "mcp")
  }
  assert.deepEqual(await listed(), [])
  await client.request("mcp.tools", {})
  const [review, say] = await listed()
  assert.deepEqual(
    [review.name, review.takes, review.description],
    ["mcp:docs:review", "<file> [style]", "Looks at a file"],
  )
  assert.deepEqual(review.textAliases, ["/mcp:docs:review"])
  assert.equal(say.acceptsArgs, false)
  const talk = { client, sessionKey: "a", agentId: undefined }
  assert.deepEqual(await promptNames(talk, "/mcp:docs:r"), ["/mcp:docs:review "])
  assert.deepEqual(await promptChoices(talk, "/mcp:docs:review "), [["file=", "style="], ""])
  assert.deepEqual(await promptChoices(talk, "/mcp:docs:review file=a st"), [["style="], "st"])
  assert.deepEqual(await promptChoices(talk, "/mcp:docs:review file=a style="), [
    ["style=terse", 'style="friendly and long"'],
    "style=",
  ])
  const changed = new Promise((resolve) => client.on("mcp.changed", resolve))
  await room.say("/mcp:docs:review a")
  await changed
  assert.ok((await listed()).some(({ name }: Any) => name === "mcp:docs:later"))
})

test("an editor is told of them, also of those that come later, and says one like any other words", async (t) => {
  const room = await open(t, { docs: docs() })
  const editor = await openEditor(room.house)
  t.after(() => editor.close())
  const offered = (name: string) =>
    editor.until((message: Any) => {
      const { availableCommands = [] } = message.params?.update ?? {}
      return availableCommands.some((one: Any) => one.name === name)
    })
  const { sessionId } = await editor.request("session/new", { cwd: room.house.work, mcpServers: [] })
  await room.client.request("mcp.tools", {})
  await offered("mcp:docs:review")
  room.fake.script({ text: "Done." })
  const prompt = [{ type: "text", text: "/mcp:docs:review a.ts" }]
  await editor.request("session/prompt", { sessionId, prompt })
  assert.equal(room.heard(), 'review {"file":"a.ts"}')
  await offered("mcp:docs:later")
  await assert.rejects(
    editor.request("session/prompt", { sessionId, prompt: [{ type: "text", text: "/mcp:docs:revew" }] }),
    /did you mean \/mcp:docs:review/,
  )
})

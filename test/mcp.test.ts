// MCP servers of the configuration in a whole gateway: the reference servers under our client, judged like everything else, changed while
// running; nothing of MCP is loaded before it is needed.

import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { promisify } from "node:util"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { type FakeCall, type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { giveAway } from "./fakes/sandbox-room.ts"
import { fakeProgram } from "./fakes/stripped.ts"
import { type House, startHouse, TEST_TOKEN } from "./house.ts"

// biome-ignore lint/suspicious/noExplicitAny: what comes over a wire is looked at, not typed.
type Any = any

const root = join(import.meta.dirname, "..")
const FAKE = fakeProgram("mcp-server")
const reference = (name: string) => join(root, `node_modules/@modelcontextprotocol/server-${name}/dist/index.js`)
const fakeServer = (manner: string, more: object = {}) => ({
  ...{ command: process.execPath, args: [FAKE, manner], sandbox: "off" },
  ...more,
})
const YES = { agents: { defaults: { permissions: { mode: "approve-all" } } } }

interface Room {
  house: House
  fake: FakeModel
  client: GatewayClient
  results(): string[]
  turn(calls: FakeCall[], params?: Record<string, unknown>): Promise<Any>
  asked(): Promise<Any>
}

async function open(t: TestContext, mcpServers: object, config: Any = {}): Promise<Room> {
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const house = await startHouse({ fake: fake.url, config: { ...config, tools: { ...config.tools, mcpServers } } })
  giveAway(house.work)
  const client = await connectGateway({
    url: house.wsUrl,
    token: TEST_TOKEN,
    client: { id: "test", version: "0", platform: "test", mode: "cli" },
    caps: ["approvals"],
  })
  t.after(async () => {
    client.close()
    await house.close()
  })
  const questions: Any[] = []
  const ears: ((question: Any) => void)[] = []
  client.on("exec.approval.requested", (frame) => {
    const ear = ears.shift()
    if (ear) ear(frame.payload)
    else questions.push(frame.payload)
  })
  let session = 0
  return {
    ...{ house, fake, client },
    results() {
      const body: Any = fake.requests.at(-1)?.body
      return body.messages.filter((message: Any) => message.role === "tool").map((message: Any) => message.content)
    },
    async turn(calls, params = {}) {
      fake.script({ calls }, { text: "Done." })
      session += 1
      const said = { sessionKey: `s${session}`, message: "go", cwd: house.work, wait: true }
      return client.request("chat.send", { ...said, ...params })
    },
    asked: () =>
      new Promise((resolve) => {
        const question = questions.shift()
        if (question) resolve(question)
        else ears.push(resolve)
      }),
  }
}

test("the filesystem server: a human is asked under the house's name, the answer taints, and a denial counts for all of it", async (t) => {
  const room = await open(t, {})
  const { client, house } = room
  writeFileSync(join(house.work, "note.txt"), "喝茶")
  giveAway(house.work)
  const files = { command: process.execPath, args: [reference("filesystem"), house.work] }
  await client.request("config.set", { key: "tools.mcpServers.files", value: files })
  const read = { name: "mcp__files__read_text_file", args: { path: join(house.work, "note.txt") } }
  const running = room.turn([read], { sessionKey: "a" })
  const { id, tool } = await room.asked()
  assert.equal(tool, "mcp:files:read_text_file")
  await client.request("exec.approval.resolve", { id, decision: "allow-once" })
  assert.equal((await running).status, "ok")
  assert.match(room.results()[0]!, /喝茶/)
  const { records }: Any = await client.request("audit.list", { limit: 100, tool: "mcp:files:read_text_file" })
  assert.deepEqual(
    records.map((line: Any) => line.verdict ?? line.outcome),
    ["ask", "allow-once", "done"],
  )
  const messages = await house.parts.store.transcript.messages("agent:main:a")
  const marks = messages.flatMap((message) =>
    message.content.flatMap((part) => (part.type === "tool.result" ? (part.taint ?? []) : [])),
  )
  assert.deepEqual(
    marks.map(({ detail, source }) => [source, detail]),
    [["mcp", "mcp:files:read_text_file"]],
  )
  const denied = { permissions: { mode: "approve-all", deniedTools: ["mcp:files:*"] } }
  await room.turn([read], denied)
  assert.match(room.results()[0]!, /Denied: mcp:files:read_text_file is among the denied tools/)
})

test("the memory server keeps what one conversation told it for the next; a trusted one leaves no mark", async (t) => {
  const memory = { command: process.execPath, args: [reference("memory")], sandbox: "off", trusted: true }
  const room = await open(t, { memory: { ...memory, env: { MEMORY_FILE_PATH: "/dev/null/never" } } }, YES)
  const { client, house } = room
  const path = join(house.home, "memory.json")
  await client.request("config.set", { key: "tools.mcpServers.memory.env.MEMORY_FILE_PATH", value: path })
  const entities = [{ name: "Ann", entityType: "person", observations: ["likes 茶"] }]
  await room.turn([{ name: "mcp__memory__create_entities", args: { entities } }])
  await room.turn([{ name: "mcp__memory__search_nodes", args: { query: "Ann" } }], { sessionKey: "b" })
  assert.match(room.results()[0]!, /likes 茶/)
  assert.match(readFileSync(path, "utf8"), /Ann/)
  const messages = await house.parts.store.transcript.messages("agent:main:b")
  const results = messages.flatMap(({ content }) => content.filter((part) => part.type === "tool.result"))
  assert.equal(results.length, 1)
  assert.ok(results.every((part) => part.type === "tool.result" && part.taint === undefined))
})

test("the everything server asks the user something: the human at the desk answers, and the server gets that", async (t) => {
  const everything = { command: process.execPath, args: [reference("everything")], sandbox: "off" }
  const room = await open(t, { everything }, YES)
  const running = room.turn([{ name: "mcp__everything__trigger-elicitation-request", args: {} }])
  const { id, kind, question, summary } = await room.asked()
  assert.equal(kind, "question")
  assert.match(summary, /^MCP server "everything" asks: /)
  assert.ok(question.schema.properties.name)
  const answer = { name: "Ann", check: true }
  await room.client.request("exec.approval.resolve", { id, decision: "allow-once", answer })
  await running
  assert.match(room.results()[0]!, /Ann/)
  const none = await startHouseAlone(t, { everything })
  assert.match(none, /cancel|declin/i)
})

/** What the same tool gets where nobody can be asked. */
async function startHouseAlone(t: TestContext, mcpServers: object): Promise<string> {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: { ...YES, tools: { mcpServers } } })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  fake.script({ calls: [{ name: "mcp__everything__trigger-elicitation-request", args: {} }] }, { text: "Done." })
  const response = await fetch(`${house.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${TEST_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "pincer", messages: [{ role: "user", content: "go" }] }),
  })
  assert.equal(response.status, 200, await response.text())
  const body: Any = fake.requests.at(-1)?.body
  return body.messages.filter((message: Any) => message.role === "tool").map((message: Any) => message.content)[0]
}

test("a server gets no answer of the model by default; where the owner says so a human is asked first, and it is audited", async (t) => {
  const room = await open(t, { plain: fakeServer("samples"), asks: fakeServer("samples", { sampling: "ask" }) }, YES)
  await room.turn([{ name: "mcp__plain__turn", args: { text: "" } }])
  assert.match(room.results()[0]!, /Method not found|not support|sampling/i)
  const refused = room.turn([{ name: "mcp__asks__turn", args: { text: "" } }])
  const no = await room.asked()
  assert.match(no.summary, /wants an answer of the model fake\/test-model: user: What is 2 \+ 2\?/)
  await room.client.request("exec.approval.resolve", { id: no.id, decision: "deny" })
  await refused
  assert.match(room.results()[0]!, /did not agree/)
  room.fake.script({ calls: [{ name: "mcp__asks__turn", args: { text: "" } }] }, { text: "4" }, { text: "Done." })
  const said = { sessionKey: "sampled", message: "go", cwd: room.house.work, wait: true }
  const allowed = room.client.request("chat.send", said)
  const yes = await room.asked()
  await room.client.request("exec.approval.resolve", { id: yes.id, decision: "allow-once", answer: { agree: true } })
  await allowed
  assert.match(room.results()[0]!, /"text":"4"/)
  const { records }: Any = await room.client.request("audit.list", {
    limit: 100,
    tool: "mcp:asks:sampling/createMessage",
  })
  assert.deepEqual(
    records.map((line: Any) => line.outcome),
    ["refused", "done"],
  )
})

test("servers are added, changed and taken out while the gateway runs; the others keep running, and listeners hear of it", async (t) => {
  const room = await open(t, { keep: fakeServer("where") }, YES)
  const { client, house } = room
  const pid = async () => {
    await room.turn([{ name: "mcp__keep__turn", args: { text: "" } }])
    return JSON.parse(room.results()[0]!).pid as number
  }
  const before = await pid()
  const heard = new Promise((resolve) => client.on("mcp.changed", ({ payload }) => resolve(payload)))
  const file = JSON.parse(readFileSync(join(house.home, "pincer.json"), "utf8"))
  file.tools.mcpServers.more = fakeServer("well")
  writeFileSync(join(house.home, "pincer.json"), JSON.stringify(file))
  await client.request("config.reload", {})
  assert.deepEqual(await heard, {})
  await room.turn([{ name: "mcp__more__echo", args: { text: "here" } }])
  assert.equal(room.results()[0], "here")
  assert.equal(await pid(), before)
  await client.request("config.set", { key: "tools.mcpServers.more.tools.deny", value: ["e*"] })
  await room.turn([{ name: "mcp__more__echo", args: { text: "here" } }])
  assert.match(room.results()[0]!, /There is no tool "mcp__more__echo"/)
  await client.request("config.unset", { key: "tools.mcpServers.more" })
  const { servers }: Any = await client.request("mcp.status", {})
  assert.deepEqual(
    servers.map(({ name, state, tools }: Any) => [name, state, tools]),
    [["keep", "connected", 2]],
  )
  await assert.rejects(
    client.request("config.set", { key: "tools.mcpServers.bad", value: { command: "x", sandbox: "no-such" } }),
    /Unknown sandbox profile "no-such"/,
  )
  await assert.rejects(
    client.request("config.set", { key: "tools.mcpServers.a__b", value: { command: "x" } }),
    /must be a name of letters and digits/,
  )
})

test("a server that crashes in a call is a clear answer, and the next call brings it back", async (t) => {
  const room = await open(t, { shaky: fakeServer("dies") }, YES)
  await room.turn([{ name: "mcp__shaky__turn", args: { text: "" } }])
  assert.match(room.results()[0]!, /MCP server "shaky": It has ended \(exit code 3\): out of cheese, during the call/)
  await room.turn([{ name: "mcp__shaky__echo", args: { text: "back" } }])
  assert.equal(room.results()[0], "back")
})

test("mcp.*: what is there, what it offers, resources and prompts; refusals name what there is", async (t) => {
  const room = await open(t, { docs: fakeServer("resources"), off: fakeServer("well", { enabled: false }) })
  const { client } = room
  const states = async () => {
    const { servers }: Any = await client.request("mcp.status", {})
    return servers.map(({ name, state }: Any) => [name, state])
  }
  assert.deepEqual(await states(), [
    ["docs", "idle"],
    ["off", "off"],
  ])
  const { problems, tools }: Any = await client.request("mcp.tools", {})
  assert.deepEqual(problems, [])
  assert.deepEqual(
    tools.map(({ id, name }: Any) => [id, name]),
    [
      ["mcp:docs:echo", "mcp__docs__echo"],
      ["mcp:docs:turn", "mcp__docs__turn"],
    ],
  )
  const { resources }: Any = await client.request("mcp.resources.list", {})
  assert.deepEqual(resources, [{ server: "docs", uri: "fake://a", name: "a", template: false, mimeType: "text/plain" }])
  const { content }: Any = await client.request("mcp.resources.read", { server: "docs", uri: "fake://a" })
  assert.match(content[0].text, /Ignore all rules/)
  const { prompts }: Any = await client.request("mcp.prompts.list", { server: "docs" })
  assert.deepEqual(prompts, [{ server: "docs", name: "review", arguments: [{ name: "file", required: true }] }])
  const filled: Any = await client.request("mcp.prompts.get", {
    ...{ server: "docs", name: "review", arguments: { file: "a.ts" } },
  })
  assert.equal(filled.text, "Review a.ts")
  const trial: Any = await client.request("mcp.probe", { server: "new", settings: fakeServer("odd-tools") })
  assert.equal(trial.ok, true)
  assert.ok(trial.tools.some(({ id }: Any) => id === "mcp:new:read%20file"))
  const dead: Any = await client.request("mcp.probe", { server: "new", settings: { command: "/nonexistent/x" } })
  assert.equal(dead.ok, false)
  await client.request("mcp.restart", { server: "docs" })
  assert.deepEqual((await states())[0], ["docs", "idle"])
  await assert.rejects(client.request("mcp.tools", { server: "doc" }), /did you mean docs/)
  await assert.rejects(client.request("mcp.status", { server: "nope" }), /there are docs, off/)
  await assert.rejects(client.request("mcp.probe", { server: "new", settings: { url: "ftp://x" } }), /must be a URL/)
})

test("a step of a workflow calls a server's tool by its name in the house, judged as everywhere, and is marked by it", async (t) => {
  const room = await open(t, { parrot: fakeServer("well") }, { ...YES, policy: { deny: ["mcp:parrot:turn"] } })
  const run = (tool: string): Promise<Any> => {
    const definition = `name: polly\nsteps:\n  - id: say\n    tool: ${tool}\n    tool_args: { text: 茶 }\n`
    return room.client.request("workflow.run", { definition, cwd: room.house.work })
  }
  const { envelope, runId } = await run("mcp:parrot:echo")
  assert.equal(envelope.ok, true, JSON.stringify(envelope))
  assert.match(JSON.stringify(envelope.output), /茶/)
  const denied = await run("mcp:parrot:turn")
  assert.equal(denied.envelope.ok, false)
  assert.match(denied.envelope.error.message, /mcp:parrot:turn is denied by policy/)
  const { records }: Any = await room.client.request("audit.list", { limit: 10, tool: "mcp:parrot:echo" })
  assert.deepEqual(
    records.map((line: Any) => [line.turnId, line.verdict ?? line.outcome]),
    [
      [runId, "allow"],
      [runId, "done"],
    ],
  )
})

test("listings of tools show those of servers once they are known; agents that name tools have those that they name", async (t) => {
  const some = { agents: { ...YES.agents, entries: { small: { tools: ["Read", "mcp:parrot:e*"] } } } }
  const room = await open(t, { parrot: fakeServer("well") }, some)
  const names = async (params: Record<string, unknown>): Promise<string[]> => {
    const { tools }: Any = await room.client.request("tools.list", params)
    return tools.map(({ name }: Any) => name).filter((name: string) => name.startsWith("mcp:"))
  }
  assert.deepEqual(await names({}), [])
  await room.client.request("mcp.tools", {})
  assert.deepEqual(await names({}), ["mcp:parrot:echo", "mcp:parrot:turn"])
  assert.deepEqual(await names({ agentId: "small" }), ["mcp:parrot:echo"])
  const call = { name: "mcp__parrot__turn", args: { text: "" } }
  await room.turn([call], { sessionKey: "agent:small:a" })
  assert.match(
    room.results()[0]!,
    /There is no tool "mcp__parrot__turn". Tools: Read, mcp:parrot:echo|mcp:parrot:echo, Read/,
  )
})

test("the name of a secret is written down, its value reaches the server and nobody else", async (t) => {
  const room = await open(t, {
    secret: { command: process.execPath, args: [FAKE, "wellenv"], sandbox: "off", env: { KEY: { env: "NOT_SET" } } },
  })
  const { servers }: Any = await room.client.request("mcp.status", {})
  assert.equal(servers[0].state, "idle")
  const { problems }: Any = await room.client.request("mcp.tools", {})
  assert.match(problems[0].message, /tools\.mcpServers\.secret\.env\.KEY: the environment variable NOT_SET is not set/)
})

test("nothing of MCP is loaded by a start, whether servers are configured or not", async (t) => {
  const house = await startHouse({ config: { tools: { mcpServers: { one: fakeServer("well") } } } })
  await house.stop()
  t.after(() => house.close())
  const script = `
    import { registerHooks } from "node:module"
    const loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    const { openGateway } = await import(${JSON.stringify(join(root, "src/gateway/compose.ts"))})
    const home = ${JSON.stringify(house.home)}
    const gateway = await openGateway({ env: { PATH: process.env.PATH, HOME: home, PINCER_HOME: home } })
    console.log(JSON.stringify(loaded.filter((url) => /modelcontextprotocol|tools\\/mcp\\/|mcp-offer|mcp-sampling|http\\/mcp/.test(url))))
    await gateway.close(0)
    process.exit(0)`
  mkdirSync(join(house.home, "x"), { recursive: true })
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script])
  assert.deepEqual(JSON.parse(stdout), [])
})

// Pincer as an MCP server, met by the official client: over HTTP at /mcp and over standard input and output.
import assert from "node:assert/strict"
import { once } from "node:events"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio"
import { tokenHash } from "../src/gateway/auth.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { giveAway } from "./fakes/sandbox-room.ts"
import { type House, NO_SANDBOX, startHouse, TEST_TOKEN } from "./house.ts"

// biome-ignore lint/suspicious/noExplicitAny: what comes over a wire is looked at, not typed.
type Any = any

const root = join(import.meta.dirname, "..")

async function open(t: TestContext, config: Record<string, unknown> = {}): Promise<{ fake: FakeModel; house: House }> {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config })
  giveAway(house.work)
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  return { fake, house }
}

async function connect(t: TestContext, house: House, token = TEST_TOKEN) {
  const client = new Client({ name: "official", version: "1" })
  const requestInit = { headers: { authorization: `Bearer ${token}` } }
  const transport = new StreamableHTTPClientTransport(new URL(`${house.url}/mcp`), { requestInit })
  await client.connect(transport)
  t.after(() => client.close())
  return { client, transport }
}

function post(house: House, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${house.url}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${TEST_TOKEN}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      ...headers,
    },
    body: JSON.stringify(body),
  })
}

const HELLO = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
}

function textOf(result: Any): string {
  return result.content.map((part: Any) => part.text).join("\n")
}

test("the official client talks to an agent over HTTP, with progress, and reads conversations", async (t) => {
  const { fake, house } = await open(t)
  const { client, transport } = await connect(t, house)
  assert.equal(client.getServerVersion()?.name, "pincer")
  const { tools } = await client.listTools()
  assert.deepEqual(
    tools.map(({ name }) => name),
    ["sessions_list", "session_read", "message_send", "run_wait", "run_stop"],
  )
  const progress: unknown[] = []
  const heard = Promise.withResolvers<void>()
  fake.script({ text: "Hello from the fake model.", gate: heard.promise })
  const said: Any = await client.callTool(
    { name: "message_send", arguments: { message: "你好" } },
    {
      onprogress({ message }) {
        progress.push(message)
        heard.resolve()
      },
    },
  )
  assert.equal(textOf(said), "Hello from the fake model.")
  assert.equal(progress[0], "Hello")
  const { session, status } = said.structuredContent
  assert.equal(status, "completed")
  assert.match(session, /^agent:main:mcp:[0-9a-f]{12}$/)
  const again: Any = await client.callTool({ name: "message_send", arguments: { message: "more" } })
  assert.equal(again.structuredContent.session, session, "the conversation goes on")
  const list: Any = await client.callTool({ name: "sessions_list", arguments: { search: "你好" } })
  assert.deepEqual(
    list.structuredContent.sessions.map((row: Any) => row.session),
    [session],
  )
  const read: Any = await client.callTool({ name: "session_read", arguments: { session, limit: 2 } })
  assert.deepEqual(
    read.structuredContent.messages.map(({ role, text }: Any) => [role, text]),
    [
      ["user", "more"],
      ["assistant", "Hello from the fake model."],
    ],
  )
  const record = await house.parts.store.turns.get(said.structuredContent.runId)
  assert.deepEqual([record?.request.origin.door, record?.request.origin.clientId], ["mcp", "mcp official"])
  const unknown: Any = await client.callTool({ name: "session_read", arguments: { session: "nope" } })
  assert.match(textOf(unknown), /NOT_FOUND: Unknown session "agent:main:nope"/)
  const wrong: Any = await client.callTool({ name: "message_send", arguments: { message: "" } })
  assert.equal(wrong.isError, true)
  await transport.terminateSession()
})

test("tools of the house are offered only where the owner chose them, and policy judges each call", async (t) => {
  const { house } = await open(t, { ...NO_SANDBOX, mcpServe: { tools: ["Read", "LS"] }, policy: { deny: ["LS"] } })
  const { client } = await connect(t, house)
  const names = (await client.listTools()).tools.map(({ name }) => name)
  assert.deepEqual(names.slice(5), ["Read", "LS"])
  const call = (name: string, args: Record<string, unknown>): Promise<Any> => client.callTool({ name, arguments: args })
  assert.match(textOf(await call("Bash", { command: "id" })), /No tool "Bash" is offered: mcpServe.tools/)
  const denied = await call("LS", { path: "." })
  assert.equal(denied.isError, true)
  assert.match(textOf(denied), /denied by policy/)
  const asked = await call("Read", { path: join(house.home, "pincer.json") })
  assert.match(textOf(asked), /A human must allow this call first/)
  const { approvalId, runId } = asked.structuredContent
  const waiting = call("run_wait", { run_id: runId })
  await fetch(`${house.url}/api/approvals/${approvalId}`, {
    method: "POST",
    headers: { authorization: `Bearer ${TEST_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ decision: "allow-once" }),
  })
  assert.match(textOf(await waiting), /"mcpServe"/)
})

test("an answer that takes longer is waited for again; a call that is given up stops its run", async (t) => {
  const { fake, house } = await open(t)
  const { client } = await connect(t, house)
  const gate = Promise.withResolvers<void>()
  fake.script({ text: "Late.", gate: gate.promise })
  const first: Any = await client.callTool({ name: "message_send", arguments: { message: "slow", wait_seconds: 0 } })
  const { runId, status } = first.structuredContent
  assert.equal(status, "running")
  assert.match(textOf(first), new RegExp(`run_wait with run_id "${runId}"`))
  const waiting = client.callTool({ name: "run_wait", arguments: { run_id: runId } })
  gate.resolve()
  assert.equal(textOf(await waiting), "Late.")
  fake.script({ text: "Never.", gate: new Promise(() => undefined) })
  const stop = new AbortController()
  const ended = new Promise<string>((resolve) => {
    const silence = house.parts.hub.onAll(({ event }) => {
      if (event.type !== "turn.ended") return
      silence()
      resolve(event.outcome.status)
    })
  })
  const begun = new Promise<void>((resolve) => {
    const silence = house.parts.hub.onAll(({ event }) => {
      if (event.type !== "turn.started") return
      silence()
      resolve()
    })
  })
  const given = client.callTool({ name: "message_send", arguments: { message: "x" } }, { signal: stop.signal })
  given.catch(() => undefined)
  await begun
  stop.abort()
  await assert.rejects(given)
  assert.equal(await ended, "canceled")
})

test("nobody comes in without the token, with a foreign Origin, or through another's session; and it can be switched off", async (t) => {
  const { house } = await open(t)
  assert.equal((await post(house, HELLO, { authorization: "Bearer wrong" })).status, 401)
  assert.equal((await post(house, HELLO, { origin: "https://evil.example" })).status, 403)
  assert.equal((await post(house, HELLO, { "content-type": "text/plain" })).status, 415)
  const opened = await post(house, HELLO)
  const id = opened.headers.get("mcp-session-id")
  assert.equal(opened.status, 200)
  assert.ok(id)
  await opened.text()
  const list = { jsonrpc: "2.0", id: 2, method: "tools/list" }
  assert.equal((await post(house, list, { "mcp-session-id": "made-up" })).status, 404)
  assert.equal((await post(house, list, { "mcp-session-id": id })).status, 200)
  const over = await fetch(`${house.url}/mcp`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${TEST_TOKEN}`, "mcp-session-id": id },
  })
  assert.equal(over.status, 200)
  assert.equal((await post(house, list, { "mcp-session-id": id })).status, 404)
  assert.equal((await post(house, list)).status, 400, "what opens no session is refused")
  const { house: shut } = await open(t, { mcpServe: { enabled: false } })
  const refused = await post(shut, HELLO)
  assert.equal(refused.status, 404)
  assert.match(await refused.text(), /mcpServe.enabled/)
})

test("a device comes in with its own rights: it reads, may not send, and finds no session of another", async (t) => {
  const { house } = await open(t)
  const scopes = ["operator.read"] as const
  const device = { deviceId: "reader", publicKey: "x", clientId: "phone", role: "operator", scopes: [...scopes] }
  await house.parts.store.devices.admit(device, "operator")
  await house.parts.store.devices.setToken("reader", "operator", tokenHash("readers-token"), [...scopes])
  const { client } = await connect(t, house, "readers-token")
  const call = (name: string, args: Record<string, unknown>): Promise<Any> => client.callTool({ name, arguments: args })
  assert.equal((await call("sessions_list", {})).isError, undefined)
  assert.match(textOf(await call("message_send", { message: "x" })), /PERMISSION_DENIED: missing scope: operator.write/)
  assert.match(textOf(await call("run_stop", {})), /PERMISSION_DENIED/)
  const opened = await post(house, HELLO)
  const id = opened.headers.get("mcp-session-id") ?? ""
  await opened.text()
  const list = { jsonrpc: "2.0", id: 2, method: "tools/list" }
  const stolen = { authorization: "Bearer readers-token", "mcp-session-id": id }
  assert.equal((await post(house, list, stolen)).status, 404)
})

test("pincer mcp serve: the official client over standard input and output; its end leaves nothing", async (t) => {
  const { fake, house } = await open(t)
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [join(root, "src/cli/main.ts"), "mcp", "serve", "--server", house.wsUrl, "--token", TEST_TOKEN],
    env: { PATH: process.env["PATH"] ?? "", HOME: house.home, PINCER_HOME: house.home },
    stderr: "pipe",
  })
  const client = new Client({ name: "desktop", version: "1" })
  t.after(() => client.close())
  await client.connect(transport)
  const steps: unknown[] = []
  const told = Promise.withResolvers<void>()
  fake.script({ text: "Hello from the fake model.", gate: told.promise })
  const said: Any = await client.callTool(
    { name: "message_send", arguments: { message: "hello" } },
    {
      onprogress({ message }) {
        steps.push(message)
        told.resolve()
      },
    },
  )
  assert.equal(textOf(said), "Hello from the fake model.")
  assert.equal(steps[0], "Hello")
  assert.equal((await client.listTools()).tools.length, 5)
  await client.close()
})

test("pincer mcp serve answers what it cannot pass on, and takes nothing that is no JSON", async (t) => {
  const { house } = await open(t)
  const { spawn } = await import("node:child_process")
  const words = ["mcp", "serve", "--server", house.wsUrl, "--token", TEST_TOKEN]
  const child = spawn(process.execPath, [join(root, "src/cli/main.ts"), ...words], {
    env: { PATH: process.env["PATH"] ?? "", HOME: house.home, PINCER_HOME: house.home },
  })
  t.after(() => child.kill("SIGKILL"))
  const lines: Any[] = []
  let rest = ""
  const line = () =>
    new Promise<Any>((resolve) => {
      const look = (chunk?: Buffer) => {
        rest += chunk?.toString("utf8") ?? ""
        const parts = rest.split("\n")
        rest = parts.pop() ?? ""
        lines.push(...parts.map((one) => JSON.parse(one)))
        const first = lines.shift()
        if (first === undefined) return
        child.stdout.off("data", look)
        resolve(first)
      }
      child.stdout.on("data", look)
      look()
    })
  child.stdin.write("no json\n")
  assert.equal((await line()).error.code, -32_700)
  child.stdin.write(`${JSON.stringify(HELLO)}\n`)
  assert.equal((await line()).result.serverInfo.name, "pincer")
  await house.stop()
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/list" })}\n`)
  const lost = await line()
  assert.equal(lost.id, 2)
  assert.match(lost.error.message, /The gateway cannot be reached/)
  child.stdin.end()
  assert.deepEqual((await once(child, "exit"))[0], 0)
})

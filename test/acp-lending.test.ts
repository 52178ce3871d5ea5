// What an editor lends to its turns: its files with their unsaved changes, its terminals, its ear for questions, MCP servers of the session.
import assert from "node:assert/strict"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import type { GatewayPort } from "../src/acp/bridge/port.ts"
import { type Editor, type EditorOptions, openEditor, openSession } from "./fakes/acp-editor.ts"
import { startFakeModel } from "./fakes/model-service.ts"
import { NO_SANDBOX, startHouse } from "./house.ts"

async function openRoom(t: TestContext) {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
  const editors: Editor[] = []
  t.after(async () => {
    try {
      for (const editor of editors) await editor.close()
    } finally {
      await house.close()
      await fake.close()
    }
  })
  const open = async (options?: EditorOptions) => {
    const editor = await openEditor(house, options)
    editors.push(editor)
    return editor
  }
  return { fake, house, open }
}

test("MCP servers of a session: those that work lend tools, the others are told of once; none that works is an error", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  const broken = { name: "broken", command: "/nonexistent/server", args: [], env: [] }
  await assert.rejects(openSession(editor, house, { mcpServers: [broken] }), (error: { message: string }) => {
    assert.match(error.message, /broken/)
    return true
  })
  const everything = join(
    import.meta.dirname,
    "..",
    "node_modules",
    "@modelcontextprotocol",
    "server-everything",
    "dist",
    "index.js",
  )
  const works = { name: "works", command: process.execPath, args: [everything, "stdio"], env: [] }
  const sessionId = await openSession(editor, house, { mcpServers: [works, broken] })
  await editor.until(({ params }) => JSON.stringify(params ?? {}).includes("cannot be used"))
  assert.match(editor.text(), /"broken" cannot be used/)
  assert.ok(sessionId)
})

test("a server of a kind that nobody knows is refused by its name", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  editor.raw(
    JSON.stringify({
      jsonrpc: "2.0",
      id: "s",
      method: "session/new",
      params: { cwd: house.work, mcpServers: [{ type: "carrier-pigeon", name: "bird" }] },
    }),
  )
  const refused = await editor.until(({ id }) => id === "s")
  assert.match((refused["error"] as { message: string }).message, /bird/)
})

/** A gateway that asks of its client what the test wants, and keeps what it was told. */
function askingGateway() {
  const listeners = new Map<string, (frame: { payload?: unknown }) => void>()
  const answers = new Map<string, (answer: Record<string, unknown>) => void>()
  let lender: unknown
  const port: GatewayPort = {
    closed: new Promise(() => undefined),
    on(event, listener) {
      listeners.set(event, listener)
      return () => void listeners.delete(event)
    },
    async request<T>(method: string, params: Record<string, unknown> = {}): Promise<T> {
      if (method === "client.lend") lender = params["lender"]
      if (method === "client.answer") answers.get(String(params["id"]))?.(params)
      const known: Record<string, unknown> = {
        "agents.list": { defaultId: "main", agents: [] },
        "models.list": { models: [] },
        "sessions.get": { session: {} },
      }
      return (known[method] ?? {}) as T
    },
  }
  return {
    port,
    ask(id: string, what: string, params: unknown) {
      const answer = new Promise<Record<string, unknown>>((resolve) => answers.set(id, resolve))
      listeners.get("client.asked")!({ payload: { id, lender, sessionKey: "k", what, params } })
      return answer
    },
    withdraw: (id: string) => listeners.get("client.withdrawn")!({ payload: { id } }),
  }
}

test("what the gateway asks of the client becomes the client's own methods, and its answers go back", async (t) => {
  const { house, open } = await openRoom(t)
  const gateway = askingGateway()
  const asked: [string, Record<string, unknown>][] = []
  const editor = await open({
    port: gateway.port,
    capabilities: {
      fs: { readTextFile: true, writeTextFile: true },
      terminal: true,
      elicitation: { form: {}, url: {} },
    },
    serve(method, params) {
      asked.push([method, params])
      switch (method) {
        case "fs/read_text_file":
          return { content: "unsaved" }
        case "terminal/create":
          return { terminalId: "t-1" }
        case "terminal/output":
          return { output: "out", truncated: true, exitStatus: { exitCode: null, signal: "SIGKILL" } }
        case "terminal/wait_for_exit":
          return { exitCode: 3 }
        case "elicitation/create":
          return { action: "accept", content: { colour: "red" } }
        default:
          return {}
      }
    },
  })
  const sessionId = await openSession(editor, house)
  const answers: [string, unknown, unknown][] = [
    ["readText", { path: "/w/a.txt" }, { text: "unsaved" }],
    ["writeText", { path: "/w/a.txt", text: "new" }, {}],
    [
      "terminal.create",
      { command: "make", args: ["-k"], env: { A: "b" }, cwd: "/w", outputByteLimit: 10 },
      { terminalId: "t-1" },
    ],
    ["terminal.output", { terminalId: "t-1" }, { output: "out", truncated: true, exitCode: null, signal: "SIGKILL" }],
    ["terminal.wait", { terminalId: "t-1" }, { exitCode: 3, signal: null }],
    ["terminal.kill", { terminalId: "t-1" }, {}],
    ["terminal.release", { terminalId: "t-1" }, {}],
    [
      "question",
      {
        question: {
          type: "form",
          message: "Which?",
          schema: { type: "object", properties: { colour: { type: "string" } } },
        },
      },
      { answer: { type: "accepted", content: { colour: "red" } } },
    ],
    [
      "question",
      { question: { type: "url", message: "Log in", url: "https://a.example", elicitationId: "e", callId: "c" } },
      { answer: { type: "accepted", content: { colour: "red" } } },
    ],
  ]
  for (const [i, [what, params, result]] of answers.entries())
    assert.deepEqual(await gateway.ask(String(i), what, params), { id: String(i), result })
  assert.ok(asked.every(([, params]) => params["sessionId"] === sessionId))
  assert.deepEqual(asked[2]![1]["env"], [{ name: "A", value: "b" }])
  assert.equal(asked.at(-1)![1]["toolCallId"], "c")
})

test("what the client cannot do is answered with its words; what nobody waits for is withdrawn from it", async (t) => {
  const { house, open } = await openRoom(t)
  const gateway = askingGateway()
  const editor = await open({
    port: gateway.port,
    capabilities: { fs: { readTextFile: true, writeTextFile: false } },
    serve(_method, params) {
      if (params["path"] === "/slow") return new Promise(() => undefined)
      throw new Error("no such buffer")
    },
  })
  await openSession(editor, house)
  const { error } = await gateway.ask("1", "readText", { path: "/none" })
  assert.match((error as { message: string }).message, /./)
  void gateway.ask("2", "readText", { path: "/slow" })
  await editor.until(
    ({ method, params }) => method === "fs/read_text_file" && (params as { path: string }).path === "/slow",
  )
  gateway.withdraw("2")
  await editor.until(({ method }) => method === "$/cancel_request")
})

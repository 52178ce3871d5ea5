// The bridge against the official SDK's client and a whole gateway: every method of ACP v1, each frame held against the schema.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { choose, type Editor, type EditorOptions, openEditor, openSession, say } from "./fakes/acp-editor.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

interface Room {
  house: House
  fake: FakeModel
  open(options?: EditorOptions): Promise<Editor>
}

async function openRoom(t: TestContext, config: Record<string, unknown> = {}): Promise<Room> {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: { ...NO_SANDBOX, ...config } })
  const editors: Editor[] = []
  t.after(async () => {
    try {
      for (const editor of editors) await editor.close()
    } finally {
      await house.close()
      await fake.close()
    }
  })
  return {
    house,
    fake,
    async open(options) {
      const editor = await openEditor(house, options)
      editors.push(editor)
      return editor
    },
  }
}

test("initialize announces what there is, and answers version 1", async (t) => {
  const { open } = await openRoom(t)
  const editor = await open({ protocolVersion: 2 })
  const answer = editor.frames.find(({ from }) => from === "agent")?.message["result"] as Record<string, unknown>
  assert.equal(answer["protocolVersion"], 1)
  assert.deepEqual(answer["agentCapabilities"], {
    loadSession: true,
    promptCapabilities: { image: true, audio: true, embeddedContext: true },
    mcpCapabilities: { http: true, sse: true },
    sessionCapabilities: { list: {}, resume: {}, close: {}, delete: {}, additionalDirectories: {}, fork: {} },
    auth: { logout: {} },
  })
})

test("a prompt streams words and thoughts, and ends with a stop reason and its usage", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  assert.match(sessionId, /^agent:main:acp:[0-9a-f-]{36}$/)
  fake.script({ thinking: "I wonder.", text: "Hello there, how are you?" })
  const answer = await say(editor, sessionId, "hi")
  assert.equal(answer["stopReason"], "end_turn")
  assert.ok((answer["usage"] as { totalTokens: number }).totalTokens > 0)
  assert.equal(editor.text(), "Hello there, how are you?")
  assert.ok(editor.of("agent_message_chunk").length > 1, "it came in pieces")
  const thoughts = editor.of("agent_thought_chunk").map((one) => (one["content"] as { text: string }).text)
  assert.equal(thoughts.join(""), "I wonder.")
  assert.equal(editor.of("user_message_chunk").length, 0, "who said it need not hear it")
  const order = editor.frames.findIndex(({ message }) => message["id"] !== undefined && "result" in message)
  assert.ok(order >= 0)
})

test("commands, modes and options are told right after session/new", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  const answer = await editor.request("session/new", { cwd: house.work, mcpServers: [] })
  assert.equal((answer["modes"] as { currentModeId: string }).currentModeId, "adaptive")
  const ids = (answer["configOptions"] as { id: string }[]).map(({ id }) => id)
  assert.deepEqual(ids.slice(0, 3), ["model", "thought_level", "permission_preset"])
  await editor.until(
    ({ params }) =>
      (params as { update?: { sessionUpdate?: string } })?.update?.sessionUpdate === "available_commands_update",
  )
  const frames = editor.frames.map(({ message }) => message)
  const answered = frames.findIndex((one) => (one["result"] as { sessionId?: string })?.sessionId !== undefined)
  const told = frames.findIndex((one) => one["method"] === "session/update")
  assert.ok(told > answered, "updates for a session follow its id")
})

test("allowed once, a command runs; denied, it does not", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const answers = ["allow-once", "deny"]
  const asked: Record<string, unknown>[] = []
  const editor = await open({
    serve(method, params) {
      assert.equal(method, "session/request_permission")
      asked.push(params)
      return choose(answers.shift()!)
    },
  })
  const sessionId = await openSession(editor, house)
  fake.script({ calls: [{ name: "Bash", args: { command: "echo one > one.txt" } }] }, { text: "Done." })
  assert.equal((await say(editor, sessionId, "go"))["stopReason"], "end_turn")
  assert.equal(readFileSync(join(house.work, "one.txt"), "utf8"), "one\n")
  const kinds = (asked[0]!["options"] as { kind: string }[]).map(({ kind }) => kind)
  assert.equal(kinds[0], "allow_once")
  assert.equal(kinds.at(-1), "reject_once")
  const statuses = [...editor.of("tool_call"), ...editor.of("tool_call_update")].map((one) => one["status"])
  assert.deepEqual(
    statuses.filter((status) => status !== undefined),
    ["pending", "in_progress", "completed"],
  )
  fake.script({ calls: [{ name: "Bash", args: { command: "echo two > two.txt" } }] }, { text: "Well." })
  assert.equal((await say(editor, sessionId, "again"))["stopReason"], "end_turn")
  assert.throws(() => readFileSync(join(house.work, "two.txt")))
  assert.equal(editor.of("tool_call_update").at(-1)?.["status"], "failed")
})

test("an approval that somebody else answers is withdrawn from the client, and the call goes on", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open({ serve: () => new Promise(() => undefined) })
  const sessionId = await openSession(editor, house)
  fake.script({ calls: [{ name: "Bash", args: { command: "echo hi" } }] }, { text: "Done." })
  const said = say(editor, sessionId, "go")
  await editor.until(({ method }) => method === "session/request_permission")
  const [waiting] = (await editor.gateway.request("exec.approval.list")) as { id: string }[]
  await editor.gateway.request("exec.approval.resolve", { id: waiting!.id, decision: "allow-once" })
  assert.equal((await said)["stopReason"], "end_turn")
  assert.ok(editor.frames.some(({ message }) => message["method"] === "$/cancel_request"))
})

test("session/load tells all of it again: words, thoughts, calls and results", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open({ serve: () => choose("allow-once") })
  const sessionId = await openSession(editor, house)
  fake.script(
    { thinking: "Let me look.", calls: [{ name: "Bash", args: { command: "echo hi" } }] },
    { text: "It says hi." },
  )
  await editor.request("session/prompt", {
    sessionId,
    prompt: [
      { type: "text", text: "look" },
      { type: "resource_link", uri: "file:///a.txt", name: "a.txt" },
      { type: "resource", resource: { uri: "file:///b.txt", text: "b" } },
    ],
  })
  const other = await open()
  await other.request("session/load", { sessionId, cwd: house.work, mcpServers: [] })
  const kinds = other.updates.map(({ update }) => update.sessionUpdate)
  assert.deepEqual(kinds.slice(0, 3), ["user_message_chunk", "user_message_chunk", "user_message_chunk"])
  assert.equal((other.of("user_message_chunk")[1]!["content"] as { type: string }).type, "resource_link")
  assert.equal((other.of("user_message_chunk")[2]!["content"] as { type: string }).type, "resource")
  assert.equal(other.of("agent_thought_chunk").length, 1)
  assert.equal(other.text(), "It says hi.")
  assert.equal(other.of("tool_call_update").at(-1)?.["status"], "completed")
  assert.equal(other.of("session_info_update").length, 1)
  for (const kind of ["available_commands_update", "current_mode_update", "config_option_update"] as const)
    assert.equal(other.of(kind).length, 1, kind)
})

test("images, sound and blobs come back as they were said", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  fake.script({ text: "Nice." })
  const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
  const prompt = [
    { type: "text", text: "look" },
    { type: "image", data: png, mimeType: "image/png" },
    { type: "audio", data: "UklGRg==", mimeType: "audio/wav" },
    { type: "resource", resource: { uri: "file:///a.bin", mimeType: "application/x-thing", blob: "AAEC" } },
    { type: "resource_link", uri: "file:///b.txt", name: "b.txt", title: "B", size: 3 },
  ]
  await editor.request("session/prompt", { sessionId, prompt })
  const other = await open()
  await other.request("session/load", { sessionId, cwd: house.work, mcpServers: [] })
  assert.deepEqual(
    other.of("user_message_chunk").map(({ content }) => content),
    prompt,
  )
})

test("what is asked for in _meta reaches the turn; where a prompt came from is told on request", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open({ settings: { provenance: "meta+receipt" } })
  const sessionId = await openSession(editor, house)
  const { _meta } = await say(editor, sessionId, "hi", {
    _meta: { thinking: "high", timeoutMs: 60_000, deliver: true },
  })
  const turn = await house.parts.store.turns.get((_meta as { runId: string }).runId)
  assert.equal(turn?.request.sampling?.thinking, "high")
  assert.equal(turn?.request.limits?.maxTimeMs, 60_000)
  assert.equal(turn?.request.cwd, house.work)
  const asked = JSON.stringify(fake.requests.at(-1)!.body)
  assert.match(asked, /came over ACP from test-editor 1\.0/)
  assert.match(asked, /Where this came from/)
  await assert.rejects(say(editor, sessionId, "hi", { _meta: { thinking: "fierce" } }), { code: -32602 })
})

test("resume tells nothing again; unknown sessions are not found; a relative folder is refused", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  await say(editor, sessionId, "hi")
  const other = await open()
  await other.request("session/resume", { sessionId, cwd: house.work })
  assert.equal(other.text(), "")
  await assert.rejects(
    other.request("session/load", { sessionId: "agent:main:acp:none", cwd: house.work, mcpServers: [] }),
    {
      code: -32002,
    },
  )
  await assert.rejects(say(other, "agent:main:acp:none", "hi"), { code: -32002 })
  await assert.rejects(other.request("session/new", { cwd: "work", mcpServers: [] }), { code: -32602 })
  other.raw(JSON.stringify({ jsonrpc: "2.0", id: "x", method: "session/frobnicate" }))
  const unknown = await other.until(({ id }) => id === "x")
  assert.equal((unknown["error"] as { code: number }).code, -32601)
})

test("session/fork begins a session with what was said in another, and leaves that as it is", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const from = await openSession(editor, house)
  fake.script({ text: "First." })
  await say(editor, from, "one")
  const { sessionId } = await editor.request("session/fork", { sessionId: from, cwd: house.work, mcpServers: [] })
  assert.notEqual(sessionId, from)
  fake.script({ text: "Second." })
  await say(editor, String(sessionId), "two")
  assert.equal((fake.requests.at(-1)!.body["messages"] as unknown[]).length >= 4, true)
  const other = await open()
  await other.request("session/load", { sessionId: from, cwd: house.work, mcpServers: [] })
  assert.equal(other.text(), "First.")
  const third = await open()
  await third.request("session/load", { sessionId, cwd: house.work, mcpServers: [] })
  assert.equal(third.text(), "First.Second.")
})

test("session/list pages with a cursor, by folder; close and delete let go", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  const ids: string[] = []
  for (let i = 0; i < 3; i++) {
    const id = await openSession(editor, house)
    await say(editor, id, "hi")
    ids.unshift(id)
  }
  const first = await editor.request("session/list", { cwd: house.work, _meta: { limit: 2 } })
  const rows = first["sessions"] as { sessionId: string; cwd: string }[]
  assert.deepEqual(
    rows.map(({ sessionId }) => sessionId),
    ids.slice(0, 2),
  )
  const second = await editor.request("session/list", {
    cwd: house.work,
    cursor: first["nextCursor"],
    _meta: { limit: 2 },
  })
  assert.deepEqual((second["sessions"] as { sessionId: string }[])[0]?.sessionId, ids[2])
  assert.equal(second["nextCursor"], undefined)
  await assert.rejects(editor.request("session/list", { cursor: "bm9uc2Vuc2U" }), { code: -32602 })
  await assert.rejects(editor.request("session/list", { cursor: first["nextCursor"] }), { code: -32602 })
  assert.deepEqual((await editor.request("session/list", { cwd: "/nowhere" }))["sessions"], [])
  await editor.request("session/close", { sessionId: ids[0] })
  await assert.rejects(say(editor, ids[0]!, "hi"), { code: -32002 })
  await editor.request("session/delete", { sessionId: ids[0] })
  await editor.request("session/delete", { sessionId: ids[0] })
  assert.equal(((await editor.request("session/list", {}))["sessions"] as unknown[]).length, 2)
})

test("modes and options are kept by the gateway, and told when another client changes them", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  await editor.request("session/set_mode", { sessionId, modeId: "high" })
  await assert.rejects(editor.request("session/set_mode", { sessionId, modeId: "fierce" }), { code: -32602 })
  const answer = await editor.request("session/set_config_option", {
    sessionId,
    configId: "permission_preset",
    value: "safe-readonly",
  })
  const value = (id: string) =>
    (answer["configOptions"] as { id: string; currentValue: string }[]).find((one) => one.id === id)?.currentValue
  assert.equal(value("thought_level"), "high")
  assert.equal(value("permission_preset"), "safe-readonly")
  await editor.request("session/set_config_option", { sessionId, configId: "model", value: "fake/test-model" })
  await editor.until(
    ({ params }) => (params as { update?: { currentModeId?: string } })?.update?.currentModeId === "high",
  )
  await editor.gateway.request("sessions.patch", { key: sessionId, thinkingLevel: "low" })
  await editor.until(
    ({ params }) => (params as { update?: { currentModeId?: string } })?.update?.currentModeId === "low",
  )
})

test("slash commands are carried out without a model", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  for (const command of ["/help", "/status", "/whoami", "/usage", "/think low", "/model", "/permissions", "/elevated"])
    assert.equal((await say(editor, sessionId, command))["stopReason"], "end_turn")
  assert.equal(fake.requests.length, 0)
  assert.match(editor.text(), /Thinking: low/)
  assert.match(editor.text(), new RegExp(sessionId))
  await say(editor, sessionId, "/unknown thing")
  assert.equal(fake.requests.length, 1, "what is no command is said to the agent")
})

test("stop reasons: cut by length, refused, limits; failures are errors with what happened", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  fake.script({ text: "long", finish: "length" })
  assert.equal((await say(editor, sessionId, "hi"))["stopReason"], "max_tokens")
  fake.script({ text: "no", finish: "content_filter" })
  assert.equal((await say(editor, sessionId, "hi"))["stopReason"], "refusal")
  fake.script({ fail: { type: "status", status: 401, body: '{"error":{"message":"bad key"}}' } })
  await assert.rejects(say(editor, sessionId, "hi"), (error: { code: number; message: string }) => {
    assert.equal(error.code, -32603)
    assert.match(error.message, /bad key|401/)
    return true
  })
})

test("prompts that are too large or hold no blocks are refused", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  await assert.rejects(say(editor, sessionId, "x".repeat(2 * 1024 * 1024 + 1)), { code: -32602 })
  editor.raw(JSON.stringify({ jsonrpc: "2.0", id: "p1", method: "session/prompt", params: { sessionId, prompt: [7] } }))
  const refused = await editor.until(({ id }) => id === "p1")
  assert.equal((refused["error"] as { code: number }).code, -32602)
})

test("logged out, sessions are refused until authenticate", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  await editor.request("logout", {})
  await assert.rejects(openSession(editor, house), { code: -32000 })
  await assert.rejects(editor.request("authenticate", { methodId: "other" }), { code: -32602 })
  await editor.request("authenticate", { methodId: "gateway" })
  await openSession(editor, house)
})

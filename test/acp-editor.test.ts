// What an editor lends, in the hands of our own agent: its unsaved files, its terminals, its forms and its MCP servers. A whole gateway,
// the bridge and the official SDK's client.

import assert from "node:assert/strict"
import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { choose, type Editor, openEditor, openSession, say } from "./fakes/acp-editor.ts"
import { type FakeReply, startFakeModel } from "./fakes/model-service.ts"
import { fakeProgram } from "./fakes/stripped.ts"
import { NO_SANDBOX, startHouse } from "./house.ts"

type Fields = Record<string, unknown>

const ALL = { fs: { readTextFile: true, writeTextFile: true }, terminal: true, elicitation: { form: {} } }

interface Manners {
  capabilities?: Fields
  /** Its answer to every request for leave. */
  leave?: "allow-once" | "deny"
  mcpServers?: Fields[]
}

/** A client with buffers and terminals, one session of it, and everything that it was asked. */
async function openRoom(t: TestContext, { capabilities = ALL, leave = "allow-once", mcpServers }: Manners = {}) {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
  const outside = realpathSync(mkdtempSync(join(tmpdir(), "pincer-outside-")))
  const buffers = new Map<string, string>()
  const asked: [string, Fields][] = []
  let editor: Editor | undefined
  t.after(async () => {
    try {
      await editor?.close()
    } finally {
      await house.close()
      await fake.close()
      rmSync(outside, { recursive: true, force: true })
    }
  })
  editor = await openEditor(house, {
    capabilities,
    serve(method, params) {
      asked.push([method, params])
      const path = String(params["path"])
      switch (method) {
        case "session/request_permission":
          return choose(leave)
        case "fs/read_text_file":
          if (!buffers.has(path)) throw new Error("no such file")
          return { content: buffers.get(path) }
        case "fs/write_text_file":
          buffers.set(path, String(params["content"]))
          return {}
        case "terminal/create":
          return { terminalId: "t-1" }
        case "terminal/output":
          return { output: "from the terminal\n", truncated: false }
        case "terminal/wait_for_exit":
          return { exitCode: 0 }
        case "elicitation/create":
          return { action: "accept", content: { answer1: "red" } }
        default:
          return {}
      }
    },
  })
  const sessionId = await openSession(editor, house, mcpServers ? { mcpServers } : {})
  /** The model makes these calls, then rests. Gives what it heard of them. */
  const turn = async (...calls: NonNullable<FakeReply["calls"]>): Promise<string> => {
    fake.script(...calls.map((call) => ({ calls: [call] })), { text: "Done." })
    const answer = await say(editor, sessionId, "go")
    assert.equal(answer["stopReason"], "end_turn")
    return JSON.stringify(fake.requests.at(-1)?.body["messages"])
  }
  const methods = () => asked.map(([method]) => method).filter((method) => method !== "session/request_permission")
  return { asked, buffers, editor, fake, house, methods, outside, sessionId, turn, work: house.work }
}

test("the model reads a file with unsaved changes and edits it: what it saw and what was written is the client's buffer", async (t) => {
  const { asked, buffers, editor, methods, sessionId, turn, work } = await openRoom(t)
  const path = join(work, "a.txt")
  writeFileSync(path, "on the disk\n")
  buffers.set(path, "not saved yet\n")
  const heard = await turn(
    { name: "Read", args: { path: "a.txt" } },
    { name: "Edit", args: { path: "a.txt", oldText: "not saved", newText: "written" } },
  )
  assert.match(heard, /not saved yet/)
  assert.doesNotMatch(heard, /on the disk/)
  assert.equal(buffers.get(path), "written yet\n")
  assert.equal(readFileSync(path, "utf8"), "on the disk\n", "saving is the client's to do")
  assert.deepEqual(methods(), ["fs/read_text_file", "fs/read_text_file", "fs/write_text_file"])
  assert.ok(asked.every(([, params]) => params["sessionId"] === sessionId))
  const diff = editor
    .of("tool_call_update")
    .flatMap((update) => (update["content"] as Fields[] | undefined) ?? [])
    .find((content) => content["type"] === "diff")
  assert.equal(diff?.["oldText"], "not saved yet\n")
})

test("a path outside of what is lent never reaches the client, and no link that leads there", async (t) => {
  const { buffers, methods, outside, turn, work } = await openRoom(t)
  const secret = join(outside, "s.txt")
  writeFileSync(secret, "beyond\n")
  symlinkSync(secret, join(work, "link.txt"))
  buffers.set(secret, "buffer").set(join(work, "link.txt"), "buffer")
  const heard = await turn(
    { name: "Read", args: { path: secret } },
    { name: "Read", args: { path: "link.txt" } },
    { name: "Write", args: { path: "link.txt", content: "changed\n" } },
  )
  assert.match(heard, /beyond/)
  assert.deepEqual(methods(), [])
  assert.equal(readFileSync(secret, "utf8"), "changed\n")
})

test("a denied write never reaches the client", async (t) => {
  const { asked, buffers, methods, turn } = await openRoom(t, { leave: "deny" })
  const heard = await turn({ name: "Write", args: { path: "a.txt", content: "x\n" } })
  assert.match(heard, /denied this call/)
  assert.deepEqual(
    asked.map(([method]) => method),
    ["session/request_permission"],
  )
  assert.deepEqual(methods(), [])
  assert.equal(buffers.size, 0)
})

test("a new file is created by the client", async (t) => {
  const { buffers, turn, work } = await openRoom(t)
  assert.match(await turn({ name: "Write", args: { path: "new/b.txt", content: "fresh\n" } }), /Created new\/b.txt/)
  assert.equal(buffers.get(join(work, "new/b.txt")), "fresh\n")
})

test("a command of an elevated session runs in the client's terminal, which is shown and released", async (t) => {
  const { asked, editor, methods, sessionId, turn, work } = await openRoom(t)
  await editor.gateway.request("elevated.set", { sessionKey: sessionId, level: "full" })
  assert.match(await turn({ name: "Bash", args: { command: "make all" } }), /from the terminal/)
  assert.deepEqual(methods(), ["terminal/create", "terminal/wait_for_exit", "terminal/output", "terminal/release"])
  const [, created] = asked.find(([method]) => method === "terminal/create")!
  assert.deepEqual([created["args"], created["cwd"]], [["-c", "make all"], work])
  const shown = editor.frames.findIndex(({ message }) =>
    JSON.stringify(message["params"] ?? {}).includes('"content":[{"type":"terminal","terminalId":"t-1"}'),
  )
  const released = editor.frames.findIndex(({ message }) => message["method"] === "terminal/release")
  assert.ok(shown >= 0 && shown < released, "the client shows it while it is there")
})

test("a command that was not allowed opens no terminal", async (t) => {
  const { methods, turn } = await openRoom(t, { leave: "deny" })
  await turn({ name: "Bash", args: { command: "make all" } })
  assert.deepEqual(methods(), [])
})

test("a tool of a server that the session was opened with is called once the client allowed it", async (t) => {
  const server = fakeProgram("mcp-server")
  const mcpServers = [{ name: "parrot", command: process.execPath, args: [server, "well"], env: [] }]
  const { asked, fake, turn } = await openRoom(t, { mcpServers })
  const heard = await turn({ name: "mcp__parrot__echo", args: { text: "polly" } })
  assert.equal(asked.filter(([method]) => method === "session/request_permission").length, 1)
  assert.match(heard, /polly/)
  const [first] = fake.requests
  assert.match(JSON.stringify(first?.body["tools"]), /mcp__parrot__echo/)
})

test("a tool of a server that the client did not allow is not called", async (t) => {
  const server = fakeProgram("mcp-server")
  const mcpServers = [{ name: "parrot", command: process.execPath, args: [server, "well"], env: [] }]
  const { turn } = await openRoom(t, { mcpServers, leave: "deny" })
  assert.match(await turn({ name: "mcp__parrot__echo", args: { text: "polly" } }), /denied this call/)
})

const WHICH = {
  name: "AskUser",
  args: { questions: [{ question: "Which colour?", options: [{ label: "red" }, { label: "blue" }] }] },
}

test("AskUser becomes a form at the client, and its answer is what the model hears", async (t) => {
  const { asked, turn } = await openRoom(t)
  assert.match(await turn(WHICH), /Which colour\?\\n→ red/)
  const [[method, params]] = asked as [[string, Fields]]
  assert.equal(method, "elicitation/create")
  assert.equal(params["message"], "Which colour?")
  assert.match(JSON.stringify(params["requestedSchema"]), /"enum":\["red","blue"\]/)
})

test("behind a client that shows no forms nobody waits for one: the model is told to ask in words", async (t) => {
  const { methods, turn } = await openRoom(t, { capabilities: {} })
  assert.match(await turn(WHICH), /declined to answer.*shows no forms: ask in words/)
  assert.deepEqual(methods(), [])
})

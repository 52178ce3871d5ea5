// session/cancel at every point of a turn: one answer, never an error, nothing left running. And several clients on one session: each
// cancels and hears its own.
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { type TestContext, test } from "node:test"
import { choose, type Editor, type EditorOptions, openEditor, openSession, say } from "./fakes/acp-editor.ts"
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

/** Answers to the prompts of this client, as they were on the wire. */
function answersTo(editor: Editor, method: string): Record<string, unknown>[] {
  const ids = new Set(
    editor.frames
      .filter(({ from, message }) => from === "client" && message["method"] === method)
      .map(({ message }) => message["id"]),
  )
  return editor.frames
    .filter(({ from, message }) => from === "agent" && !("method" in message) && ids.has(message["id"]))
    .map(({ message }) => message)
}

function isUpdate(kind: string) {
  return ({ params }: Record<string, unknown>) =>
    (params as { update?: { sessionUpdate?: string } } | undefined)?.update?.sessionUpdate === kind
}

async function assertCanceled(
  editor: Editor,
  sessionId: string,
  said: Promise<Record<string, unknown>>,
): Promise<void> {
  await editor.notify("session/cancel", { sessionId })
  assert.equal((await said)["stopReason"], "cancelled")
  await editor.notify("session/cancel", { sessionId })
  assert.equal((await say(editor, sessionId, "/whoami"))["stopReason"], "end_turn")
  assert.equal(answersTo(editor, "session/prompt").length, 2, "each prompt has one answer")
}

test("canceled before it starts", async (t) => {
  const { house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  await assertCanceled(editor, sessionId, say(editor, sessionId, "hi"))
  assert.equal(house.parts.lanes.active(sessionId).length, 0)
})

test("canceled while the model thinks", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  fake.script({ thinking: "Hmm, let me think.", gate: new Promise(() => undefined) })
  const said = say(editor, sessionId, "hi")
  await editor.until(isUpdate("agent_thought_chunk"))
  await assertCanceled(editor, sessionId, said)
})

test("canceled while the answer is written", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  fake.script({ text: "A long answer that never ends.", gate: new Promise(() => undefined) })
  const said = say(editor, sessionId, "hi")
  await editor.until(isUpdate("agent_message_chunk"))
  await assertCanceled(editor, sessionId, said)
})

test("canceled while a permission is open", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open({ serve: () => new Promise(() => undefined) })
  const sessionId = await openSession(editor, house)
  fake.script({ calls: [{ name: "Bash", args: { command: "echo no > no.txt" } }] })
  const said = say(editor, sessionId, "go")
  await editor.until(({ method }) => method === "session/request_permission")
  await assertCanceled(editor, sessionId, said)
  assert.ok(editor.frames.some(({ message }) => message["method"] === "$/cancel_request"))
  assert.deepEqual(await editor.gateway.request("exec.approval.list"), [])
})

test("canceled while a command runs: its processes are gone", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open({ serve: () => choose("allow-once") })
  const sessionId = await openSession(editor, house)
  fake.script({ calls: [{ name: "Bash", args: { command: "sleep 987654 & sleep 987654" } }] })
  const said = say(editor, sessionId, "go")
  await editor.until(
    ({ params }) => (params as { update?: { status?: string } } | undefined)?.update?.status === "in_progress",
  )
  await assertCanceled(editor, sessionId, said)
  const left = execFileSync("ps", ["-eo", "args"])
    .toString()
    .split("\n")
    .filter((line) => line.startsWith("sleep 987654"))
  assert.deepEqual(left, [])
  assert.equal(editor.of("tool_call_update").at(-1)?.["status"], "failed")
})

test("canceled after the end, without a session, or twice: no reaction", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  assert.equal((await say(editor, sessionId, "hi"))["stopReason"], "end_turn")
  const before = editor.frames.length
  await editor.notify("session/cancel", { sessionId })
  await editor.notify("session/cancel", { sessionId: "agent:main:acp:none" })
  assert.equal((await say(editor, sessionId, "again"))["stopReason"], "end_turn")
  assert.equal(fake.requests.length, 2)
  const errors = editor.frames.slice(before).filter(({ message }) => "error" in message)
  assert.deepEqual(errors, [])
})

test("a new prompt takes the place of the one that runs", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const editor = await open()
  const sessionId = await openSession(editor, house)
  fake.script({ text: "Never ends.", gate: new Promise(() => undefined) }, { text: "Second." })
  const first = say(editor, sessionId, "one")
  await editor.until(isUpdate("agent_message_chunk"))
  assert.equal((await say(editor, sessionId, "two"))["stopReason"], "end_turn")
  assert.equal((await first)["stopReason"], "cancelled")
})

test("two clients on one session: each hears its own turns and cancels only them", async (t) => {
  const { fake, house, open } = await openRoom(t)
  const one = await open()
  const sessionId = await openSession(one, house)
  await say(one, sessionId, "hello")
  const two = await open()
  await two.request("session/resume", { sessionId, cwd: house.work })
  const gate = Promise.withResolvers<void>()
  fake.script({ text: "For the first one.", gate: gate.promise }, { text: "For the second one." })
  const before = one.text().length
  const first = say(one, sessionId, "first")
  await one.until(
    ({ params }) =>
      (params as { update?: { content?: { text?: string } } } | undefined)?.update?.content?.text?.startsWith(
        "For ",
      ) === true,
  )
  const second = say(two, sessionId, "second")
  await two.notify("session/cancel", { sessionId })
  assert.equal((await second)["stopReason"], "cancelled")
  gate.resolve()
  assert.equal((await first)["stopReason"], "end_turn")
  assert.equal(one.text().slice(before), "For the first one.")
  assert.equal(two.text(), "")
  assert.equal((await say(two, sessionId, "third"))["stopReason"], "end_turn")
  assert.equal(two.text(), "For the second one.")
  assert.equal(one.text().slice(before), "For the first one.")
})

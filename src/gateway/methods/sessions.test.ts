import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"

async function open(t: TestContext, options: Partial<Parameters<typeof openMethodRoom>[0]> = {}): Promise<MethodRoom> {
  const opened = await openMethodRoom({ script: () => say("Hello there"), ...options })
  t.after(() => opened.close())
  return opened
}

const refusal = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  if (text) assert.match(error.message, text)
  return true
}

interface Row {
  [key: string]: unknown
  key: string
  path: string
  sessionId: string
}
interface Listing {
  sessions: Row[]
  count: number
  totalCount: number
  nextOffset: number | null
  hasMore: boolean
}

async function talk({ call }: MethodRoom, ...keys: string[]) {
  for (const sessionKey of keys)
    await call("chat.send", { sessionKey, message: `hello from ${sessionKey}`, wait: true })
}

test("sessions.list shows what is known under every dialect's names, newest first, in pages", async (t) => {
  const opened = await open(t)
  await talk(opened, "a", "b", "c")
  const page = (await opened.call("sessions.list", {
    limit: 2,
    includeDerivedTitles: true,
    includeLastMessage: true,
  })) as Listing
  assert.equal(page.totalCount, 3)
  assert.equal(page.nextOffset, 2)
  const [first] = page.sessions
  assert.equal(first?.key, "agent:main:c")
  assert.equal(first?.["derivedTitle"], "hello from c")
  assert.equal(first?.["lastMessagePreview"], "Hello there")
  assert.equal(first?.["totalTokens"], 15)
  assert.equal(first?.["size"], undefined)
  const py = (await opened.py("sessions.list")) as Listing
  for (const row of py.sessions) {
    assert.equal(row["agentId"], "main")
    assert.equal(row["file"], `${row.sessionId}.jsonl`)
    assert.ok(Number(row["size"]) > 0)
  }
  const found = (await opened.call("sessions.list", { search: "FROM B" })) as Listing
  assert.deepEqual(
    found.sessions.map((row) => row.key),
    ["agent:main:b"],
  )
  const recent = (await opened.call("sessions.list", { activeMinutes: 5 })) as Listing
  assert.equal(recent.count, 3)
})

test("a path that a listing returned names its session everywhere; any other path is refused and never opened", async (t) => {
  const opened = await open(t)
  await talk(opened, "a")
  const { sessions } = (await opened.py("sessions.list")) as Listing
  const { path, sessionId } = sessions[0]!
  const preview = (await opened.py("sessions.preview", { path })) as { messages: { role: string; text: string }[] }
  assert.deepEqual(
    preview.messages.map((m) => [m.role, m.text]),
    [
      ["user", "hello from a"],
      ["assistant", "Hello there"],
    ],
  )
  for (const name of ["sessions.get", "chat.history"])
    assert.equal(((await opened.py(name, { path: sessionId })) as Row)["sessionId"], sessionId)
  for (const bad of [
    "/etc/passwd",
    "../../x.jsonl",
    `sessions/../main/${sessionId}.jsonl`,
    `sessions/main/${sessionId}.jsonl/..`,
    "",
  ])
    for (const name of ["sessions.preview", "sessions.delete", "sessions.reset", "sessions.get"])
      await assert.rejects(
        opened.py(name, { path: bad }),
        refusal("INVALID_PARAMS", /not the path of a session/),
        `${name} ${bad}`,
      )
  const other = `sessions/other/${sessionId}.jsonl`
  await assert.rejects(
    opened.py("sessions.get", { path: other }),
    refusal("NOT_FOUND"),
    "the agent must be the session's own",
  )
})

test("sessions.preview says which keys are missing and empty", async (t) => {
  const opened = await open(t)
  await talk(opened, "a")
  await opened.parts.store.sessions.ensure("agent:main:empty", "main")
  const { previews } = (await opened.call("sessions.preview", { keys: ["a", "empty", "gone"], maxChars: 8 })) as {
    previews: { key: string; status: string; items: { text: string }[] }[]
  }
  assert.deepEqual(
    previews.map((p) => [p.key, p.status]),
    [
      ["a", "ok"],
      ["empty", "empty"],
      ["gone", "missing"],
    ],
  )
  assert.equal(previews[0]?.items[0]?.text, "hello f…")
  await assert.rejects(opened.call("sessions.preview", {}), refusal("INVALID_PARAMS"))
})

test("sessions.delete stops what runs and waits, then deletes; the main session refuses; gone ones answer false", async (t) => {
  const gate = Promise.withResolvers<void>()
  const opened = await open(t, { script: (_, signal) => say("Hello", signal, gate.promise) })
  const { call, room, parts } = opened
  await call("chat.send", { sessionKey: "a", message: "1", idempotencyKey: "one" })
  await call("chat.send", { sessionKey: "a", message: "2", idempotencyKey: "two" })
  await room.seen("text.delta", "one")
  assert.deepEqual(await call("sessions.delete", { key: "a" }), {
    ok: true,
    key: "agent:main:a",
    deleted: true,
    archived: [],
  })
  assert.equal(parts.lanes.active("agent:main:a").length, 0)
  assert.equal(await parts.store.sessions.get("agent:main:a"), undefined)
  assert.equal(((await call("sessions.delete", { key: "a" })) as Row)["deleted"], false)
  const gone = "sessions/main/0190a0a0-0000-7000-8000-000000000000.jsonl"
  assert.equal(((await opened.py("sessions.delete", { path: gone })) as Row)["deleted"], false)
  await assert.rejects(call("sessions.delete", { key: "main" }), refusal("INVALID_PARAMS", /main session/))
  await assert.rejects(call("sessions.delete", {}), refusal("INVALID_PARAMS"))
})

test("sessions.reset gives a new id and an empty transcript and keeps label and settings", async (t) => {
  const opened = await open(t)
  await talk(opened, "a")
  await opened.call("sessions.patch", { key: "a", label: "Mine", thinkingLevel: "high" })
  const before = (await opened.call("sessions.get", { key: "a" })) as Row
  const { entry, reset } = (await opened.call("sessions.reset", { key: "a" })) as { entry: Row; reset: boolean }
  assert.equal(reset, true)
  assert.notEqual(entry.sessionId, before["id"])
  assert.equal(entry["label"], "Mine")
  assert.equal(entry["thinkingLevel"], "high")
  assert.equal(entry["messageCount"], 0)
  await assert.rejects(opened.call("sessions.get", { path: before.path }), refusal("NOT_FOUND"))
  await assert.rejects(opened.call("sessions.reset", { key: "never" }), refusal("NOT_FOUND", /pincer session list/))
})

test("sessions.patch checks every value and null clears", async (t) => {
  const { call, parts } = await open(t)
  const stored = () => parts.store.sessions.get("agent:main:a")
  await call("sessions.patch", { key: "a", label: "One", verboseLevel: "on", model: "m1", cwd: parts.home })
  assert.equal((await stored())?.model, "fake/m1")
  assert.equal((await stored())?.cwd, parts.home)
  await call("sessions.patch", { key: "a", verboseLevel: null, model: null, label: null })
  assert.deepEqual((await stored())?.settings, {})
  assert.equal((await stored())?.label, null)
  assert.equal((await stored())?.cwd, parts.home, "what is not named stays")
  for (const [bad, text] of [
    [{ thinkingLevel: "huge" }, /thinkingLevel/],
    [{ label: "x".repeat(65) }, /label/],
    [{ label: "  " }, /label/],
    [{ cwd: "relative" }, /absolute/],
    [{ cwd: "/nowhere/at/all" }, /cannot be read/],
  ] as const)
    await assert.rejects(call("sessions.patch", { key: "a", ...bad }), refusal("INVALID_PARAMS", text))
  await assert.rejects(call("sessions.patch", { label: "x" }), refusal("INVALID_PARAMS", /key is required/))
  await assert.rejects(call("sessions.patch", { key: "agent:nobody:x", label: "x" }), refusal("NOT_FOUND", /nobody/))
  await call("sessions.patch", { key: "a", label: "Taken" })
  await assert.rejects(call("sessions.patch", { key: "b", label: "Taken" }), refusal("ALREADY_EXISTS", /Taken/))
  assert.equal(((await call("sessions.resolve", { label: "Taken" })) as Row).key, "agent:main:a")
})

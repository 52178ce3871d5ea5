import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"
import { waysOf } from "../../protocol/conversation.ts"
import type { RecordedEvent } from "../../protocol/event.ts"

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

interface Any {
  [key: string]: Any
}

const session = { sessionKey: "work" }

async function said(room: MethodRoom, key = "work"): Promise<{ id: string; text: string }[]> {
  const { messages } = (await room.call("chat.history", { sessionKey: key })) as {
    messages: { id: string; content: { text: string }[] }[]
  }
  return messages.map(({ content, id }) => ({ id, text: content[0]!.text }))
}

async function talk(room: MethodRoom, ...words: string[]): Promise<void> {
  for (const message of words) await room.call("chat.send", { ...session, message, wait: true })
}

const texts = (messages: { text: string }[]) =>
  messages.map(({ text }) => text).filter((text) => text !== "Hello there")

test("sessions.rewind goes back before what was said, gives it back, and what followed can be switched to again", async (t) => {
  const room = await open(t)
  await talk(room, "one", "two 你好", "three")
  const before = await said(room)
  const back = (await room.call("sessions.rewind", { ...session, entryId: before[2]!.id })) as Any
  assert.equal(back["editorText"], "two 你好")
  assert.equal(back["messageCount"], 2)
  assert.deepEqual(texts(await said(room)), ["one"])
  await talk(room, "other")
  const { branches } = (await room.call("sessions.branches.list", session)) as unknown as {
    branches: { leafEntryId: string; headline: string; active: boolean; messageCount: number }[]
  }
  assert.deepEqual(
    branches.map(({ active, headline, messageCount }) => [active, headline, messageCount]),
    [
      [true, "other", 4],
      [false, "three", 6],
    ],
  )
  await room.call("sessions.branches.switch", { ...session, leafEntryId: branches[1]!.leafEntryId })
  assert.deepEqual(await said(room), before)
  const row = (await room.call("sessions.describe", session)) as Any
  assert.equal(row["session"]!["messageCount"], 6)
  // Both ways are found by their words only while they count.
  const finds = async (query: string) => ((await room.call("sessions.list", { search: query })) as Any)["count"]
  assert.deepEqual([await finds("three"), await finds("other")], [1, 0])
  // The newest few are read backwards: the same ones.
  const newest = (await room.call("chat.history", { ...session, limit: 2 })) as unknown as {
    messages: { id: string }[]
  }
  assert.deepEqual(
    newest.messages.map(({ id }) => id),
    before.slice(-2).map(({ id }) => id),
  )
  await talk(room, "four")
  assert.deepEqual(texts(await said(room)), ["one", "two 你好", "three", "four"])
})

test("one may go back to after an answer, not into the middle of an exchange, not while a turn runs", async (t) => {
  const held = Promise.withResolvers<void>()
  let calls = 0
  const room = await open(t, {
    script: (_request, signal) => (++calls === 3 ? say("late", signal, held.promise) : say("Hello there")),
  })
  await talk(room, "one", "two")
  const [, answer, second] = await said(room)
  await assert.rejects(
    room.call("sessions.rewind", { ...session, entryId: "nothing" }),
    refusal("NOT_FOUND", /"nothing".*chat\.history/),
  )
  await assert.rejects(room.call("sessions.rewind", { key: "none", entryId: "x" }), refusal("NOT_FOUND", /none/))
  const runs = room.call("chat.send", { ...session, message: "three", wait: true })
  while (room.parts.lanes.active("agent:main:work").every(({ status }) => status === "queued"))
    await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(
    room.call("sessions.rewind", { ...session, entryId: second!.id }),
    refusal("UNAVAILABLE", /A turn runs/),
  )
  held.resolve()
  await runs
  const back = (await room.call("sessions.rewind", { ...session, entryId: answer!.id })) as Any
  assert.equal(back["editorText"], undefined)
  assert.deepEqual(texts(await said(room)), ["one"])
  await assert.rejects(
    room.call("sessions.branches.switch", { ...session, leafEntryId: second!.id }),
    refusal("NOT_FOUND", /branches\.list/),
  )
})

test("nobody goes into the middle of an exchange, and an external agent is told the conversation anew", async (t) => {
  const room = await open(t)
  const { books } = room.room.ports
  const key = "agent:main:work"
  await talk(room, "one")
  const [asked] = await said(room)
  const at = room.parts.clock.now()
  const call = { type: "tool.call" as const, callId: "c", name: "Read", args: {} }
  const result = { type: "tool.result" as const, callId: "c", name: "Read", content: [], isError: false }
  await room.parts.store.transcript.add(key, "main", [
    { type: "message.added", message: { id: "calls", role: "assistant", content: [call], at } },
    { type: "message.added", message: { id: "result", role: "tool", content: [result], at } },
    { type: "message.added", message: { id: "last", role: "assistant", content: [{ type: "text", text: "so" }], at } },
  ])
  for (const entryId of ["calls", "result"])
    await assert.rejects(room.call("sessions.rewind", { ...session, entryId }), refusal("INVALID_PARAMS", /middle/))
  await books.notes.save(key, new Map([["hosted", { session: "theirs" }]]))
  await room.call("sessions.rewind", { ...session, entryId: "last" })
  assert.equal((await books.notes.of(key)).size, 1, "nothing was taken back")
  await room.call("sessions.rewind", { ...session, entryId: asked!.id })
  assert.equal((await books.notes.of(key)).size, 0)
})

test("sessions.fork ends the new session at the message that is named, and leaves the old one as it is", async (t) => {
  const room = await open(t)
  await talk(room, "one", "two")
  const entryId = (await said(room))[2]!.id
  const forked = (await room.call("sessions.fork", { ...session, entryId })) as Any
  assert.equal(forked["editorText"], "two")
  assert.deepEqual(texts(await said(room, String(forked["sessionKey"]))), ["one"])
  assert.deepEqual(texts(await said(room)), ["one", "two"])
  await assert.rejects(room.call("sessions.fork", { ...session, entryId: "no" }), refusal("NOT_FOUND"))
  assert.equal(((await room.call("sessions.list", {})) as Any)["totalCount"], 2)
})

test("a summary is a checkpoint: one can branch off before it and go back to before it", async (t) => {
  const room = await open(t)
  await talk(room, "one", "two", "three")
  const before = texts(await said(room))
  const compacted = (await room.call("sessions.compact", { ...session, maxLines: 2 })) as Any
  assert.equal(compacted["compacted"], true, JSON.stringify(compacted))
  const { checkpoints } = (await room.call("sessions.compaction.list", session)) as unknown as {
    checkpoints: { checkpointId: string; reason: string; tokensBefore: number; summary: string }[]
  }
  assert.equal(checkpoints.length, 1)
  assert.equal(checkpoints[0]!.reason, "manual")
  assert.ok(checkpoints[0]!.tokensBefore > 0)
  await talk(room, "four")
  const { checkpointId } = checkpoints[0]!
  const branch = (await room.call("sessions.compaction.branch", { ...session, checkpointId })) as Any
  assert.deepEqual(texts(await said(room, String(branch["key"]))), before)
  const restored = (await room.call("sessions.compaction.restore", { ...session, checkpointId })) as Any
  assert.equal(restored["entry"]!["messageCount"], 6)
  assert.deepEqual(texts(await said(room)), before)
  // Its checkpoint is part of what was left, and still there.
  assert.equal(((await room.call("sessions.compaction.list", session)) as unknown as Any)["checkpoints"]!["length"], 1)
  await assert.rejects(
    room.call("sessions.compaction.restore", { ...session, checkpointId: "x" }),
    refusal("NOT_FOUND", /checkpoint "x"/),
  )
})

const added = (id: string): RecordedEvent => ({
  type: "message.added",
  message: { id, role: "user", content: [{ type: "text", text: id }], at: 1 },
})
const at = (event: RecordedEvent) => ({ at: 1, event })

test("ways: what is the beginning of another is none, and a summary that outlives what it followed stands on both", () => {
  const events = [
    ...["a", "b", "c", "S"].map((id) => at(added(id))),
    at({ type: "messages.dropped", messageIds: ["c"] }),
    at(added("d")),
  ]
  const ways = waysOf(events)
  assert.deepEqual(ways.now, ["a", "b", "S", "d"])
  assert.deepEqual(
    ways.left.map(({ ids }) => ids),
    [],
    "its end counts on",
  )
  const more = waysOf([...events, at({ type: "messages.dropped", messageIds: ["S", "d"] }), at(added("e"))])
  assert.deepEqual(more.now, ["a", "b", "e"])
  assert.deepEqual(
    more.left.map(({ ids }) => ids),
    [["a", "b", "S", "d"]],
  )
  const restored = waysOf([
    ...events,
    at({ type: "messages.dropped", messageIds: ["S", "d"] }),
    at({ type: "messages.restored", messageIds: ["c", "nobody"] }),
  ])
  assert.deepEqual(restored.now, ["a", "b", "c"])
})

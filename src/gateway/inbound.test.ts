import assert from "node:assert/strict"
import { test } from "node:test"
import { say } from "../../test/fakes/agent-room.ts"
import { openMethodRoom } from "../../test/fakes/method-room.ts"
import { PincerError } from "../base/errors.ts"
import { attachmentParts } from "./attachments.ts"
import { hostingOf, listedPath, requireAgent, resolveSession } from "./inbound.ts"
import { historyMessages, newestWithin, shortened } from "./sessions/history.ts"

test("resolveSession() brings every form of a session's name to one key", async (t) => {
  const opened = await openMethodRoom({ script: () => say("x") })
  t.after(() => opened.close())
  const { parts } = opened
  const row = await parts.store.sessions.ensure("agent:main:kept", "main")
  const key = async (params: Parameters<typeof resolveSession>[0]) => (await resolveSession(params, parts)).key
  assert.equal(await key({}), "agent:main:main")
  assert.equal(await key({ sessionKey: "main" }), "agent:main:main")
  assert.equal(await key({ sessionKey: "Agent:MAIN:Work" }), "agent:main:work")
  assert.equal(await key({ key: "work", agentId: "Helper" }), "agent:helper:work")
  assert.equal(await key({ agentId: "helper" }), "agent:helper:main")
  assert.equal(await key({ agentId: "helper", sessionId: "default" }), "agent:helper:main")
  assert.equal(await key({ sessionId: "s1" }), "agent:main:s1")
  assert.equal(await key({ sessionId: row.id }), "agent:main:kept", "an id is looked up")
  assert.equal(await key({ sessionId: row.id.toUpperCase() }), "agent:main:kept")
  assert.equal(await key({ path: listedPath(row) }), "agent:main:kept")
  assert.equal(await key({ path: row.key }), "agent:main:kept")
  const unknown = "0190a0a0-0000-7000-8000-000000000000"
  assert.equal(await key({ sessionId: unknown }), `agent:main:${unknown}`)
  await parts.store.sessions.ensure(`agent:main:${row.id}`, "main")
  assert.equal(await key({ sessionId: row.id }), `agent:main:${row.id}`, "a session of that name comes first")
  assert.equal(await key({ sessionKey: "agent:main:x", sessionId: "ignored" }), "agent:main:x")
  await assert.rejects(key({ sessionKey: "agent:a:x", agentId: "b" }), /does not match/)
  await assert.rejects(key({ sessionKey: "agent:../x:y" }), /Invalid agent id/)
  await assert.rejects(key({ sessionKey: "a\nb" }), /control characters/)
})

test("an agent command needs operator.admin, is a command, and runs as the default agent", async (t) => {
  const opened = await openMethodRoom({ script: () => say("x") })
  t.after(() => opened.close())
  const { parts } = opened
  const admin = ["operator.admin"]
  const agentCommand = ["node", "agent.js"]
  assert.deepEqual(hostingOf({ agentCommand, ttl: 1.5 }, "main", admin, parts), {
    agentCommand,
    hosted: { idleMs: 1500 },
  })
  assert.deepEqual(hostingOf({ ttl: 0 }, "codex", ["operator.write"], parts), { hosted: { idleMs: 0 } })
  assert.deepEqual(hostingOf({}, "main", [], parts), {})
  const scopes = ["operator.read", "operator.write", "operator.approvals"]
  assert.throws(
    () => hostingOf({ agentCommand }, "main", scopes, parts),
    (error: unknown) => error instanceof PincerError && error.code === "PERMISSION_DENIED",
  )
  assert.throws(() => hostingOf({ agentCommand: [] }, "main", admin, parts), /is empty/)
  assert.throws(() => hostingOf({ agentCommand: ["a", "b\0"] }, "main", admin, parts), /is empty/)
  assert.throws(() => hostingOf({ agentCommand }, "codex", admin, parts), /runs in sessions of "main", not of "codex"/)
})

test("an unknown agent is answered with those that are spelled like it, else with those that are configured", async (t) => {
  const opened = await openMethodRoom({ script: () => say("x") })
  t.after(() => opened.close())
  assert.throws(() => requireAgent("mian", opened.parts), /Unknown agent "mian": did you mean main\?/)
  assert.throws(() => requireAgent("nobody", opened.parts), /Unknown agent "nobody": configured are main/)
})

const PNG = `${Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1").toString("base64")}`
const TEXT = Buffer.from("plain words").toString("base64")

test("attachmentParts() takes both dialects' shapes and trusts the bytes, not the name", () => {
  assert.deepEqual(attachmentParts([{ mimeType: "image/jpeg", fileName: "a.jpg", content: PNG }]), [
    { type: "image", mimeType: "image/png", data: PNG },
  ])
  assert.deepEqual(
    attachmentParts([{ filename: "n.txt", mime_type: "text/plain; charset=utf-8", base64_data: TEXT }]),
    [{ type: "file", mimeType: "text/plain", name: "n.txt", data: TEXT }],
  )
  assert.deepEqual(attachmentParts([{ content: `data:text/csv;charset=utf-8;base64,${TEXT}` }]), [
    { type: "file", mimeType: "text/csv", name: "attachment 1", data: TEXT },
  ])
  assert.deepEqual(attachmentParts(undefined), [])
})

test("attachmentParts() refuses what is not base64, too large, not the image it claims to be, or only a URL", () => {
  assert.throws(() => attachmentParts([{ content: "not base64!" }]), /not valid base64/)
  assert.throws(() => attachmentParts([{ content: "AAA" }]), /not valid base64/)
  assert.throws(() => attachmentParts([{ content: `${TEXT}\n` }]), /not valid base64/)
  assert.throws(() => attachmentParts([{ fileName: "e", content: "" }]), /"e" is empty/)
  assert.throws(() => attachmentParts([{ mimeType: "image/png", content: TEXT }]), /not a PNG/)
  assert.throws(() => attachmentParts([{ type: "image", base64: TEXT }]), /not a PNG/)
  assert.throws(() => attachmentParts([{ url: "http://169.254.169.254/x" }]), /nothing is fetched/)
  assert.throws(() => attachmentParts([{ content: "A".repeat(6_666_672) }]), /5000004 bytes/)
  assert.equal(attachmentParts([{ content: "A".repeat(6_666_664) }]).length, 1)
})

test("historyMessages() shows messages as transcripts do", () => {
  const at = 5
  assert.deepEqual(historyMessages({ id: "u", role: "user", at, content: [{ type: "text", text: "hi" }] }), [
    { role: "user", content: [{ type: "text", text: "hi" }], timestamp: 5, id: "u" },
  ])
  const [assistant] = historyMessages({
    id: "a",
    role: "assistant",
    at,
    turnId: "t",
    provider: "p",
    model: "m",
    stopReason: "tool_calls",
    content: [
      { type: "thinking", text: "hm", opaque: "secret-signature" },
      { type: "tool.call", callId: "c", name: "Read", args: { path: "x" } },
    ],
  })
  assert.equal(assistant?.["stopReason"], "toolUse")
  assert.equal(assistant?.["runId"], "t")
  assert.deepEqual(assistant?.["content"], [
    { type: "thinking", thinking: "hm" },
    { type: "toolCall", id: "c", name: "Read", arguments: { path: "x" } },
  ])
  const result = { type: "tool.result", callId: "c", name: "Read", isError: false } as const
  const tool = historyMessages({
    id: "r",
    role: "tool",
    at,
    content: [
      { ...result, content: [{ type: "text", text: "1" }] },
      { ...result, callId: "d", isError: true, content: [] },
    ],
  })
  assert.deepEqual(
    tool.map((m) => [m.role, m["toolCallId"], m["isError"]]),
    [
      ["toolResult", "c", false],
      ["toolResult", "d", true],
    ],
  )
  const [notice] = historyMessages({
    id: "s",
    role: "user",
    at,
    synthetic: true,
    content: [{ type: "text", text: "restarted" }],
  })
  assert.equal(notice?.role, "custom", "not the user's words")
})

test("newestWithin() keeps the newest that fit and replaces one that alone is too large", () => {
  const message = (text: string) => ({ role: "user", timestamp: 1, content: [{ type: "text", text }] })
  const list = [message("old"), message("x".repeat(400)), message("new")]
  assert.deepEqual(newestWithin(list, 10_000), list)
  const kept = newestWithin(list, 300)
  assert.equal(kept.length, 3)
  assert.match(JSON.stringify(kept[1]), /message too large/)
  assert.deepEqual(newestWithin(list, 100), [message("new")])
  assert.match(JSON.stringify(shortened(message("你好世界"), 2)), /你好…/)
})

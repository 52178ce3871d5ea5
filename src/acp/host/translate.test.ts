// Tables: one update of an agent, and what it means here.
import assert from "node:assert/strict"
import { test } from "node:test"
import type { HostedEvent } from "../../agent/harness.ts"
import { diffsOfPatch } from "./git-patch.ts"
import { SessionBook, type Update } from "./session-book.ts"
import { ToolMemory } from "./tool-memory.ts"
import { translateV1 } from "./translate-v1.ts"
import { ToldMessages, translateV2 } from "./translate-v2.ts"

const fresh = () => ({ book: new SessionBook(), memory: new ToolMemory(), told: new ToldMessages() })
const other = (update: Update): HostedEvent => ({ type: "other", update })

const BOTH: [string, Update, HostedEvent | "other" | "nothing"][] = [
  [
    "a piece of an answer",
    { sessionUpdate: "agent_message_chunk", messageId: "m", content: { type: "text", text: "hi" } },
    { type: "text", of: "answer", text: "hi", messageId: "m" },
  ],
  [
    "a piece of a thought",
    { sessionUpdate: "agent_thought_chunk", messageId: "m", content: { type: "text", text: "hm" } },
    { type: "text", of: "thought", text: "hm", messageId: "m" },
  ],
  [
    "an empty piece",
    { sessionUpdate: "agent_message_chunk", messageId: "m", content: { type: "text", text: "" } },
    { type: "text", of: "answer", text: "", messageId: "m" },
  ],
  [
    "sound",
    {
      sessionUpdate: "agent_message_chunk",
      messageId: "m",
      content: { type: "audio", mimeType: "audio/wav", data: "AA" },
    },
    { type: "part", part: { type: "audio", mimeType: "audio/wav", data: "AA" }, messageId: "m" },
  ],
  [
    "an image that is only named",
    { sessionUpdate: "agent_message_chunk", content: { type: "image", mimeType: "image/png", uri: "file:///a.png" } },
    { type: "part", part: { type: "link", uri: "file:///a.png", name: "file:///a.png", mimeType: "image/png" } },
  ],
  [
    "an embedded file",
    { sessionUpdate: "agent_message_chunk", content: { type: "resource", resource: { uri: "file:///a", text: "t" } } },
    { type: "part", part: { type: "resource", uri: "file:///a", text: "t" } },
  ],
  [
    "a link",
    { sessionUpdate: "agent_message_chunk", content: { type: "resource_link", uri: "file:///a", name: "a", size: 3 } },
    { type: "part", part: { type: "link", uri: "file:///a", name: "a", size: 3 } },
  ],
  [
    "content of a kind that nobody knows",
    { sessionUpdate: "agent_message_chunk", content: { type: "smell" } },
    "other",
  ],
  ["no content at all", { sessionUpdate: "agent_message_chunk" }, "other"],
  ["the user's own words", { sessionUpdate: "user_message_chunk", content: { type: "text", text: "x" } }, "nothing"],
  ["a call without an id", { sessionUpdate: "tool_call_update", title: "x" }, "other"],
  [
    "a call of a kind and a status that nobody knows",
    { sessionUpdate: "tool_call_update", toolCallId: "c", kind: "juggle", status: "thrown", rawInput: [1] },
    { type: "tool", callId: "c", view: { kind: "other", rawInput: [1] } },
  ],
  [
    "a call with its name, places and output",
    {
      ...{ sessionUpdate: "tool_call_update", toolCallId: "c", name: "Read", title: "T", kind: "read" },
      ...{ status: "in_progress", locations: [{ path: "/a", line: 2.5 }, { path: 7 }, { path: "/b", line: 0 }] },
      rawOutput: "out",
    },
    {
      type: "tool",
      callId: "c",
      name: "Read",
      view: {
        ...{ title: "T", kind: "read", status: "in_progress", rawOutput: "out" },
        locations: [{ path: "/a", line: 2 }, { path: "/b" }],
      },
    },
  ],
  [
    "what a call shows, with an item that nobody knows",
    {
      ...{ sessionUpdate: "tool_call_update", toolCallId: "c" },
      content: [{ type: "content", content: { type: "text", text: "x" } }, { type: "hologram", a: 1 }, "nothing"],
    },
    {
      type: "tool",
      callId: "c",
      view: {
        content: [
          { type: "content", part: { type: "text", text: "x" } },
          { type: "other", value: { type: "hologram", a: 1 } },
        ],
      },
    },
  ],
  [
    "a plan with entries of the wrong kind",
    {
      sessionUpdate: "plan_update",
      plan: { type: "items", planId: "p", entries: [{ content: "a", priority: "?", status: "?" }, 7] },
    },
    {
      type: "plan",
      planId: "p",
      plan: { planId: "p", entries: [{ content: "a", priority: "medium", status: "pending" }] },
    },
  ],
  [
    "a plan in a file",
    { sessionUpdate: "plan_update", plan: { type: "file", planId: "p", uri: "file:///p.md" } },
    { type: "plan", planId: "p", plan: { planId: "p", entries: [], file: "file:///p.md" } },
  ],
  [
    "a plan of a kind that nobody knows",
    { sessionUpdate: "plan_update", plan: { type: "song", planId: "p" } },
    "other",
  ],
  [
    "commands, one with a slash, one without a name",
    {
      sessionUpdate: "available_commands_update",
      availableCommands: [{ name: "/init", description: "d", input: { hint: "h" } }, { description: "x" }],
    },
    { type: "facts", facts: { commands: [{ name: "init", description: "d", hint: "h" }] } },
  ],
  [
    "a title that is cleared",
    { sessionUpdate: "session_info_update", title: null },
    { type: "facts", facts: { title: null } },
  ],
  ["session info without a title", { sessionUpdate: "session_info_update", updatedAt: "2026" }, "other"],
  [
    "usage in another currency, with no window",
    { sessionUpdate: "usage_update", used: 5, size: 0, cost: { amount: 1, currency: "EUR" } },
    { type: "context", usedTokens: 5, windowTokens: null, costUsd: null },
  ],
  ["usage that is none", { sessionUpdate: "usage_update", used: -1 }, "other"],
  [
    "a notice of an error",
    { sessionUpdate: "notice", severity: "error", title: "Bad", description: "very" },
    { type: "notice", level: "warning", code: "agent_notice", text: "Bad: very" },
  ],
  ["an update of tomorrow", { sessionUpdate: "dream", of: "sheep" }, "other"],
  ["an update without a kind", { a: 1 }, "other"],
]

for (const [name, update, meant] of BOTH) {
  const expected = meant === "other" ? [other(update)] : meant === "nothing" ? [] : [meant]
  test(`v1: ${name}`, () => {
    const event = translateV1(update, fresh())
    assert.deepEqual(event ? [event] : [], expected)
  })
  test(`v2: ${name}`, () => assert.deepEqual(translateV2(update, fresh()), expected))
}

test("v1: null means as before; v2: null clears", () => {
  const update = { sessionUpdate: "tool_call_update", toolCallId: "c", content: null, locations: null, rawOutput: null }
  assert.deepEqual(translateV1(update, fresh()), { type: "tool", callId: "c", view: {} })
  assert.deepEqual(translateV2(update, fresh()), [
    { type: "tool", callId: "c", view: { content: null, locations: null, rawOutput: null } },
  ])
})

test("v1: a plan is the main plan; a diff of a new file has no old text", () => {
  const plan = translateV1({ sessionUpdate: "plan", entries: [] }, fresh())
  assert.deepEqual(plan, { type: "plan", planId: "main", plan: { planId: "main", entries: [] } })
  const content = [{ type: "diff", path: "/a", newText: "x" }]
  const event = translateV1({ sessionUpdate: "tool_call", toolCallId: "c", content }, fresh())
  assert.deepEqual(event?.type === "tool" && event.view.content, [
    { type: "diff", path: "/a", oldText: null, newText: "x" },
  ])
})

test("v1: a terminal is the client's unless the agent has said that it is its own", () => {
  const state = fresh()
  const show = (toolCallId: string, terminalId: string, meta = {}) => {
    const content = [{ type: "terminal", terminalId }]
    const event = translateV1({ sessionUpdate: "tool_call", toolCallId, content, ...meta }, state)
    return event?.type === "tool" && event.view.content?.[0]?.type === "terminal" && event.view.content[0].owner
  }
  assert.equal(show("a", "t1"), "client")
  assert.equal(show("b", "t2", { _meta: { terminal_info: { terminal_id: "t2" } } }), "agent")
})

test("v2: pieces of what a call shows are put together, and a whole list replaces them", () => {
  const state = fresh()
  const text = (words: string) => ({ type: "content", content: { type: "text", text: words } })
  const shown = (update: Update) => {
    const [event] = translateV2({ toolCallId: "c", ...update }, state)
    return event?.type === "tool"
      ? event.view.content?.map((one) => one.type === "content" && one.part.type === "text" && one.part.text)
      : undefined
  }
  assert.deepEqual(shown({ sessionUpdate: "tool_call_content_chunk", content: text("a") }), ["a"])
  assert.deepEqual(shown({ sessionUpdate: "tool_call_content_chunk", content: text("b") }), ["a", "b"])
  assert.deepEqual(shown({ sessionUpdate: "tool_call_update", content: [text("c")] }), ["c"])
})

test("v2: a whole message that is another one is told again as another one", () => {
  const state = fresh()
  const say = (text: string) =>
    translateV2({ sessionUpdate: "agent_message", messageId: "m", content: [{ type: "text", text }] }, state)
  assert.deepEqual(say("one"), [{ type: "text", of: "answer", text: "one", messageId: "m" }])
  assert.deepEqual(say("one two"), [{ type: "text", of: "answer", text: " two", messageId: "m" }])
  assert.deepEqual(say("one two"), [])
  assert.deepEqual(say("three"), [{ type: "text", of: "answer", text: "three", messageId: "m#7" }])
})

test("v2: a change without a patch is told as it came, with its places", () => {
  const diff = { type: "diff", changes: [{ operation: "move", path: "/b", oldPath: "/a" }] }
  const [event] = translateV2({ sessionUpdate: "tool_call_update", toolCallId: "c", content: [diff] }, fresh())
  assert.deepEqual(event?.type === "tool" && event.view, {
    content: [{ type: "other", value: diff }],
    locations: [{ path: "/a" }, { path: "/b" }],
  })
})

test("the output of an agent's terminal keeps its newest part, never beginning within a character", () => {
  const memory = new ToolMemory()
  memory.append("c", { type: "terminal", terminalId: "t", owner: "agent" })
  memory.output("t", "🙂".repeat(100_000))
  const [shown] = memory.shown("c")
  assert.ok(shown?.type === "terminal" && shown.truncated === true)
  assert.ok(shown.output!.length <= 128 * 1024 && shown.output!.codePointAt(0) === 0x1f642)
})

test("patches become old and new texts, file by file", () => {
  const patch = [
    ...[
      "diff --git a/x b/x",
      "--- a/x",
      "+++ b/x",
      "@@ -1,2 +1,2 @@",
      " same",
      "-old",
      "+new",
      "@@ -9 +9 @@",
      "-y",
      "+z",
    ],
    ...["diff --git a/n b/n", "new file mode 100644", "--- /dev/null", "+++ b/n", "@@ -0,0 +1 @@", "+all"],
    ...["diff --git a/d b/d", "deleted file mode 100644", "--- a/d", "+++ /dev/null", "@@ -1 +0,0 @@", "-gone", ""],
  ]
  assert.deepEqual(
    diffsOfPatch(patch.join("\n"), (path) => `/w/${path}`),
    [
      { type: "diff", path: "/w/x", oldText: "same\nold\n…\ny\n", newText: "same\nnew\n…\nz\n", cut: true },
      { type: "diff", path: "/w/n", oldText: null, newText: "all\n" },
      { type: "diff", path: "/w/d", oldText: "gone\n", newText: "", cut: true },
    ],
  )
  assert.deepEqual(
    diffsOfPatch("nothing of the kind", (path) => path),
    [],
  )
})

// For any recorded log: what a client sees while it happens is what it sees when it is told again.
import assert from "node:assert/strict"
import { test } from "node:test"
import type { RecordedEnvelope, TurnEnvelope, TurnEvent } from "../../protocol/event.ts"
import type { Message, Part } from "../../protocol/message.ts"
import { NO_USAGE } from "../../protocol/message.ts"
import type { ToolContent } from "../../protocol/tool-view.ts"
import { standing } from "./history.ts"
import { SessionFold } from "./shown.ts"
import { updatesOf, type Viewing } from "./updates.ts"

const VIEWING: Viewing = {
  replay: false,
  tools: "full",
  thoughts: true,
  usage: "full",
  notices: false,
  terminals: true,
  echo: true,
}

/** A small generator with a seed, so that a failure can be run again. */
function dice(seed: number) {
  let state = seed
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
  return {
    chance: (p: number) => next() < p,
    below: (n: number) => Math.floor(next() * n),
    pick: <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)]!,
  }
}

type Dice = ReturnType<typeof dice>

const WORDS = ["one ", "two ", "多字节 ", "🙂", "\n", "four "]

function text(d: Dice): string {
  return Array.from({ length: 1 + d.below(6) }, () => d.pick(WORDS)).join("")
}

/** Everything that happens in a session, live and recorded, in its order. */
function generate(d: Dice): TurnEnvelope[] {
  const all: TurnEnvelope[] = []
  let seq = 0
  let ids = 0
  for (let turn = 0; turn < 1 + d.below(3); turn++) {
    const turnId = `turn-${turn}`
    const push = (event: TurnEvent, recorded: boolean) =>
      all.push({ sessionKey: "k", sessionId: "s", agentId: "main", turnId, at: 0, seq: recorded ? ++seq : null, event })
    push({ type: "turn.started", attempt: 1 }, true)
    const content: Part[] = [{ type: "text", text: text(d) }]
    if (d.chance(0.3)) content.push({ type: "image", mimeType: "image/png", data: "AAAA" })
    if (d.chance(0.3)) content.push({ type: "link", uri: "file:///a", name: "a" })
    push({ type: "message.added", message: { id: `m${ids++}`, role: "user", content, at: 0, turnId } }, true)
    for (let round = 0; round < 1 + d.below(3); round++) answer(d, push, turnId, () => `m${ids++}`)
    if (d.chance(0.3)) push({ type: "notice.posted", level: "info", code: "c", text: text(d) }, true)
    if (d.chance(0.4)) {
      const plan = d.chance(0.8)
        ? { planId: "main", entries: [{ content: text(d), priority: "high" as const, status: "pending" as const }] }
        : null
      push({ type: "plan.updated", planId: "main", plan }, true)
    }
    if (d.chance(0.6))
      push({ type: "context.measured", usedTokens: d.below(9_000), windowTokens: 10_000, costUsd: 0.5 }, true)
    const outcome = { status: "completed" as const, stop: "end_turn" as const, text: "", usage: NO_USAGE }
    push({ type: "turn.ended", outcome }, true)
  }
  return all
}

type Push = (event: TurnEvent, recorded: boolean) => void

function answer(d: Dice, push: Push, turnId: string, id: () => string): void {
  const messageId = id()
  const thinking = d.chance(0.5) ? text(d) : ""
  const said = text(d)
  stream(d, push, messageId, "thinking.delta", thinking)
  stream(d, push, messageId, "text.delta", said)
  const content: Part[] = [
    ...(thinking === "" ? [] : [{ type: "thinking" as const, text: thinking }]),
    { type: "text", text: said },
  ]
  if (d.chance(0.2)) {
    const part: Part = { type: "image", mimeType: "image/png", data: "BBBB" }
    if (d.chance(0.5)) push({ type: "part.added", messageId, part }, false)
    content.push(part)
  }
  const callIds = Array.from({ length: d.below(3) }, () => `call-${id()}`)
  for (const callId of callIds) content.push({ type: "tool.call", callId, name: "Bash", args: { command: "ls" } })
  const message: Message = { id: messageId, role: "assistant", content, at: 0, turnId }
  push({ type: "message.added", message }, true)
  for (const callId of callIds) call(d, push, callId, turnId, id())
}

/** The whole text in pieces, or only a part of it: what a slow reader or a crash leaves out. */
function stream(d: Dice, push: Push, messageId: string, type: "text.delta" | "thinking.delta", whole: string): void {
  let offset = 0
  while (offset < whole.length && !d.chance(0.15)) {
    const delta = whole.slice(offset, offset + 1 + d.below(4))
    push({ type, messageId, delta, offset }, false)
    if (d.chance(0.1)) push({ type, messageId, delta, offset }, false)
    offset += delta.length
  }
}

function call(d: Dice, push: Push, callId: string, turnId: string, messageId: string): void {
  const args = { path: "/w/a.txt", line: 3 }
  if (d.chance(0.4)) {
    const approval = {
      id: `a-${callId}`,
      kind: "tool" as const,
      sessionKey: "k",
      agentId: "main",
      turnId,
      callId,
      tool: "Bash",
      args,
      summary: "ls",
      reason: "because",
      cwd: "/w",
      createdAt: 0,
      expiresAt: 1,
      decision: null,
    }
    push({ type: "approval.requested", approval }, true)
    push({ type: "approval.resolved", approval: { ...approval, decision: "allow-once" } }, true)
  }
  if (d.chance(0.1)) return
  push({ type: "tool.started", callId, name: "Bash", args, title: "ls" }, true)
  for (let i = 0; i < d.below(3); i++)
    push({ type: "tool.updated", callId, name: "Bash", output: "out ".repeat(i + 1) }, false)
  if (d.chance(0.1)) return
  const rich: ToolContent = d.chance(0.5)
    ? { type: "diff", path: "/w/a.txt", oldText: null, newText: "new" }
    : { type: "terminal", terminalId: callId, owner: d.pick(["client", "agent"]), output: "shown", exitCode: 0 }
  const view = d.chance(0.5) ? { view: { content: [rich], rawOutput: { ok: true } } } : {}
  if (d.chance(0.3)) push({ type: "tool.changed", callId, view: { title: "changed", content: [rich] } }, true)
  const told = text(d)
  const result: Part = {
    type: "tool.result",
    callId,
    name: "Bash",
    content: [{ type: "text", text: told }],
    isError: false,
  }
  if (d.chance(0.3)) result.content.push({ type: "image", mimeType: "image/png", data: "CCCC" })
  push({ type: "tool.ended", callId, name: "Bash", isError: d.chance(0.3), text: told, durationMs: 1, ...view }, true)
  push({ type: "message.added", message: { id: messageId, role: "tool", content: [result], at: 0, turnId } }, true)
}

function told(envelopes: readonly TurnEnvelope[], replay: boolean) {
  const fold = new SessionFold()
  return envelopes.flatMap((one) => fold.apply(one)).flatMap((shown) => updatesOf(shown, { ...VIEWING, replay }))
}

/** What is on the screen in the end: messages joined, calls folded, the last plan and usage. */
function screen(updates: ReturnType<typeof told>): unknown {
  const messages = new Map<string, { kind: string; text: string; other: unknown[] }>()
  const calls = new Map<string, Record<string, unknown>>()
  const last: Record<string, unknown> = {}
  for (const update of updates) {
    switch (update.sessionUpdate) {
      case "user_message_chunk":
      case "agent_message_chunk":
      case "agent_thought_chunk": {
        const id = String(update.messageId)
        const message = messages.get(id) ?? { kind: update.sessionUpdate, text: "", other: [] }
        messages.set(id, message)
        if (update.content.type === "text") message.text += update.content.text
        else message.other.push(update.content)
        break
      }
      case "tool_call":
      case "tool_call_update": {
        const { sessionUpdate: _kind, toolCallId, _meta, ...fields } = update
        // Output of a call that never got to its end is in no log.
        if (_meta?.["partial"] || (_meta?.["terminal_output"] !== undefined && !_meta["terminal_info"])) break
        calls.set(toolCallId, { ...calls.get(toolCallId), ...withoutTerminals(fields) })
        break
      }
      default:
        last[update.sessionUpdate] = update
    }
  }
  return { messages: [...messages].sort(([a], [b]) => (a < b ? -1 : 1)), calls: [...calls], last }
}

/** A terminal of the client is shown by the client while it lives, and as its output afterwards. */
function withoutTerminals(fields: Record<string, unknown>): Record<string, unknown> {
  const { content } = fields
  if (!Array.isArray(content)) return fields
  const shown = content.filter((one: { type: string }) => one.type !== "terminal")
  const isTerminal = shown.length < content.length || JSON.stringify(content).includes('"shown"')
  return { ...fields, content: isTerminal ? "terminal" : shown }
}

test("for any recorded log, live equals what is told again after a load", () => {
  for (let seed = 1; seed <= 2_000; seed++) {
    const all = generate(dice(seed))
    const recorded = all.filter((one): one is RecordedEnvelope => one.seq !== null)
    assert.deepEqual(screen(told(all, false)), screen(told(standing(recorded), true)), `seed ${seed}`)
  }
})

test("a replay names no terminal of the client, and ends every call", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const recorded = generate(dice(seed)).filter((one): one is RecordedEnvelope => one.seq !== null)
    const updates = told(standing(recorded), true)
    assert.ok(!JSON.stringify(updates).includes('"type":"terminal"'), `seed ${seed}`)
    const { calls } = screen(updates) as { calls: [string, { status?: string }][] }
    for (const [id, { status }] of calls)
      assert.ok(status === "completed" || status === "failed", `seed ${seed}: ${id} is ${status}`)
  }
})

test("an exchange that was taken back is not told again", () => {
  const base = { sessionKey: "k", sessionId: "s", agentId: "main", at: 0 }
  const user = (id: string, turnId: string, words: string): Message => ({
    id,
    role: "user",
    content: [{ type: "text", text: words }],
    at: 0,
    turnId,
  })
  const log: RecordedEnvelope[] = [
    { ...base, turnId: "a", seq: 1, event: { type: "message.added", message: user("1", "a", "first") } },
    { ...base, turnId: "a", seq: 2, event: { type: "tool.started", callId: "c", name: "Bash", args: {}, title: "ls" } },
    { ...base, turnId: "b", seq: 3, event: { type: "messages.dropped", messageIds: ["1"] } },
    { ...base, turnId: "b", seq: 4, event: { type: "message.added", message: user("2", "b", "second") } },
  ]
  const updates = told(standing(log), true)
  assert.equal(updates.length, 1)
  assert.ok(JSON.stringify(updates).includes("second"))
})

import assert from "node:assert/strict"
import { test } from "node:test"
import type { Approval } from "../../protocol/approval.ts"
import type { TurnEnvelope, TurnEvent } from "../../protocol/event.ts"
import { NO_USAGE } from "../../protocol/message.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import { projectApproval } from "./project-approval.ts"
import { type ClawViewer, growth, projectClaw, type Run } from "./project-claw.ts"
import { growthPy, projectPy } from "./project-py.ts"

const run: Run = {
  turnId: "run-1",
  sessionKey: "agent:main:main",
  sessionId: "s-1",
  agentId: "main",
  seq: 8,
  text: "Hello there",
  thinking: "Hm, well",
  verbose: false,
}
const v3: ClawViewer = { protocol: 3, toolEvents: false }
const v4: ClawViewer = { protocol: 4, toolEvents: true }

function envelope(event: TurnEvent): TurnEnvelope {
  return { sessionKey: run.sessionKey, sessionId: "s-1", agentId: "main", turnId: "run-1", seq: 1, at: 5_000, event }
}

function outcome(change: Partial<TurnOutcome> = {}): TurnOutcome {
  return {
    status: "completed",
    stop: "end_turn",
    text: "there",
    usage: { ...NO_USAGE, inputTokens: 3, outputTokens: 2 },
    ...change,
  }
}

const short = (events: ReturnType<typeof projectClaw>) =>
  events.map(({ event, payload }) => {
    const data = payload["data"] as Record<string, unknown> | undefined
    return [event, payload["stream"] ?? payload["state"], data?.["phase"] ?? payload["phase"], payload["seq"]]
      .filter((x) => x !== undefined)
      .join(" ")
  })

test("a run begins with lifecycle start; protocol 4 is told what is being prepared", () => {
  const started = envelope({ type: "turn.started", attempt: 1 })
  assert.deepEqual(short(projectClaw(started, run, v3)), ["agent lifecycle start 8"])
  assert.deepEqual(short(projectClaw(started, run, v4)), [
    "chat status preparing_context 7",
    "agent run_status preparing_context 7",
    "agent lifecycle start 8",
  ])
  const model = envelope({ type: "model.started", provider: "p", model: "m" })
  assert.deepEqual(projectClaw(model, run, v3), [])
  assert.deepEqual(short(projectClaw(model, run, v4)), [
    "chat status starting_model 7",
    "agent run_status starting_model 7",
    "agent lifecycle model 8",
  ])
})

test("growing text is cumulative and incremental at once, chat and agent under one number", () => {
  const grown = { kind: "text", from: 5, to: 11, seq: 8, at: 5_000, replace: false } as const
  const [agent, chat] = growth(run, grown, 3)
  assert.deepEqual(agent?.payload["data"], { text: "Hello there", delta: " there" })
  assert.deepEqual(chat?.payload, {
    runId: "run-1",
    sessionKey: "agent:main:main",
    agentId: "main",
    seq: 8,
    state: "delta",
    deltaText: " there",
    message: { role: "assistant", content: [{ type: "text", text: "Hello there" }], timestamp: 5_000 },
  })
  assert.equal(growth(run, { ...grown, from: 0, replace: true }, 4)[1]?.payload["replace"], true)
  // Made again later, after the text has grown on, it is the same.
  assert.deepEqual(growth({ ...run, text: "Hello there, and more" }, grown, 3), [agent, chat])
})

test("reasoning is for protocol 4 only", () => {
  const grown = { kind: "thinking", from: 0, to: 2, seq: 7, at: 1, replace: false } as const
  assert.deepEqual(growth(run, grown, 3), [])
  assert.deepEqual(short(growth(run, grown, 4)), ["agent thinking 7"])
  assert.deepEqual(growthPy(run, grown), [])
})

test("tool events need the cap; protocol 3 also gets them when the session is verbose", () => {
  const started = envelope({ type: "tool.started", callId: "c1", name: "Bash", args: { command: "ls" }, title: "ls" })
  assert.deepEqual(projectClaw(started, run, v3), [])
  assert.equal(projectClaw(started, { ...run, verbose: true }, v3).length, 1)
  assert.deepEqual(projectClaw(started, { ...run, verbose: true }, { protocol: 4, toolEvents: false }), [])
  const data = { phase: "start", name: "Bash", toolCallId: "c1", args: { command: "ls" }, title: "ls" }
  assert.deepEqual(projectClaw(started, run, v4)[0]?.payload["data"], data)
  const ended = envelope({
    type: "tool.ended",
    callId: "c1",
    name: "Bash",
    isError: true,
    text: "no",
    durationMs: 4,
    details: { exitCode: 1 },
  })
  assert.deepEqual(projectClaw(ended, run, v4)[0]?.payload["data"], {
    phase: "result",
    name: "Bash",
    toolCallId: "c1",
    isError: true,
    result: { content: [{ type: "text", text: "no" }], details: { exitCode: 1 } },
    durationMs: 4,
  })
  const updated = envelope({ type: "tool.updated", callId: "c1", name: "Bash", output: "half" })
  assert.deepEqual(projectClaw(updated, run, v4)[0]?.payload["data"], {
    phase: "update",
    name: "Bash",
    toolCallId: "c1",
    partialResult: "half",
  })
})

test("each way to end is exactly one lifecycle and one chat event", () => {
  const cases: [Partial<TurnOutcome>, string[]][] = [
    [{}, ["agent lifecycle end 8", "chat final 8"]],
    [{ status: "canceled", stop: "aborted" }, ["agent lifecycle end 8", "chat aborted 8"]],
    [
      { status: "failed", stop: "error", error: { code: "UNAVAILABLE", message: "No" } },
      ["agent lifecycle error 8", "chat error 8"],
    ],
    [{ status: "timeout", stop: "time_limit" }, ["agent lifecycle error 8", "chat error 8"]],
  ]
  for (const [change, expected] of cases)
    for (const viewer of [v3, v4])
      assert.deepEqual(
        short(projectClaw(envelope({ type: "turn.ended", outcome: outcome(change) }), run, viewer)),
        expected,
      )
})

test("chat final has the whole text, why it stopped and what it used", () => {
  const ended = envelope({ type: "turn.ended", outcome: outcome() })
  const { payload } = projectClaw(ended, run, v3)[1]!
  assert.equal(payload["stopReason"], "stop")
  assert.deepEqual(payload["message"], {
    role: "assistant",
    content: [{ type: "text", text: "Hello there" }],
    timestamp: 5_000,
  })
  assert.equal((payload["usage"] as { total: number }).total, 5)
  const silent = envelope({ type: "turn.ended", outcome: outcome({ text: "" }) })
  assert.ok(!("message" in projectClaw(silent, { ...run, text: "" }, v3)[1]!.payload), "nothing said, no message")
  const aborted = envelope({ type: "turn.ended", outcome: outcome({ status: "canceled" }) })
  assert.equal(projectClaw(aborted, run, v3)[1]?.payload["stopReason"], "rpc")
})

test("chat error says which kind and what the service gave", () => {
  const error = { code: "RATE_LIMITED", message: "Slow down", kind: "rate_limit", status: 429, retryAfterMs: 9 }
  const failed = outcome({ status: "failed", stop: "error", provider: "p", model: "m", error })
  const { payload } = projectClaw(envelope({ type: "turn.ended", outcome: failed }), run, v4)[1]!
  assert.equal(payload["errorMessage"], "Slow down")
  assert.equal(payload["errorKind"], "rate_limit")
  assert.deepEqual(payload["errorDetail"], {
    code: "RATE_LIMITED",
    kind: "rate_limit",
    httpStatus: 429,
    provider: "p",
    model: "m",
    retryAfterMs: 9,
  })
  const timeout = outcome({ status: "timeout", stop: "time_limit" })
  assert.equal(
    projectClaw(envelope({ type: "turn.ended", outcome: timeout }), run, v4)[1]?.payload["errorKind"],
    "timeout",
  )
})

test("the simple dialect: increments, tools, and one ending, with its own names of sessions", () => {
  const common = { sessionId: "default", sessionKey: "agent:main:main", agentId: "main", runId: "run-1", seq: 8 }
  const grown = { kind: "text", from: 5, to: 11, seq: 8, at: 1, replace: false } as const
  assert.deepEqual(growthPy(run, grown), [
    { event: "chat.delta", payload: { ...common, delta: " there", role: "assistant" } },
  ])
  const started = envelope({ type: "tool.started", callId: "c", name: "Read", args: { path: "x" }, title: "x" })
  assert.deepEqual(projectPy(started, run), [
    { event: "chat.tool_call", payload: { ...common, tool: "Read", args: { path: "x" }, toolCallId: "c" } },
  ])
  const ended = envelope({ type: "tool.ended", callId: "c", name: "Read", isError: false, text: "T", durationMs: 1 })
  assert.deepEqual(projectPy(ended, run), [
    { event: "chat.tool_result", payload: { ...common, tool: "Read", result: "T", toolCallId: "c", isError: false } },
  ])
  assert.deepEqual(projectPy(envelope({ type: "model.started", provider: "p", model: "m" }), run), [])
  const named = projectPy(started, { ...run, sessionKey: "agent:work:a:b" })[0]!.payload
  assert.equal(named["sessionId"], "a:b")
})

test("the simple dialect ends in chat.done, also when aborted, or in chat.error with a word that it knows", () => {
  const end = (change: Partial<TurnOutcome>) =>
    projectPy(envelope({ type: "turn.ended", outcome: outcome(change) }), run)
  const [done] = end({})
  assert.equal(done?.event, "chat.done")
  assert.equal(done?.payload["text"], "Hello there")
  assert.ok(!("aborted" in done!.payload))
  assert.equal(end({ status: "canceled" })[0]?.payload["aborted"], true)
  for (const [code, word] of [
    ["RATE_LIMITED", "RATE_LIMITED"],
    ["UNAVAILABLE", "INTERNAL_ERROR"],
    ["constructor", "INTERNAL_ERROR"],
  ])
    assert.equal(end({ status: "failed", error: { code: code!, message: "x" } })[0]?.payload["code"], word)
  assert.equal(end({ status: "timeout" })[0]?.payload["code"], "ABORTED")
})

test("approvals: asked, decided, and expired with a reason", () => {
  const approval: Approval = {
    id: "a1",
    kind: "tool",
    sessionKey: "agent:main:main",
    agentId: "main",
    turnId: "run-1",
    callId: "c",
    tool: "Bash",
    args: { command: "ls" },
    summary: "ls",
    reason: "runs a command",
    cwd: "/w",
    createdAt: 1,
    expiresAt: 9,
    decision: null,
  }
  const asked = projectApproval({ type: "approval.requested", approval }, 1)
  assert.equal(asked?.event, "exec.approval.requested")
  assert.equal(asked?.payload["createdAtMs"], 1)
  assert.equal(asked?.payload["expiresAtMs"], 9)
  assert.deepEqual(asked?.payload["request"], {
    command: "ls",
    cwd: "/w",
    host: "gateway",
    security: null,
    ask: null,
    resolvedPath: null,
    agentId: "main",
    sessionKey: "agent:main:main",
  })
  const decided = { ...approval, decision: "deny", resolvedBy: "cli", resolvedAt: 7 } as const
  const told = projectApproval({ type: "approval.resolved", approval: decided }, 8)
  assert.deepEqual(
    [told?.event, told?.payload["decision"], told?.payload["resolvedBy"], told?.payload["ts"]],
    ["exec.approval.resolved", "deny", "cli", 7],
  )
  const expired = projectApproval({ type: "approval.resolved", approval: { ...approval, decision: "expired" } }, 9)
  assert.deepEqual([expired?.payload["decision"], expired?.payload["reason"]], [null, "expired"])
  assert.equal(projectApproval({ type: "turn.started", attempt: 1 }, 1), undefined)
})

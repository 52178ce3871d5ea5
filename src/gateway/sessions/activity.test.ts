import assert from "node:assert/strict"
import { test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { openMethodRoom } from "../../../test/fakes/method-room.ts"
import { activityOf, type Deed } from "./activity.ts"

test("runs and calls are told as one list, newest first, page by page, each once, and what is filtered is left out", async (t) => {
  const { call, parts, close, room } = await openMethodRoom({ script: () => say("Hello there") })
  t.after(close)
  const { audit } = room.ports.books
  const base = { who: "cli", door: "control", agentId: "main", callId: "c", summary: "secret words", argsDigest: "" }
  const turns: string[] = []
  for (const key of ["a", "b", "a"]) {
    const { runId } = (await call("chat.send", { sessionKey: key, message: "hi", wait: true })) as { runId: string }
    turns.push(runId)
    const at = parts.clock.now()
    const record = { ...base, at, sessionKey: `agent:main:${key}`, turnId: runId, tool: "Bash" }
    await audit.record({ ...record, type: "decision", verdict: key === "b" ? "deny" : "allow" })
    if (key === "a") await audit.record({ ...record, type: "effect", outcome: "done" })
  }
  const { events, nextCursor } = await activityOf({ limit: 100 }, parts)
  assert.equal(nextCursor, undefined)
  assert.equal(events.length, 9)
  assert.ok(!JSON.stringify(events).includes("secret words"))
  const times = events.filter(({ action }) => action !== "agent.run.started").map(({ occurredAt }) => occurredAt)
  assert.deepEqual(
    times,
    [...times].sort((a, b) => b - a),
  )
  const paged: Deed[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await activityOf({ limit: 2, cursor }, parts)
    assert.ok(page.events.length <= 2)
    paged.push(...page.events)
    cursor = page.nextCursor
    if (cursor === undefined) break
  }
  assert.deepEqual(paged.map(({ eventId }) => eventId).sort(), events.map(({ eventId }) => eventId).sort())
  const ask = async (params: Record<string, unknown>) =>
    ((await call("audit.activity.list", params, { scopes: ["operator.read"] })) as { events: Deed[] }).events
  assert.deepEqual((await ask({ sessionKey: "b" })).map(({ kind, status }) => `${kind} ${status}`).sort(), [
    "agent_run started",
    "agent_run succeeded",
    "tool_action blocked",
  ])
  assert.equal((await ask({ runId: turns[0], kind: "tool_action" })).length, 1)
  assert.equal((await ask({ status: "blocked" })).length, 1)
  assert.equal((await ask({ kind: "message" })).length, 0)
  assert.equal((await ask({ after: Number.MAX_SAFE_INTEGER })).length, 0)
  await assert.rejects(ask({ cursor: "1" }), /cursor "1"/)
  const plain = (await call("audit.list", { sessionKey: "a" })) as { events: unknown[]; records: unknown[] }
  assert.equal(plain.events.length, 6)
  const own = (await call("audit.list", { newest: true })) as { events?: unknown[]; records: unknown[] }
  assert.deepEqual([own.events, own.records.length], [undefined, 5])
})

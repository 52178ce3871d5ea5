// Calls that an external agent carries out itself: where they count as running, what asks in every mode, and that nothing of it touches
// the calls that we carry out.
import assert from "node:assert/strict"
import { test } from "node:test"
import { sceneOf } from "../../test/fakes/scene.ts"
import type { CommandFacts } from "./command.ts"
import { decide } from "./decide.ts"

const COMMAND: CommandFacts = { text: "id", segments: [], unknown: ["test"] }
const EXEC = { tool: "Bash", class: "exec", from: "acp", command: COMMAND } as const
const UNKNOWN = { tool: "acp:main:task", class: "exec", from: "acp" } as const
const FREE = { hosted: { confined: false } }
const HELD = { hosted: { confined: true } }

test("commands of an agent that nothing confines ask in every mode that does not refuse them", () => {
  for (const mode of ["approve-reads", "approve-all"] as const) {
    const decision = decide(sceneOf({ call: EXEC, ...FREE, permissions: { mode } }))
    assert.deepEqual([decision.verdict, decision.rule], ["ask", "hosted.unconfined"], mode)
    assert.deepEqual(decision.placement, { type: "host", because: "agent" })
  }
  assert.equal(decide(sceneOf({ call: EXEC, ...FREE, permissions: { mode: "deny-all" } })).verdict, "deny")
  assert.equal(decide(sceneOf({ call: EXEC, ...FREE, canAsk: false })).verdict, "deny")
})

test("those of a confined agent pass in its sandbox; without one they do not", () => {
  assert.equal(decide(sceneOf({ call: EXEC, ...HELD })).verdict, "allow")
  const sandbox = { ...sceneOf().sandbox, available: false }
  assert.equal(decide(sceneOf({ call: EXEC, ...HELD, sandbox })).verdict, "ask")
  const all = { permissions: { mode: "approve-all" } as const }
  assert.equal(decide(sceneOf({ call: EXEC, ...HELD, sandbox, ...all })).verdict, "deny")
})

test("a session that is elevated in full passes, one that asks asks", () => {
  const elevation = { grantedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER, grantedBy: "test" }
  const full = decide(sceneOf({ call: EXEC, ...FREE, elevation: { ...elevation, level: "full" } }))
  assert.deepEqual([full.verdict, full.placement.type], ["allow", "host"])
  assert.equal(decide(sceneOf({ call: EXEC, ...FREE, elevation: { ...elevation, level: "ask" } })).verdict, "ask")
})

test("a tool of which nobody knows what it does asks, in the sandbox too", () => {
  for (const who of [FREE, HELD]) assert.equal(decide(sceneOf({ call: UNKNOWN, ...who })).verdict, "ask")
})

test("a contradiction asks in every mode, also of what would pass by itself", () => {
  const read = { tool: "Read", class: "read", from: "acp", reads: ["/work/a"], doubt: "it holds a command" } as const
  for (const mode of ["approve-reads", "approve-all"] as const)
    for (const call of [read, { ...EXEC, doubt: "it holds a command" }]) {
      const decision = decide(sceneOf({ call, ...HELD, permissions: { mode } }))
      assert.deepEqual([decision.verdict, decision.rule], ["ask", "claims.contradict"])
    }
})

test("our own commands stand where they stood", () => {
  const own = { tool: "Bash", class: "exec", command: COMMAND } as const
  const decision = decide(sceneOf({ call: own }))
  assert.deepEqual([decision.verdict, decision.placement.type], ["allow", "sandbox"])
  assert.equal(decide(sceneOf({ call: { ...own, from: "acp" } })).verdict, "allow")
})

test("denied tools and lists hold for what agents do", () => {
  const denied = sceneOf({ call: EXEC, ...HELD, permissions: { deniedTools: ["exec"] } })
  assert.equal(decide(denied).rule, "permissions.denied")
  const unlisted = sceneOf({ call: UNKNOWN, ...HELD, permissions: { allowedTools: ["Bash", "Read"] } })
  assert.equal(decide(unlisted).verdict, "deny")
  const named = sceneOf({ call: UNKNOWN, ...HELD, permissions: { deniedTools: ["acp:*"] } })
  assert.equal(decide(named).rule, "permissions.denied")
})

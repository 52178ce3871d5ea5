import assert from "node:assert/strict"
import { test } from "node:test"
import { saidWith, type TurnFlags, turnWishes } from "./turn-flags.ts"

const around = { cwd: "/work", local: true }
const wishes = (flags: TurnFlags, env: Record<string, string> = {}) => turnWishes(flags, { env, cwd: "/work" })
const said = (flags: TurnFlags, env: Record<string, string> = {}) => saidWith(wishes(flags, env), around)

test("--agent-command is split without a shell, and goes to the gateway as a list", () => {
  const flags = { agentCommand: `node "my agent.js" --x='$HOME'` }
  assert.deepEqual(said(flags), { cwd: "/work", agentCommand: ["node", "my agent.js", "--x=$HOME"] })
})

test("--ttl is seconds; 0 is for ever and is sent", () => {
  assert.deepEqual(said({ ttl: "0" }), { cwd: "/work", ttl: 0 })
  assert.deepEqual(said({ ttl: "1.5", agent: "codex" }), { cwd: "/work", agentId: "codex", ttl: 1.5 })
})

test("each has a variable, and the flag wins", () => {
  const env = { PINCER_AGENT_COMMAND: "mine --acp", PINCER_TTL: "60" }
  assert.deepEqual(said({}, env), { cwd: "/work", agentCommand: ["mine", "--acp"], ttl: 60 })
  assert.deepEqual(said({ agentCommand: "other", ttl: "5" }, env), { cwd: "/work", agentCommand: ["other"], ttl: 5 })
  assert.deepEqual(said({ agent: "codex" }, env), { cwd: "/work", agentId: "codex", ttl: 60 })
  assert.deepEqual(said({ agentCommand: "other" }, { PINCER_AGENT: "codex" }), {
    cwd: "/work",
    agentCommand: ["other"],
  })
})

test("what means nothing is refused with the name of the flag or the variable", () => {
  assert.throws(() => wishes({ ttl: "soon" }), /--ttl: "soon" is not a number of seconds/)
  assert.throws(() => wishes({ ttl: "-1" }), /--ttl/)
  assert.throws(() => wishes({}, { PINCER_TTL: "x" }), /PINCER_TTL/)
  assert.throws(() => wishes({ agentCommand: " " }), /--agent-command is empty/)
  assert.throws(() => wishes({ agentCommand: "a 'b" }), /not closed/)
  assert.throws(() => wishes({ agentCommand: "a", agent: "codex" }), /either --agent or --agent-command/)
})

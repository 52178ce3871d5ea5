import assert from "node:assert/strict"
import { test } from "node:test"
import { checkText } from "../config/check.ts"
import { type Hosting, hostedOf } from "./hosted-profile.ts"
import { buildProfiles } from "./profile.ts"

const hosting: Hosting = {
  known: [
    { name: "codex", title: "Codex" },
    { name: "gemini", title: "Gemini CLI" },
  ],
  secret: (ref, name) => `${name}=${JSON.stringify(ref)}`,
}

function profiles(agents: Record<string, unknown>) {
  const checked = checkText(JSON.stringify({ agents }))
  assert.ok(checked.ok, JSON.stringify(!checked.ok && checked.issues))
  return buildProfiles(checked.config.agents, "/home", hosting)
}

function refused(agents: Record<string, unknown>): string {
  const checked = checkText(JSON.stringify({ agents }))
  return checked.ok ? "" : checked.issues.map((issue) => issue.message).join("\n")
}

test("every known agent can be named without any configuration, under its title", () => {
  const all = profiles({ defaults: { model: "fake/x" } })
  assert.deepEqual([...all.keys()], ["main", "codex", "gemini"])
  const codex = all.get("codex")
  assert.deepEqual([codex?.name, codex?.hosted?.known, codex?.hosted?.idleMs], ["Codex", "codex", 300_000])
  assert.equal(codex?.model, undefined, "the model of the defaults is not meant for it")
  assert.equal(all.get("main")?.hosted, undefined)
})

test("an entry merges over the known agent of its name, and can switch it off", () => {
  const all = profiles({
    entries: {
      codex: { model: "gpt", workspace: "/w", acp: { idleMs: 0, confined: true } },
      gemini: { acp: { enabled: false } },
    },
  })
  const codex = all.get("codex")
  assert.deepEqual([codex?.hosted?.known, codex?.hosted?.idleMs, codex?.hosted?.confined], ["codex", 0, true])
  assert.deepEqual([codex?.model, codex?.workspace], ["gpt", "/w"])
  assert.equal(all.get("gemini")?.hosted, undefined)
  assert.equal(profiles({ entries: { codex: { workspace: "/w" } } }).get("codex")?.hosted?.known, "codex")
})

test("secrets are read when they are used, and plain text is left as it is", () => {
  const acp = {
    agent: "codex",
    env: { A: "1", B: { env: "B_KEY" } },
    credentials: { login: { file: "k" } },
    mcpServers: [{ type: "http", name: "m", url: "http://x/", headers: { authorization: { env: "T" } } }],
  }
  const hosted = profiles({ entries: { work: { acp } } }).get("work")?.hosted
  assert.deepEqual(hosted?.env(), { A: "1", B: 'agents.entries.work.acp.env.B={"env":"B_KEY"}' })
  assert.match(hosted?.credential("login") ?? "", /credentials\.login=/)
  assert.equal(hosted?.credential("constructor"), undefined)
  const server = hosted?.mcpServers[0]
  assert.match(server?.type === "http" ? (server.headers["authorization"] ?? "") : "", /"env":"T"/)
})

test("an entry that names no agent that could run is refused with what could have been meant", () => {
  assert.throws(() => profiles({ entries: { x: { acp: {} } } }), /agents\.entries\.x\.acp: name a known "agent"/)
  assert.throws(
    () => profiles({ entries: { x: { acp: { agent: "codx" } } } }),
    /no known agent "codx": did you mean codex/,
  )
  assert.match(refused({ entries: { x: { acp: { command: [] } } } }), /command/)
  assert.match(refused({ entries: { x: { acp: { comand: ["a"] } } } }), /comand/)
  assert.match(refused({ entries: { x: { acp: { protocol: 3 } } } }), /must be 1 or 2/)
  assert.match(refused({ entries: { x: { acp: { mcpServers: [{ name: "m" }] } } } }), /"type"/)
})

test("a turn brings its own command, or says how long its agent is kept", () => {
  const all = profiles({ entries: { codex: { acp: { env: { A: "1" } } } } })
  const [main, codex] = [all.get("main")!, all.get("codex")!]
  assert.equal(hostedOf(main, {}), undefined)
  assert.equal(hostedOf(main, { hosted: { idleMs: 0 } }), undefined)
  const own = hostedOf(main, { agentCommand: ["node", "a.js"], hosted: { idleMs: 5 } })
  assert.deepEqual([own?.command, own?.known, own?.idleMs, own?.env()], [["node", "a.js"], undefined, 5, {}])
  const kept = hostedOf(codex, { hosted: { idleMs: 0 } })
  assert.deepEqual([kept?.known, kept?.idleMs, kept?.env(), kept?.mcpServers], ["codex", 0, { A: "1" }, []])
  assert.equal(hostedOf(codex, {}), codex.hosted)
})

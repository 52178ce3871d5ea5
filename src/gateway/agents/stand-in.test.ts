// An agent that is logged in to stands in for the models that are not there, and only then.
import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { knownAgents } from "../../acp/host/known-agents.ts"
import { buildProfiles } from "../../agent/profile.ts"
import { defaultConfig } from "../../config/check.ts"
import type { Config } from "../../config/schema.ts"
import { StandIn } from "./stand-in.ts"

function room(t: TestContext, options: { installed?: string[]; loggedIn?: string[]; config?: Config } = {}) {
  const userHome = mkdtempSync(join(tmpdir(), "pincer-stand-in-"))
  t.after(() => rmSync(userHome, { recursive: true, force: true }))
  for (const file of options.loggedIn ?? []) {
    mkdirSync(join(userHome, file, ".."), { recursive: true })
    writeFileSync(join(userHome, file), "{}")
  }
  const looks: string[] = []
  const chosen = { provider: "offline", model: "rules", why: "nobody else" }
  const state = { config: options.config ?? defaultConfig() }
  const standIn = new StandIn({
    config: () => state.config,
    known: knownAgents,
    catalogue: { chosen: () => chosen },
    finder: {
      async find({ name, install }) {
        looks.push(name)
        return options.installed?.includes(name)
          ? { type: "found", argv: [`/bin/${name}`], from: "here" }
          : { type: "missing", install }
      },
    },
    userHome,
  })
  const agents = () =>
    buildProfiles(state.config.agents, userHome, { known: knownAgents, secret: () => assert.fail("no secret is read") })
  return { standIn, agents, looks, chosen, state }
}

const CODEX = ".codex/auth.json"
const CLAUDE = ".claude/.credentials.json"

test("the first agent of the table that is installed and logged in to runs the default agent's turns", async (t) => {
  const { standIn, agents } = room(t, { installed: ["codex", "gemini"], loggedIn: [CLAUDE, CODEX] })
  await standIn.look()
  const own = agents()
  const shown = standIn.over(own)
  assert.equal(shown.get("main")?.hosted?.known, "codex")
  assert.equal(shown.get("codex"), own.get("codex"))
  assert.match(standIn.why() ?? "", /^Codex, .*pincer config set agents\.entries\.main\.model/)
  assert.equal(standIn.over(own), shown, "worked out once for each snapshot")
})

test("one that nobody has logged in to is not chosen, and none is looked for then", async (t) => {
  const { standIn, agents, looks } = room(t, { installed: ["claude", "codex", "gemini"] })
  await standIn.look()
  const own = agents()
  assert.equal(standIn.over(own), own)
  assert.equal(standIn.why(), undefined)
  assert.deepEqual(looks, [])
})

test("it steps back as soon as a model service answers, and when the configuration names a model or an agent", async (t) => {
  const { standIn, agents, chosen, state } = room(t, { installed: ["codex"], loggedIn: [CODEX] })
  await standIn.look()
  const own = agents()
  chosen.provider = "anthropic"
  assert.equal(standIn.over(own), own)
  chosen.provider = "offline"
  assert.notEqual(standIn.over(own), own)
  for (const main of [{ model: "offline/rules" }, { acp: { enabled: true, agent: "gemini" } }]) {
    state.config = { ...state.config, agents: { ...state.config.agents, entries: { main } } } as unknown as Config
    const said = agents()
    assert.equal(standIn.over(said), said)
  }
})

test("without discovery nobody is looked for", async (t) => {
  const config = defaultConfig()
  const { standIn, looks } = room(t, {
    installed: ["codex"],
    loggedIn: [CODEX],
    config: { ...config, models: { ...config.models, discover: false } },
  })
  await standIn.look()
  assert.deepEqual(looks, [])
  assert.equal(standIn.why(), undefined)
})

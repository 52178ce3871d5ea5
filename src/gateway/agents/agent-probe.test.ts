import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { type AgentReport, openHost } from "../../acp/host/index.ts"
import { knownAgent } from "../../acp/host/known-agents.ts"
import { buildProfiles } from "../../agent/profile.ts"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import { defaultConfig } from "../../config/check.ts"
import { probeAgent } from "./agent-probe.ts"

const config = defaultConfig()
const known = [{ name: "codex", title: "Codex" }]
const secret = () => {
  throw new PincerError("NOT_FOUND", "nothing there")
}
config.agents.entries = {
  mine: {
    acp: {
      enabled: true,
      agent: "codex",
      env: {},
      protocol: 1,
      confined: false,
      idleMs: 0,
      credentials: { key: { env: "NOT_SET" } },
      mcpServers: [],
    },
  },
}
const agents = buildProfiles(config.agents, "/home", { known, secret })

const report: AgentReport = {
  command: ["codex-acp"],
  facts: {
    protocol: 1,
    name: "codex-acp",
    version: "2.6.0",
    abilities: {
      ...{ load: true, resume: false, list: true, close: false, delete: false, fork: false, image: false },
      ...{ audio: false, embeddedContext: false, http: false, sse: false, systemPrompt: false },
    },
    authMethods: [{ id: "key", name: "API key", type: "agent", variables: [] }],
  },
  startMs: 12.4,
  sessionMs: 3.2,
  session: { type: "ready", facts: {} },
}

test("a trial says what the agent can do, and which log-in has a credential that can be read", async () => {
  const parts = { agents, config, host: { probe: async () => report } }
  const probe = await probeAgent("mine", parts)
  assert.deepEqual([probe.ok, probe.abilities, probe.startMs], [true, ["load", "list"], 12])
  assert.deepEqual(probe.authMethods, [{ id: "key", name: "API key", credential: false }])
})

test("an agent that wants a log-in, or does not start, is an answer and no failure", async () => {
  const login = { ...report, session: { type: "login" as const, message: "log in first" } }
  const wants = await probeAgent("codex", { agents, config, host: { probe: async () => login } })
  assert.deepEqual([wants.ok, wants.session, wants.error], [false, "login", "log in first"])
  const dead = async () => {
    throw new PincerError("NOT_FOUND", "Codex is not installed")
  }
  const missing = await probeAgent("codex", { agents, config, host: { probe: dead } })
  assert.deepEqual(missing, { agentId: "codex", ok: false, error: "Codex is not installed" })
})

test("an agent is really started, in an empty folder that is gone afterwards", async () => {
  const script = fileURLToPath(new URL("../../../test/fakes/acp-agent.mjs", import.meta.url))
  const hosting = { known, secret }
  const own = structuredClone(config.agents)
  own.entries["mine"]!.acp = { ...own.entries["mine"]!.acp!, command: [process.execPath, script], credentials: {} }
  const folders: string[] = []
  const host = openHost({
    clock: systemClock,
    log: silentLogger,
    version: "1",
    env: { PATH: process.env["PATH"] },
    async launch(program, place) {
      folders.push(place.cwd)
      return { ...program, close: async () => undefined }
    },
    known: knownAgent,
    find: async () => [],
  })
  try {
    const parts = { agents: buildProfiles(own, "/home", hosting), config, host }
    const probe = await probeAgent("mine", parts)
    assert.deepEqual(
      [probe.error, probe.ok, probe.name, probe.version, probe.protocol],
      [undefined, true, "fake", "1", 1],
    )
    assert.equal(folders.length, 1)
    assert.equal(existsSync(folders[0]!), false)
  } finally {
    await host.close()
  }
})

test("an agent of ours, an unknown one, and a gateway without a host are refused", async () => {
  const parts = { agents, config, host: { probe: async () => report } }
  await assert.rejects(probeAgent("main", parts), /runs on a model/)
  await assert.rejects(probeAgent("codx", parts), /Unknown agent "codx": did you mean codex\?/)
  await assert.rejects(probeAgent("codex", { agents, config }), /runs no external agents/)
})

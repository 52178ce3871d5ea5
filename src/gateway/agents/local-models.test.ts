// The order in which those who can answer are found, where model files stand in it, and that looking for them costs nothing without any.
import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { type TestContext, test } from "node:test"
import { fakeEngine } from "../../../test/fakes/local-engine.ts"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { tinyModel } from "../../../test/fakes/tiny-model.ts"
import { knownAgents } from "../../acp/host/known-agents.ts"
import { buildProfiles } from "../../agent/profile.ts"
import { silentLogger } from "../../base/log.ts"
import { defaultConfig } from "../../config/check.ts"
import type { Config } from "../../config/schema.ts"
import { engineFolder } from "../../local/engine.ts"
import { answering, suggestion } from "./agents.ts"
import { LocalModels } from "./local-models.ts"
import { openModels } from "./models.ts"
import { StandIn } from "./stand-in.ts"

function room(t: TestContext, options: { env?: Record<string, string>; config?: Partial<Config> } = {}) {
  const userHome = mkdtempSync(join(tmpdir(), "pincer-local-"))
  t.after(() => rmSync(userHome, { recursive: true, force: true }))
  const home = join(userHome, ".pincer")
  const state = { config: { ...defaultConfig(), ...options.config } as Config }
  const config = () => state.config
  const both = { config, env: options.env ?? {}, clock: stillClock(), log: silentLogger }
  const local = new LocalModels({ ...both, home, userHome })
  const { catalogue } = openModels({ ...both, base: home, local })
  const finder = {
    find: async ({ name, install }: { name: string; install: string }) =>
      name === "codex"
        ? ({ type: "found", argv: ["/bin/codex"], from: "here" } as const)
        : ({ type: "missing", install } as const),
  }
  const standIn = new StandIn({ config, known: knownAgents, catalogue, finder: finder as never, userHome })
  const own = buildProfiles(state.config.agents, userHome, { known: knownAgents, secret: () => "" })
  const parts = () =>
    ({ agents: standIn.over(own), catalogue, config: config(), finder, localModels: local, standIn }) as never
  return {
    ...{ home, local, catalogue, state },
    put(name: string, bytes: Buffer | string = tinyModel()) {
      const path = join(userHome, name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, bytes)
    },
    install: () => fakeEngine(engineFolder(home)),
    /** Who answers after a look as at a start, and who could. */
    async start() {
      await local.look()
      await standIn.look()
      const chosen = answering(parts())
      return { name: `${chosen.provider}/${chosen.model}`, why: chosen.why, suggestion: await suggestion(parts()) }
    },
  }
}

const MODEL = ".pincer/models/qwen3-4b.gguf"

test("a model and an engine: it answers, and one line says so and how to change it", async (t) => {
  const { put, install, start, home } = room(t)
  put(MODEL)
  install()
  const { name, why, suggestion } = await start()
  assert.equal(name, "local/qwen3-4b")
  assert.equal(
    why,
    `local/qwen3-4b (${home}/models/qwen3-4b.gguf, run by node-llama-cpp); to change it: pincer config set agents.defaults.model provider/model`,
  )
  assert.equal(suggestion, undefined)
})

test("a model and no engine: the offline model answers, and the way to an engine is said", async (t) => {
  const { put, start, local, catalogue } = room(t)
  put(MODEL)
  const { name, suggestion } = await start()
  assert.equal(name, "offline/rules")
  assert.match(suggestion ?? "", /^qwen3-4b is on this machine .*pincer models engine install$/)
  const signal = AbortSignal.timeout(10_000)
  await assert.rejects(local.start("qwen3-4b", signal), /pincer models engine install/)
  await assert.rejects(local.start("none", signal), /There is no local model "none"/)
  await catalogue.findDefaults(1_000, signal)
  assert.equal(catalogue.chosen().provider, "offline")
})

test("a key, and an agent that is logged in, come before a model file; what the configuration says before all", async (t) => {
  const key = room(t, { env: { ANTHROPIC_API_KEY: "sk-x" } })
  key.put(MODEL)
  key.install()
  assert.match((await key.start()).name, /^anthropic\//)
  const agent = room(t)
  agent.put(MODEL)
  agent.install()
  agent.put(".codex/auth.json", "{}")
  assert.equal((await agent.start()).name, "acp/codex")
  const { agents } = defaultConfig()
  const said = room(t, { config: { agents: { ...agents, defaults: { ...agents.defaults, model: "local/qwen3-4b" } } } })
  said.put(MODEL)
  said.install()
  said.put(".codex/auth.json", "{}")
  assert.match((await said.start()).why, /^local\/qwen3-4b \(agents\.defaults\.model/)
})

test("a service that the owner called local is the owner's", async (t) => {
  const provider = { wire: "openai-chat", baseUrl: "http://127.0.0.1:9/v1", apiKey: "k", headers: {}, models: ["mine"] }
  const more = { connectTimeoutMs: 1_000, stallMs: 1_000, quirks: {}, enabled: true }
  const { put, install, start, catalogue } = room(t, {
    config: { providers: { local: { ...provider, ...more } } } as never,
  })
  put(MODEL)
  install()
  put(".codex/auth.json", "{}")
  assert.equal((await start()).name, "local/mine")
  assert.deepEqual(
    catalogue.providers().map(({ id }) => id),
    ["local", "offline"],
  )
})

test("without discovery no file is looked for, unless an agent names one", async (t) => {
  const { put, install, start, state, catalogue } = room(t)
  put(MODEL)
  install()
  const { agents, models } = state.config
  state.config = { ...state.config, models: { ...models, discover: false } }
  assert.equal((await start()).name, "offline/rules")
  assert.equal(catalogue.provider("local"), undefined)
  const entries = { main: { model: "local/qwen3-4b" } } as never
  state.config = { ...state.config, agents: { ...agents, entries } }
  await start()
  assert.ok(catalogue.provider("local"))
  assert.equal(catalogue.chosen().provider, "offline")
})

test("models that come and go while the gateway runs are seen; those of other programs once it is ready", async (t) => {
  const { put, install, start, local, catalogue, home } = room(t)
  const listed = async () =>
    (await catalogue.models(AbortSignal.timeout(10_000))).map(({ provider, id }) => `${provider}/${id}`)
  install()
  put(".lmstudio/models/a/b/theirs.gguf")
  assert.equal((await start()).name, "offline/rules")
  await local.look({ everywhere: true })
  assert.deepEqual(await listed(), ["local/theirs", "offline/rules"])
  put(MODEL)
  put(".pincer/models/broken.gguf", "no model")
  await local.look({ everywhere: true })
  assert.equal(catalogue.chosen().model, "qwen3-4b")
  assert.deepEqual(await listed(), ["local/qwen3-4b", "local/theirs", "offline/rules"])
  rmSync(join(home, "models"), { recursive: true })
  await local.look({ everywhere: true })
  assert.deepEqual(await listed(), ["local/theirs", "offline/rules"])
})

import assert from "node:assert/strict"
import { test } from "node:test"
import { type FakeModel, startFakeModel } from "../../test/fakes/model-service.ts"
import type { Clock } from "../base/clock.ts"
import { type Logger, silentLogger } from "../base/log.ts"
import { NO_USAGE, type Usage } from "../protocol/message.ts"
import { type ConfiguredProvider, discover, withLocal } from "./discovery.ts"
import { type CatalogueOptions, OpenCatalogue } from "./open-catalogue.ts"

const never = new AbortController().signal

function entry(more: Partial<ConfiguredProvider> = {}): ConfiguredProvider {
  return { headers: {}, models: [], connectTimeoutMs: 1_000, stallMs: 1_000, quirks: {}, enabled: true, ...more }
}

function testClock(): Clock & { at: number } {
  return {
    at: 0,
    now() {
      return this.at
    },
    after: () => () => undefined,
    sleep: () => Promise.resolve(),
  }
}

/** A provider at a port where nothing listens. */
async function deadEntry(models: string[] = []): Promise<ConfiguredProvider> {
  const fake = await startFakeModel()
  await fake.close()
  return entry({ wire: "openai-chat", baseUrl: `${fake.url}/v1`, models })
}

function open(
  env: Record<string, string>,
  configured: Record<string, ConfiguredProvider> = {},
  more: Partial<CatalogueOptions> = {},
) {
  const chosenModel = more.chosenModel
  const discovered = discover({ configured, env, discover: true, keyOf: () => "key", chosenModel })
  const base = { chosenModel, fallbackProviders: [], prices: {}, clock: testClock(), log: silentLogger }
  return new OpenCatalogue({ discovered, ...base, ...more })
}

async function withFake(run: (fake: FakeModel, provider: ConfiguredProvider) => Promise<void>): Promise<void> {
  const fake = await startFakeModel()
  try {
    await run(fake, entry({ wire: "openai-chat", baseUrl: `${fake.url}/v1` }))
  } finally {
    await fake.close()
  }
}

const usage = (more: Partial<Usage>): Usage => ({ ...NO_USAGE, ...more })

test("chosen() says what answers, why, and how to change it", () => {
  const offline = open({}).chosen()
  assert.deepEqual([offline.provider, offline.model], ["offline", "rules"])
  assert.match(offline.why, /no language model is configured/)
  const found = open({ DEEPSEEK_API_KEY: "d", ANTHROPIC_API_KEY: "a" }).chosen()
  assert.equal(found.provider, "anthropic")
  assert.match(found.why, /ANTHROPIC_API_KEY.*pincer config set agents\.defaults\.model/)
  const named = open({ DEEPSEEK_API_KEY: "d" }, {}, { chosenModel: "deepseek/deepseek-v4-pro" }).chosen()
  assert.equal(named.model, "deepseek-v4-pro")
  assert.match(named.why, /agents\.defaults\.model in the configuration/)
})

test("a default model that nobody here offers is said, not replaced: turns are refused", () => {
  const catalogue = open({ OPENAI_API_KEY: "o" }, {}, { chosenModel: "my-vllm/llama3" })
  const chosen = catalogue.chosen()
  assert.deepEqual([chosen.provider, chosen.model], ["my-vllm", "llama3"])
  assert.match(chosen.why, /agents\.defaults\.model is "my-vllm\/llama3", which no provider/)
  assert.throws(() => catalogue.resolve(undefined), { code: "NOT_FOUND" })
  const bare = open({}, {}, { chosenModel: "llama3" }).chosen()
  assert.deepEqual([bare.provider, bare.model], ["", "llama3"])
})

test("resolve() takes provider/model, known names, and names of a family whose home is here", () => {
  const catalogue = open({ ANTHROPIC_API_KEY: "a", OPENROUTER_API_KEY: "r" })
  const cases: [name: string, provider: string | undefined, ref: string][] = [
    ["anthropic/claude-opus-5", undefined, "anthropic claude-opus-5"],
    ["claude-haiku-4-5", undefined, "anthropic claude-haiku-4-5"],
    ["claude-not-listed-yet", undefined, "anthropic claude-not-listed-yet"],
    ["openrouter/qwen/qwen3-max", undefined, "openrouter qwen/qwen3-max"],
    ["qwen/qwen3-max", "openrouter", "openrouter qwen/qwen3-max"],
    ["openrouter/auto", "openrouter", "openrouter auto"],
    ["rules", undefined, "offline rules"],
  ]
  for (const [name, provider, ref] of cases) {
    const { provider: id, model } = catalogue.resolve(name, provider)
    assert.equal(`${id} ${model}`, ref, name)
  }
  assert.deepEqual(catalogue.resolve(undefined, "offline"), { provider: "offline", model: "rules" })
})

test("resolve() refuses what nobody means, and says how to find what there is", () => {
  const catalogue = open({ ANTHROPIC_API_KEY: "a" })
  for (const name of ["gpt-5.4", "nobody/x", "anthropic/", "/x", "x"])
    assert.throws(() => catalogue.resolve(name), {
      code: "NOT_FOUND",
      message: /Unknown model ".*": run "pincer models list"/,
    })
  assert.throws(() => catalogue.resolve("x", "nobody"), { code: "NOT_FOUND", message: /Unknown provider "nobody"/ })
})

test("models() asks services once in five minutes, leaves out the dead, and always has the configured ones", async () => {
  await withFake(async (fake, provider) => {
    const clock = testClock()
    const dead = await deadEntry(["kept"])
    const catalogue = open({}, { fake: provider, dead }, { clock })
    const names = async () => (await catalogue.models(never)).map((info) => `${info.provider}/${info.id}`)
    assert.deepEqual((await names()).sort(), ["dead/kept", "fake/test-model", "offline/rules"])
    assert.equal(catalogue.resolve("test-model").provider, "fake")
    await fake.close()
    assert.ok((await names()).includes("fake/test-model"))
    clock.at += 5 * 60_000 + 1
    assert.deepEqual((await names()).sort(), ["dead/kept", "offline/rules"])
  })
})

test("models() stops waiting when its caller has gone", async () => {
  const gone = new AbortController()
  gone.abort(new Error("gone"))
  await assert.rejects(open({}).models(gone.signal), /gone/)
})

test("info() knows the window of a model of the table without asking", () => {
  const catalogue = open({ ANTHROPIC_API_KEY: "a" })
  assert.equal(catalogue.info({ provider: "anthropic", model: "claude-haiku-4-5" })?.contextWindow, 200_000)
  assert.equal(catalogue.info({ provider: "anthropic", model: "unheard-of" }), undefined)
})

test("replace() takes found servers up, and findDefaults() gives a named server its first model", async () => {
  await withFake(async (fake, provider) => {
    const catalogue = open({}, { mine: provider })
    assert.equal(catalogue.chosen().provider, "offline")
    await catalogue.findDefaults(2_000, never)
    assert.deepEqual(catalogue.resolve(undefined), { provider: "mine", model: "test-model" })
    const server = { id: "ollama", baseUrl: `${fake.url}/v1`, models: ["llama3"] }
    catalogue.replace(withLocal(catalogue.discovered, [server]))
    assert.equal(catalogue.resolve("llama3").provider, "ollama")
  })
})

test("a list that was asked for before other settings came does not forget their models", async () => {
  const catalogue = open({})
  const asking = catalogue.models(never)
  catalogue.replace(
    withLocal(catalogue.discovered, [{ id: "ollama", baseUrl: "http://127.0.0.1:11434/v1", models: ["llama3"] }]),
  )
  await asking
  assert.equal(catalogue.resolve("llama3").provider, "ollama")
})

test("probe() asks for real and answers with a word for every outcome", async () => {
  await withFake(async (fake, provider) => {
    const catalogue = open({}, { fake: provider, dead: await deadEntry() })
    const status = async (name: string, timeoutMs = 2_000) => {
      const [id = "", model = ""] = name.split("/")
      return (await catalogue.probe({ provider: id, model }, timeoutMs)).status
    }
    assert.equal(await status("fake/m"), "ok")
    assert.equal(fake.requests[0]?.body["model"], "m")
    const answers: [number, string][] = [
      [401, "auth"],
      [402, "billing"],
      [404, "no_model"],
      [429, "rate_limit"],
      [500, "unknown"],
    ]
    for (const [code, word] of answers) {
      fake.script({ fail: { type: "status", status: code } })
      assert.equal(await status("fake/m"), word)
    }
    fake.script({ fail: { type: "html" } }, { fail: { type: "stall", after: "nothing" } })
    assert.equal(await status("fake/m"), "format")
    assert.equal(await status("fake/m", 50), "timeout")
    assert.equal(await status("dead/m"), "unknown")
    assert.equal(await status("nobody/m"), "no_model")
  })
})

test("fallbacks() are the model, the configured ones, then other providers' defaults, without repeats", () => {
  const warnings: object[] = []
  const log: Logger = { ...silentLogger, warn: (fields) => warnings.push(fields) }
  const fallbackProviders = ["deepseek", "anthropic", "gone"]
  const catalogue = open({ ANTHROPIC_API_KEY: "a", DEEPSEEK_API_KEY: "d" }, {}, { fallbackProviders, log })
  const refs = () =>
    catalogue
      .fallbacks(catalogue.resolve("claude-sonnet-5"), ["claude-haiku-4-5", "anthropic/claude-sonnet-5", "ollama/x"])
      .map((ref) => `${ref.provider}/${ref.model}`)
  const expected = ["anthropic/claude-sonnet-5", "anthropic/claude-haiku-4-5", "deepseek/deepseek-v4-flash"]
  assert.deepEqual(refs(), expected)
  assert.deepEqual(refs(), expected)
  assert.deepEqual(warnings, [{ fallback: "ollama/x" }, { fallback: "gone" }])
})

test("cost: the configuration's price comes first, and cached tokens have their own", async () => {
  const prices = {
    "anthropic/claude-sonnet-5": { input: 10, output: 20, cacheRead: 1, cacheWrite: 12 },
    "any-model": { input: 1, output: 2 },
  }
  const catalogue = open({ ANTHROPIC_API_KEY: "a" }, {}, { prices })
  const tokens = usage({
    inputTokens: 1_000_000,
    cacheReadTokens: 500_000,
    cacheWriteTokens: 100_000,
    outputTokens: 100_000,
  })
  const ref = { provider: "anthropic", model: "claude-sonnet-5" }
  assert.equal(await catalogue.cost(ref, tokens), 4 + 0.5 + 1.2 + 2)
  assert.equal(await catalogue.cost({ provider: "gone", model: "any-model" }, usage({ inputTokens: 1_000_000 })), 1)
})

test("cost: the price table knows hosted services, and cached tokens are cheaper there", async () => {
  const configured = { work: entry({ service: "anthropic", apiKey: "k" }) }
  const catalogue = open({ ANTHROPIC_API_KEY: "a", GEMINI_API_KEY: "g" }, configured)
  const cost = (provider: string, model: string, more: Partial<Usage>) =>
    catalogue.cost({ provider, model }, usage(more))
  const plain = await cost("anthropic", "claude-haiku-4-5", { inputTokens: 1_000_000 })
  const cached = await cost("anthropic", "claude-haiku-4-5", { inputTokens: 1_000_000, cacheReadTokens: 900_000 })
  assert.ok(plain && cached && cached < plain / 2)
  assert.equal(await cost("work", "claude-haiku-4-5-20251001", { inputTokens: 1_000_000 }), plain)
  assert.ok(await cost("gemini", "gemini-2.5-flash", { outputTokens: 1_000 }))
  assert.equal((await cost("anthropic", "claude-unheard-of-99-x", { inputTokens: 10 })) === 0, false)
  // Counts that contradict each other come from services, too.
  assert.ok(await cost("anthropic", "claude-haiku-4-5", { inputTokens: 10, cacheReadTokens: 100 }))
})

test("cost: nothing on this machine, unknown elsewhere", async () => {
  const own = entry({ wire: "openai-chat", baseUrl: "https://llm.example/v1", apiKey: "k" })
  const catalogue = open({}, { own, ollama: entry(), vllm: entry({ baseUrl: "https://gpu.example/v1" }) })
  const cost = (provider: string, model: string) =>
    catalogue.cost({ provider, model }, usage({ inputTokens: 1_000_000 }))
  assert.equal(await cost("offline", "rules"), 0)
  assert.equal(await cost("ollama", "gpt-4o"), 0)
  assert.equal(await cost("vllm", "gpt-4o"), null)
  assert.equal(await cost("own", "gpt-4o"), null)
  assert.equal(await cost("gone", "gpt-4o"), null)
})

test("embed() refuses a provider without embeddings, and streams go through fallback", async () => {
  await withFake(async (fake, provider) => {
    const catalogue = open({}, { fake: provider })
    await assert.rejects(catalogue.embed({ provider: "offline", model: "rules" }, { input: ["x"] }, never), {
      code: "INVALID_PARAMS",
    })
    const { vectors } = await catalogue.embed({ provider: "fake", model: "e" }, { input: ["ab", "abc"] }, never)
    assert.deepEqual(
      vectors.map((vector) => vector[0]),
      [2, 3],
    )
    fake.script({ fail: { type: "status", status: 402 } })
    const refs = [
      { provider: "fake", model: "m" },
      { provider: "offline", model: "rules" },
    ]
    const kinds: string[] = []
    for await (const event of catalogue.stream(refs, { messages: [], tools: [], sampling: {} }, never))
      if (event.type !== "text.delta") kinds.push(event.type)
    assert.deepEqual(kinds, ["attempt", "attempt", "done"])
  })
})

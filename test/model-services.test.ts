// Model services through the whole house: found by their keys, every wire with a real tool, another one taking over, a server on
// this machine found once the gateway is up.
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, type HouseOptions, startHouse } from "./house.ts"

async function open(
  t: TestContext,
  options: (fake: FakeModel) => HouseOptions,
): Promise<{ house: House; fake: FakeModel }> {
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const house = await startHouse(options(fake))
  t.after(() => house.close())
  writeFileSync(join(house.work, "note.txt"), "the crab walks sideways\n")
  return { house, fake }
}

let turns = 0

async function ask(house: House, model?: string) {
  turns += 1
  const turnId = `services-${turns}`
  await house.parts.lanes.submit({
    turnId,
    sessionKey: `agent:main:services-${turns}`,
    agentId: "main",
    input: [{ type: "text", text: "What is in note.txt?" }],
    cwd: house.work,
    ...(model === undefined ? {} : { model }),
    origin: { door: "test" },
  })
  const record = await house.parts.lanes.wait(turnId)
  assert.ok(record?.outcome)
  return record.outcome
}

const discovering = { models: { discover: true, localServers: [] } }

/** A key's variables, what answers, and how the second request shows that result and signature went back. */
const wires: [name: string, env: (fake: FakeModel) => Record<string, string>, provider: string, echoed: RegExp][] = [
  [
    "Anthropic",
    (fake) => ({ ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: fake.url }),
    "anthropic",
    /"type":"tool_result","tool_use_id":"toolu_0".*crab walks/,
  ],
  [
    "Gemini",
    (fake) => ({ GEMINI_API_KEY: "k", GOOGLE_GEMINI_BASE_URL: fake.url }),
    "gemini",
    /"thoughtSignature":"sig".*"functionResponse".*crab walks/,
  ],
  [
    "an OpenAI-compatible service",
    (fake) => ({ OPENAI_API_KEY: "k", OPENAI_BASE_URL: `${fake.url}/v1` }),
    "openai",
    /"role":"tool","tool_call_id":"call_0","content":".*crab walks/,
  ],
]

for (const [name, env, provider, echoed] of wires)
  test(`${name} is found by its key, calls a real tool and answers`, async (t) => {
    const { house, fake } = await open(t, (one) => ({ config: discovering, env: env(one) }))
    assert.equal(house.parts.catalogue.chosen().provider, provider)
    fake.script(
      { thinking: "I should look.", calls: [{ name: "Read", args: { path: "note.txt" } }] },
      { text: "The crab walks sideways." },
    )
    const outcome = await ask(house)
    assert.equal(outcome.text, "The crab walks sideways.")
    assert.equal(outcome.provider, provider)
    assert.equal(fake.requests.length, 2)
    assert.match(JSON.stringify(fake.requests[1]?.body), echoed)
    // Two calls of 11 and 7 tokens.
    assert.deepEqual([outcome.usage.inputTokens, outcome.usage.outputTokens], [22, 14])
  })

test("signed thinking goes back to Anthropic within the turn", async (t) => {
  const { house, fake } = await open(t, (one) => ({
    config: discovering,
    env: { ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: one.url },
  }))
  fake.script({ thinking: "I should look.", calls: [{ name: "Read", args: { path: "note.txt" } }] }, { text: "Done." })
  // The fake answers as "test-model": thinking is bound to the model that is asked.
  assert.equal((await ask(house, "anthropic/test-model")).text, "Done.")
  assert.match(JSON.stringify(fake.requests[1]?.body), /"thinking":"I should look\.","signature":"signed"/)
})

test("when the account of one service is empty another provider answers, and the turn says so", async (t) => {
  const { house, fake } = await open(t, (one) => ({
    config: { models: { ...discovering.models, fallbackProviders: ["openai"] } },
    env: {
      ANTHROPIC_API_KEY: "k",
      ANTHROPIC_BASE_URL: one.url,
      OPENAI_API_KEY: "k",
      OPENAI_BASE_URL: `${one.url}/v1`,
    },
  }))
  const notices: string[] = []
  t.after(
    house.parts.hub.onAll(({ event }) => {
      if (event.type === "notice.posted") notices.push(event.text)
    }),
  )
  fake.script({ fail: { type: "status", status: 400, body: '{"error":{"message":"Your credit balance is too low"}}' } })
  fake.otherwise({ text: "Here instead." })
  const outcome = await ask(house)
  assert.deepEqual([outcome.text, outcome.provider], ["Here instead.", "openai"])
  assert.deepEqual(
    fake.requests.map((request) => request.wire),
    ["anthropic", "openai-chat"],
  )
  assert.match(notices.join(), /anthropic\/.*credit balance is too low.*openai\/.* takes over/)
})

test("a failure after the first words ends the turn: nobody takes over", async (t) => {
  const { house, fake } = await open(t, (one) => ({
    config: { models: { ...discovering.models, fallbackProviders: ["openai"] } },
    env: {
      ANTHROPIC_API_KEY: "k",
      ANTHROPIC_BASE_URL: one.url,
      OPENAI_API_KEY: "k",
      OPENAI_BASE_URL: `${one.url}/v1`,
    },
  }))
  fake.script({ text: "Half of an ans", fail: { type: "cut" } })
  const outcome = await ask(house)
  assert.equal(outcome.status, "failed")
  assert.equal(outcome.text, "Half of an ans")
  assert.equal(fake.requests.length, 1)
})

test("a model server on this machine is found once the gateway is up, and is sent no key", async (t) => {
  const { house, fake } = await open(t, (one) => ({
    config: { models: { discover: true, localServers: [{ id: "ollama", baseUrl: `${one.url}/v1` }] } },
  }))
  while (house.parts.catalogue.chosen().provider === "offline") await new Promise((resolve) => setImmediate(resolve))
  assert.match(house.parts.catalogue.chosen().why, /ollama\/test-model \(a server at http/)
  fake.script({ text: "Local." })
  const outcome = await ask(house)
  assert.deepEqual([outcome.text, outcome.usage.costUsd], ["Local.", 0])
  assert.equal(fake.requests[0]?.headers["authorization"], undefined)
})

// The set-up as a dialogue, against a whole gateway and a model service on this machine.
import assert from "node:assert/strict"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { PincerError } from "../src/base/errors.ts"
import { silentLogger } from "../src/base/log.ts"
import { Dialogue } from "../src/gateway/wizard/dialogue.ts"
import { connectGateway } from "../src/protocol/client.ts"
import { startFakeModel } from "./fakes/model-service.ts"
import { stillClock } from "./fakes/still-clock.ts"
import { startHouse } from "./house.ts"

interface State {
  sessionId: string
  done: boolean
  status: string
  error?: string
  step?: { id: string; type: string; message?: string; sensitive?: boolean; options?: { value: string }[] }
}

async function open(t: TestContext) {
  const fake = await startFakeModel()
  const house = await startHouse()
  const info = { id: "cli", version: "1", platform: "linux", mode: "cli" }
  const client = await connectGateway({ url: house.wsUrl, token: house.token, client: info })
  t.after(async () => {
    client.close()
    await house.close()
    await fake.close()
  })
  const call = (method: string, params: Record<string, unknown> = {}) => client.request<State>(method, params)
  return { call, fake, house }
}

const KEY = "sk-set-up-0123456789abcdef"

test("the set-up asks, tries the service for real, and writes configuration and key only at the end", async (t) => {
  const { call, fake, house } = await open(t)
  const started = await call("wizard.start")
  const { sessionId } = started
  assert.equal(started.step?.id, "welcome")
  await assert.rejects(call("wizard.start"), /wizard already running/)
  const answer = (stepId: string, value?: string | boolean) =>
    call("wizard.next", { sessionId, answer: { stepId, ...(value === undefined ? {} : { value }) } })
  await assert.rejects(answer("workspace", "/x"), /does not wait: answer "welcome"/)
  assert.equal((await answer("welcome")).step?.id, "workspace")
  await assert.rejects(answer("workspace", "here"), /"here" is no absolute path/)
  const service = await answer("workspace", join(house.home, "plans 文件"))
  assert.equal(service.step?.id, "service")
  await assert.rejects(answer("service", "nobody"), /takes one of "keep"/)
  assert.equal((await answer("service", "other")).step?.id, "address")
  assert.equal((await answer("address", `${fake.url}/v1`)).step?.sensitive, true)
  const which = await answer("key", KEY)
  assert.equal(which.step?.id, "model")
  const save = await answer("model", which.step.options?.[0]?.value ?? "test-model")
  assert.equal(save.step?.id, "save", save.step?.message)
  assert.ok(!readFileSync(join(house.home, "pincer.json"), "utf8").includes("providers"), "nothing is written before")
  assert.equal((await answer("save", true)).step?.id, "finished")
  const last = await answer("finished")
  assert.deepEqual([last.done, last.status], [true, "done"])
  assert.deepEqual(await call("wizard.status", { sessionId }), { status: "done" })
  const text = readFileSync(join(house.home, "pincer.json"), "utf8")
  assert.ok(!text.includes(KEY))
  const { agents, providers } = JSON.parse(text)
  assert.equal(providers.other.apiKey.file, "secrets/other.key")
  assert.match(agents.defaults.model, /^other\//)
  const place = join(house.home, "secrets", "other.key")
  assert.equal(readFileSync(place, "utf8"), `${KEY}\n`)
  assert.equal(statSync(place).mode & 0o777, 0o600)
  const said = (await call("chat.send", { message: "hello", wait: true })) as unknown as { text: string; model: string }
  assert.notEqual(said.text, "")
  assert.ok(!JSON.stringify(await call("config.get")).includes(KEY))
})

test("a service that does not answer can be left, and a wizard that is cancelled writes nothing", async (t) => {
  const { call, house } = await open(t)
  const before = readFileSync(join(house.home, "pincer.json"), "utf8")
  const { sessionId } = await call("wizard.start", { workspace: house.work })
  const answer = (stepId: string, value?: string | boolean) =>
    call("wizard.next", { sessionId, answer: { stepId, ...(value === undefined ? {} : { value }) } })
  await answer("welcome")
  await answer("workspace")
  await answer("service", "other")
  await answer("address", "http://127.0.0.1:1/v1")
  await answer("key", "")
  const trouble = await answer("model", "m")
  assert.equal(trouble.step?.id, "trouble")
  assert.equal((await answer("trouble", "again")).step?.id, "service")
  assert.deepEqual(await call("wizard.cancel", { sessionId }), { status: "cancelled" })
  assert.equal((await call("wizard.next", { sessionId })).done, true)
  await assert.rejects(call("wizard.next", { sessionId: "x" }), /wizard not found/)
  assert.equal(readFileSync(join(house.home, "pincer.json"), "utf8"), before)
  assert.equal((await call("wizard.start")).status, "running", "another one may begin")
})

test("a wizard that nobody answers ends by itself, and a fault of its own is told without its insides", async () => {
  const clock = stillClock()
  const idle = new Dialogue("a", { clock, log: silentLogger }, (ask) => ask.note("n", "Title", "Message"))
  assert.equal((await idle.current()).step?.id, "n")
  await clock.advance(30 * 60_000)
  assert.equal(idle.state.status, "cancelled")
  const broken = new Dialogue("b", { clock, log: silentLogger }, async () => {
    throw new TypeError("inside")
  })
  assert.equal((await broken.current()).error, "The set-up failed: the gateway's log says why")
  const refused = new Dialogue("c", { clock, log: silentLogger }, async () => {
    throw new PincerError("INVALID_PARAMS", "This does not go: do that")
  })
  assert.equal((await refused.current()).error, "This does not go: do that")
})

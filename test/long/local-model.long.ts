// A model file in a whole gateway with the real engine, from its installation to a tool that is really called: npm run test:local. The
// engine (some 85 MB) comes from the registry into a temporary home; where it cannot, the tests are skipped and say so loudly. The model is
// random: what it says means nothing, but a grammar makes it write a call.
import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, type TestContext, test } from "node:test"
import { connectGateway } from "../../src/protocol/client.ts"
import { callsOf } from "../../src/protocol/message.ts"
import { doneOf, failureIn, hear } from "../fakes/provider-room.ts"
import { tinyModel } from "../fakes/tiny-model.ts"
import { type House, startHouse } from "../house.ts"

const PROGRAM = join(import.meta.dirname, "../../bin/pincer.js")
const CONFIG = {
  models: { discover: true, localServers: [], local: { threads: 1, contextSize: 65_536 } },
  // Few tools: with a token for each byte a description is long.
  agents: { defaults: { tools: ["read"], maxOutputTokens: 24 } },
}
let house: House
let missing: string | undefined

function pincer(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { HOME: _, ...inherited } = process.env
  const env = {
    ...inherited,
    HOME: house.home,
    PINCER_HOME: house.home,
    PINCER_GATEWAY_TOKEN: house.token,
    NO_COLOR: "1",
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { env, cwd: house.work, timeout: 600_000 }, (error, out, err) =>
      resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, out, err }),
    )
  })
}

before(async () => {
  house = await startHouse({ config: CONFIG })
  const installed = await pincer("models", "engine", "install", "--json")
  if (installed.code !== 0) {
    missing = installed.err.trim()
    process.stderr.write(`\n!!! NOT TESTED: the engine could not be installed: ${missing}\n\n`)
    return
  }
  writeFileSync(join(house.work, "tiny.gguf"), tinyModel())
  const added = await pincer("models", "local", "add", "tiny.gguf", "--json")
  assert.equal(added.code, 0, added.err)
})

after(() => house?.close())

function needsEngine(t: TestContext): boolean {
  if (missing !== undefined) t.skip(`NOT TESTED: the engine could not be installed: ${missing}`)
  return missing === undefined
}

const READ = {
  name: "read",
  description: "Reads a file",
  inputSchema: {
    type: "object",
    properties: { path: { type: "string", maxLength: 12 }, line: { type: "integer" } },
    required: ["path"],
    additionalProperties: false,
  },
}

function local() {
  return house.parts.catalogue.provider("local") ?? assert.fail("there is no provider local")
}

test("what was installed is whole, and is chosen together with the model without a word of configuration", async (t) => {
  if (!needsEngine(t)) return
  const status = JSON.parse((await pincer("models", "engine", "status", "--json")).out)
  assert.equal(status.type, "node-llama-cpp")
  assert.ok(status.bytes < 120_000_000, `${status.bytes} bytes are more than this machine needs`)
  assert.match(house.gateway.chosen(), /^local\/tiny .*run by node-llama-cpp/)
  const { out } = await pincer("models", "list")
  assert.match(out, /^local\/tiny\t66k/m)
})

test("words stream, are counted, and end where the limit is", async (t) => {
  if (!needsEngine(t)) return
  const heard = await hear(local(), { model: "tiny", sampling: { maxOutputTokens: 32, seed: 5 } })
  const { stop, usage } = doneOf(heard)
  assert.equal(stop, "length")
  assert.equal(usage.outputTokens, 32)
  assert.ok(usage.inputTokens > 5)
  assert.ok(heard.events.filter(({ type }) => type === "text.delta").length > 1)
})

test("a call that has to be made fits the schema of its tool, though the model is random", async (t) => {
  if (!needsEngine(t)) return
  for (const seed of [1, 2, 3]) {
    const sampling = { toolChoice: { name: "read" }, maxOutputTokens: 400, seed, temperature: 1 }
    const { content, stop } = doneOf(await hear(local(), { model: "tiny", tools: [READ], sampling }))
    assert.equal(stop, "tool_calls")
    const [call] = callsOf(content)
    assert.equal(call?.name, "read")
    assert.equal(typeof call?.args?.["path"], "string")
    const more = call?.args?.["line"]
    assert.ok(more === undefined || Number.isInteger(more))
  }
})

test("an answer in a form of JSON fits it", async (t) => {
  if (!needsEngine(t)) return
  const schema = {
    type: "object",
    properties: { ok: { type: "boolean" } },
    required: ["ok"],
    additionalProperties: false,
  }
  const responseFormat = { type: "json_schema" as const, name: "answer", schema }
  const heard = await hear(local(), { model: "tiny", sampling: { maxOutputTokens: 200, responseFormat } })
  doneOf(heard)
  assert.equal(typeof JSON.parse(heard.text).ok, "boolean")
})

test("who stops is heard in the middle of an answer, and the next one comes", async (t) => {
  if (!needsEngine(t)) return
  const stop = new AbortController()
  const failures: string[] = []
  const asked = { id: "m", role: "user" as const, content: [{ type: "text" as const, text: "Hello" }], at: 0 }
  const request = { model: "tiny", messages: [asked], tools: [], sampling: { maxOutputTokens: 50_000 } }
  for await (const event of local().stream(request, stop.signal)) {
    if (event.type === "text.delta") stop.abort()
    if (event.type === "failed") failures.push(event.failure.kind)
  }
  assert.deepEqual(failures, ["aborted"])
  doneOf(await hear(local(), { model: "tiny", sampling: { maxOutputTokens: 4 } }))
})

test("a conversation that is longer than the context is refused as such", async (t) => {
  if (!needsEngine(t)) return
  const text = "字".repeat(30_000)
  const messages = [{ id: "m", role: "user" as const, content: [{ type: "text" as const, text }], at: 0 }]
  assert.equal(failureIn(await hear(local(), { model: "tiny", messages })).kind, "context_length")
})

test("a turn of an agent comes to its end, and its tokens are counted", async (t) => {
  if (!needsEngine(t)) return
  const client = await connectGateway({
    ...{ url: house.wsUrl, token: house.token },
    client: { id: "cli", version: "1", platform: "linux", mode: "cli" },
  })
  await client.request("agent", { message: "你好", idempotencyKey: "one" })
  const ended = await client.request("agent.wait", { runId: "one", timeoutMs: 120_000 }, { timeoutMs: 130_000 })
  assert.match(JSON.stringify(ended), /"status":"ok"/)
  client.close()
})

test("a file that is no model of this kind is refused by the engine, and the gateway goes on", async (t) => {
  if (!needsEngine(t)) return
  const folder = mkdtempSync(join(tmpdir(), "pincer-odd-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, "odd.gguf"), tinyModel({ texts: { "general.architecture": "nothing-known" } }))
  const added = await pincer("models", "local", "add", join(folder, "odd.gguf"))
  assert.equal(added.code, 0, added.err)
  const failure = failureIn(await hear(local(), { model: "odd" }))
  assert.match(failure.message, /local\/odd cannot be run/)
  doneOf(await hear(local(), { model: "tiny", sampling: { maxOutputTokens: 4 } }))
})

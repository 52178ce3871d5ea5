import assert from "node:assert/strict"
import { appendFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { z } from "zod"
import { callTools, say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"
import { configSchema } from "../../config/schema.ts"
import { ALL_SCOPES } from "../../protocol/frame.ts"
import { methodNames, methods } from "./index.ts"
import { tailLines } from "./logs.ts"

async function open(t: TestContext, options: Partial<Parameters<typeof openMethodRoom>[0]> = {}): Promise<MethodRoom> {
  const opened = await openMethodRoom({ script: () => say("Hello there"), ...options })
  t.after(() => opened.close())
  return opened
}

const refusal = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  if (text) assert.match(error.message, text)
  return true
}

interface Any {
  [key: string]: Any
}

test("every method has one name, a sentence, a known scope, and schemas that can be written down", () => {
  const names = methodNames()
  assert.equal(new Set(names).size, names.length, "no name stands for two methods")
  for (const entry of methods) {
    assert.match(entry.summary, /^\S.{10,140}\.$/, entry.name)
    assert.ok(ALL_SCOPES.includes(entry.scope), entry.name)
    z.toJSONSchema(entry.params, { io: "input" })
    z.toJSONSchema(entry.result)
  }
})

test("no method takes __proto__, arrays or nonsense for params without a refusal of its own", async (t) => {
  const { call } = await open(t)
  for (const entry of methods)
    for (const bad of [
      { limit: "many", sessionKey: 5, key: {}, id: [], runId: {}, days: -1, message: [], provider: 1, agentId: 1 },
    ])
      await call(entry.name, bad).catch((error: unknown) =>
        assert.ok(error instanceof PincerError, `${entry.name}: ${error}`),
      )
})

test("health is kept for a second and counts what there is", async (t) => {
  let now = 1_000_000
  const opened = await openMethodRoom({ script: () => say("x") })
  t.after(() => opened.close())
  const parts = { ...opened.parts, startedAt: now, clock: { ...opened.parts.clock, now: () => now } }
  const { healthPayload, healthSnapshot } = await import("../status/health.ts")
  const first = await healthPayload(parts)
  parts.presence.connections = 3
  assert.equal(await healthPayload(parts), first, "the very same object")
  now += 1_500
  const second: Any = JSON.parse((await healthPayload(parts)).text)
  assert.equal(second["connections"], 3)
  assert.equal(second["uptimeMs"], 1500)
  assert.equal(second["status"], "ok")
  assert.notEqual(await healthPayload(parts, true), await healthPayload(parts, true))
  await opened.call("chat.send", { message: "x", wait: true })
  const snapshot = await healthSnapshot(parts)
  assert.equal((snapshot["sessions"] as { count: number }).count, 1)
})

test("status names the model that answers and why", async (t) => {
  const { call } = await open(t)
  const status = (await call("status")) as Any
  assert.deepEqual(status["model"], { provider: "fake", model: "scripted", why: "test" })
  assert.deepEqual(status["turns"], { running: 0, queued: 0, waiting: 0 })
})

test("lists are objects in one dialect and bare arrays in the other", async (t) => {
  const { call, py } = await open(t)
  const tools = (await call("tools.list")) as { tools: { name: string; schema: object }[] }
  assert.deepEqual(
    tools.tools.map((tool) => tool.name),
    ["Look", "Act", "Note"],
  )
  assert.equal((tools.tools[0]?.schema as { type?: string }).type, "object")
  assert.deepEqual(await py("tools.list").then((list) => (list as Any[])[0]), {
    name: "Look",
    description: "Looks.",
    class: "read",
  })
  assert.deepEqual(await py("agents.list"), [{ id: "main", name: "main", model: "fake/scripted" }])
  assert.deepEqual(await py("models.list"), [])
  assert.deepEqual(await call("models.list"), { models: [] })
  assert.ok(Array.isArray(await call("system-presence")))
  assert.ok(Array.isArray(((await py("system.presence")) as Any)["entries"]))
  assert.deepEqual(await call("exec.approval.list"), [])
})

test("models.probe asks for real and says so in both words", async (t) => {
  const { call } = await open(t)
  const result = (await call("models.probe", { model: "m" })) as Any
  assert.equal(result["available"], true)
  assert.equal(result["status"], "ok")
  await assert.rejects(call("models.probe"), refusal("INVALID_PARAMS", /model or provider/))
  await assert.rejects(call("models.probe", { provider: "nope" }), refusal("NOT_FOUND", /nope/))
})

test("config.get never shows a secret, wherever it stands", async (t) => {
  const secret = "sk-proj-0123456789abcdefghij"
  const text = `{ // my key: ${secret}
    "gateway": { "auth": { "token": "${secret}" } },
    "providers": { "x": { "service": "openai", "apiKey": "${secret}", "headers": { "x-api-key": "${secret}" } } } }`
  const config = configSchema.parse({
    gateway: { auth: { token: secret } },
    providers: { x: { service: "openai", apiKey: secret, headers: { "x-api-key": secret } } },
  })
  const { call, parts } = await open(t, { parts: { config, configText: text } })
  writeFileSync(parts.configPath, text, { mode: 0o600 })
  const shown = (await call("config.get")) as Any
  assert.doesNotMatch(JSON.stringify(shown), /0123456789abcdefghij/)
  assert.equal(shown["exists"], true)
  assert.match(String(shown["hash"]), /^[0-9a-f]{64}$/)
  for (const key of ["gateway.auth.token", "gateway.auth", "providers.x.apiKey", "providers.x.headers"])
    assert.doesNotMatch(JSON.stringify(await call("config.get", { key })), /0123456789abcdefghij/, key)
  assert.equal(((await call("config.get", { key: "gateway.port" })) as Any)["value"], 18789)
  await assert.rejects(call("config.get", { key: "gateway.nothing" }), refusal("NOT_FOUND", /gateway\.nothing/))
  await assert.rejects(call("config.get", { key: "constructor.name" }), refusal("NOT_FOUND"))
})

test("logs.tail goes on where it stopped, by bytes, with whole lines only", async (t) => {
  const { call, py, parts } = await open(t)
  assert.deepEqual(((await call("logs.tail")) as Any)["lines"], [])
  const line = (level: number, msg: string) => `${JSON.stringify({ level, time: "2026-01-02T03:04:05.000Z", msg })}\n`
  writeFileSync(parts.logPath, `${line(30, "one") + line(50, "zwei 你好")}{"level":30,"msg":"half`)
  const first = (await call("logs.tail")) as Any
  assert.equal(Object.values(first["lines"]!).length, 2)
  appendFileSync(parts.logPath, ' done"}\n')
  const next = (await call("logs.tail", { cursor: first["cursor"] })) as Any
  assert.deepEqual(next["lines"], ['{"level":30,"msg":"half done"}'])
  assert.equal(next["reset"], false)
  const errors = (await py("system.logs", { level: "error", json: true, lines: 5 })) as Any
  assert.equal(errors["count"], 1)
  assert.equal(Object.values(errors["logs"]!)[0]?.["time"], "2026-01-02T03:04:05.000Z")
  writeFileSync(parts.logPath, line(30, "new file"))
  const rotated = (await call("logs.tail", { cursor: next["cursor"] })) as Any
  assert.equal(rotated["reset"], true)
  assert.equal(rotated["count"], 1)
})

test("tailLines() says when it left something out and never stands still", async (t) => {
  const { parts } = await open(t)
  const path = join(parts.home, "many.log")
  writeFileSync(path, Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join(""))
  const last = await tailLines(path, { limit: 3, maxBytes: 10_000 })
  assert.deepEqual(last.lines, ["line 97", "line 98", "line 99"])
  assert.equal(last.truncated, true)
  const bytes = await tailLines(path, { limit: 100, maxBytes: 20 })
  assert.deepEqual(bytes.lines, ["line 98", "line 99"])
  assert.equal(bytes.truncated, true)
  writeFileSync(path, "x".repeat(500))
  const endless = await tailLines(path, { cursor: 0, limit: 10, maxBytes: 100 })
  assert.equal(endless.cursor, 500)
})

test("system.info tells of the machine, with python null", async (t) => {
  const { py } = await open(t)
  const info = (await py("system.info")) as Any
  assert.equal(info["python"], null)
  assert.deepEqual(info["runtime"], { name: "node", version: process.versions.node })
  assert.ok(Number(info["memory"]!["rssBytes"]) > 0)
})

test("usage.get adds up what turns cost", async (t) => {
  const { call } = await open(t)
  await call("chat.send", { message: "1", wait: true })
  await call("chat.send", { message: "2", wait: true })
  const usage = (await call("usage.get", { days: 1 })) as Any
  assert.equal(usage["totalTokens"], 30)
  assert.equal(usage["estimatedCost"], 0.02)
  assert.equal(usage["totals"]!["turns"], 2)
  assert.equal(usage["byModel"]!["fake/scripted"]!["input"], 20)
  assert.equal(Object.values(usage["daily"]!)[0]!["totalTokens"], 30)
  await assert.rejects(call("usage.get", { days: 0 }), refusal("INVALID_PARAMS"))
})

test("an approval is listed, read and decided once, under the names of both dialects", async (t) => {
  const { call, py, room } = await open(t, {
    canAsk: true,
    script: (_, __, n) => (n === 1 || n === 3 ? callTools({ name: "Act", args: { text: `rm ${n}` } }) : say("Done")),
  })
  await call("chat.send", { message: "do", idempotencyKey: "t1" })
  await room.seen("approval.requested", "t1")
  const [waiting] = (await call("exec.approval.list")) as Any[]
  const id = waiting!["id"]
  assert.equal(waiting!["request"]!["command"], waiting!["summary"])
  assert.equal(waiting!["status"], "pending")
  await assert.rejects(
    call("exec.approval.resolve", { id, decision: "maybe" }),
    refusal("INVALID_PARAMS", /allow-once/),
  )
  await assert.rejects(
    call("exec.approval.resolve", { id: "x", decision: "deny" }),
    refusal("NOT_FOUND", /unknown approval id/),
  )
  await assert.rejects(call("exec.approval.get", { id: "x" }), refusal("NOT_FOUND", /unknown approval id/))
  assert.deepEqual(await py("tools.exec_approve", { requestId: id, approved: true }), {
    ok: true,
    id,
    decision: "allow-once",
  })
  await assert.rejects(call("exec.deny", { id }), refusal("CONFLICT", /already resolved/))
  assert.equal((await room.lanes.wait("t1"))?.status, "completed")
  assert.deepEqual(room.acts, ["rm 1"])
  assert.equal(((await call("exec.approval.get", { approvalId: id })) as Any)["decision"], "allow-once")
  await call("chat.send", { message: "again", idempotencyKey: "t2" })
  await room.seen("approval.requested", "t2")
  const { list } = (await py("exec.list")) as { list: Any[] }
  await call("exec.deny", { id: list[0]!["id"] })
  await room.lanes.wait("t2")
  assert.deepEqual(room.acts, ["rm 1"], "a denied call does nothing")
})

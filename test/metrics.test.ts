// The metrics page as Prometheus would read it, and its JSON twin.
import assert from "node:assert/strict"
import { test } from "node:test"
import { startFakeModel } from "./fakes/model-service.ts"
import { startHouse, TEST_TOKEN } from "./house.ts"

test("GET /metrics counts turns, calls, tokens and denials, needs the token, and names nobody", async (t) => {
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const house = await startHouse({ fake: fake.url })
  t.after(() => house.close())
  const get = (path: string, headers: Record<string, string> = { authorization: `Bearer ${TEST_TOKEN}` }) =>
    fetch(`${house.url}${path}`, { headers })
  assert.equal((await get("/metrics", {})).status, 401)
  fake.script(
    { calls: [{ name: "LS", args: { path: "." } }] },
    { text: "done" },
    { fail: { type: "status", status: 400 } },
  )
  const say = (text: string) =>
    fetch(`${house.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${TEST_TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "pincer", messages: [{ role: "user", content: text }] }),
    })
  assert.equal((await say("geheim")).status, 200)
  assert.notEqual((await say("again")).status, 200)
  const response = await get("/metrics")
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/)
  const page = await response.text()
  assert.match(page, /^# TYPE pincer_turns_total counter$/m)
  assert.match(page, /^pincer_turns_total\{status="completed"\} 1$/m)
  assert.match(page, /^pincer_turns_total\{status="failed"\} 1$/m)
  assert.match(page, /^pincer_tool_calls_total\{tool="LS"\} 1$/m)
  assert.match(page, /^pincer_input_tokens_total\{model="fake\/test-model"\} [1-9]/m)
  assert.match(page, /^pincer_turn_seconds_count 2$/m)
  assert.match(page, /^pincer_jobs\{status="queued"\} 0$/m)
  assert.doesNotMatch(page, /geheim|agent:main/)
  // biome-ignore lint/suspicious/noExplicitAny: what comes over a wire is looked at, not typed.
  const json: any = await (await get("/api/metrics")).json()
  assert.equal(json.counters["request.total"], 2)
  assert.equal(json.counters["request.errors"], 1)
  assert.equal(json.latencies["request.latency"].count, 2)
})

// What each door of jobs refuses: status, word and sentence, the same over HTTP and over the control plane. And readers who do not
// read.
import assert from "node:assert/strict"
import http from "node:http"
import { after, before, test } from "node:test"
import type { PincerError } from "../src/base/errors.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import type { WireJob } from "../src/protocol/job.ts"
import { askJobs, readEvents, untilStatus } from "./fakes/job-client.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

let fake: FakeModel
let house: House
let client: GatewayClient
let done: string
before(async () => {
  fake = await startFakeModel()
  house = await startHouse({ fake: fake.url })
  client = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: { id: "test", version: "1", platform: "linux", mode: "test" },
  })
  done = (await askJobs(house, "POST", "", { prompt: "first", idempotency_key: "taken" })).body.id
  await untilStatus(house, done, "completed")
})
after(async () => {
  client.close()
  await house.close()
  await fake.close()
})

interface Bad {
  what: string
  /** Path and body of the HTTP request, and the same as a method. */
  http: [method: string, path: string, body?: unknown]
  rpc: [method: string, params: Record<string, unknown>]
  status: number
  /** Code of the HTTP error object, and the control plane's finer word. */
  code: string
  message: RegExp
}

const submit = (body: Record<string, unknown>): Pick<Bad, "http" | "rpc"> => ({
  http: ["POST", "", body],
  rpc: ["job.submit", body],
})
const unknown = "019d527d-34ed-7272-b336-f67fd49024db"
const BAD = { status: 400, code: "INVALID_PARAMS" }

const table = (): Bad[] => [
  { what: "no prompt", ...submit({}), ...BAD, message: /prompt is required/ },
  { what: "empty prompt", ...submit({ prompt: "" }), ...BAD, message: /prompt is required/ },
  { what: "blank prompt", ...submit({ prompt: " \n" }), ...BAD, message: /prompt is required/ },
  { what: "a number as prompt", ...submit({ prompt: 7 }), ...BAD, message: /prompt/ },
  { what: "a list as agent", ...submit({ prompt: "x", agent: ["a"] }), ...BAD, message: /agent/ },
  { what: "words as timeout", ...submit({ prompt: "x", timeout: "soon" }), ...BAD, message: /timeout/ },
  { what: "a timeout below 0", ...submit({ prompt: "x", timeout: -1 }), ...BAD, message: /timeout/ },
  { what: "half a priority", ...submit({ prompt: "x", priority: 0.5 }), ...BAD, message: /priority/ },
  { what: "a relative folder", ...submit({ prompt: "x", cwd: "src" }), ...BAD, message: /cwd "src" is relative/ },
  {
    what: "allow for nobody there",
    ...submit({ prompt: "x", permissions: { non_interactive: "allow" } }),
    ...BAD,
    message: /nonInteractive/,
  },
  {
    what: "a prompt of 10 MB",
    ...submit({ prompt: "x".repeat(10_000_000) }),
    status: 413,
    code: "TOO_LARGE",
    message: /prompt is too long: 10000000 characters, at most 500000/,
  },
  {
    what: "an unknown agent",
    ...submit({ prompt: "x", agent: "nobody" }),
    status: 404,
    code: "UNKNOWN_AGENT_ID",
    message: /Unknown agent "nobody": configured are main/,
  },
  {
    what: "a session of another agent",
    ...submit({ prompt: "x", agent: "main", session: "agent:other:s" }),
    ...BAD,
    message: /does not match session key/,
  },
  {
    what: "a used key with other content",
    ...submit({ prompt: "second", idempotency_key: "taken" }),
    status: 409,
    code: "CONFLICT",
    message: /Idempotency key "taken" was used for another job .*: send a fresh one/,
  },
  {
    what: "an unknown job",
    http: ["GET", `/${unknown}`],
    rpc: ["job.get", { job_id: unknown }],
    status: 404,
    code: "UNKNOWN_JOB",
    message: /Unknown job "019d527d-.*": run "pincer job list"/,
  },
  {
    what: "cancel of an unknown job",
    http: ["POST", `/${unknown}/cancel`],
    rpc: ["job.cancel", { job_id: unknown }],
    status: 404,
    code: "UNKNOWN_JOB",
    message: /Unknown job/,
  },
  {
    what: "retry of an unknown job",
    http: ["POST", `/${unknown}`, { action: "retry" }],
    rpc: ["job.retry", { job_id: unknown }],
    status: 404,
    code: "UNKNOWN_JOB",
    message: /Unknown job/,
  },
  {
    what: "delete of an unknown job",
    http: ["DELETE", `/${unknown}`],
    rpc: ["job.delete", { job_id: unknown }],
    status: 404,
    code: "UNKNOWN_JOB",
    message: /Unknown job/,
  },
  {
    what: "cancel of a job that has ended",
    http: ["POST", `/${done}`, { action: "cancel" }],
    rpc: ["job.cancel", { job_id: done }],
    status: 409,
    code: "CONFLICT",
    message: /is completed and cannot become canceled/,
  },
  {
    what: "retry of a job that did not fail",
    http: ["POST", `/${done}/retry`],
    rpc: ["job.retry", { job_id: done }],
    status: 409,
    code: "CONFLICT",
    message: /is completed and cannot become queued/,
  },
  {
    what: "a place that is none",
    http: ["GET", `/${done}/events?after=yesterday`],
    rpc: ["job.subscribe", { job_id: done, after: "yesterday" }],
    ...BAD,
    message: /"yesterday" is no place/,
  },
  {
    what: "an unknown status in a list",
    http: ["GET", "?status=sleeping"],
    rpc: ["job.list", { status: "sleeping" }],
    ...BAD,
    message: /status/,
  },
  {
    what: "an endless page",
    http: ["GET", "?limit=100000"],
    rpc: ["job.list", { limit: 100000 }],
    ...BAD,
    message: /limit/,
  },
  {
    what: "a cursor that is none",
    http: ["GET", "?cursor=x"],
    rpc: ["job.list", { cursor: "x" }],
    ...BAD,
    message: /cursor/,
  },
]

test("both doors refuse bad input with the same word and sentence, and nothing is queued", async (t) => {
  const before = await house.parts.jobs.list({ limit: 1 })
  for (const row of table())
    await t.test(row.what, async () => {
      const [method, path, body] = row.http
      const answer = await askJobs<{ error: { code: string; message: string } }>(house, method, path, body)
      assert.equal(answer.status, row.status)
      assert.match(answer.body.error.message, row.message)
      assert.equal(answer.body.error.code.toUpperCase(), row.code)
      await assert.rejects(client.request(...row.rpc), (error: PincerError) => {
        assert.match(error.message, row.message)
        return true
      })
    })
  assert.equal((await house.parts.jobs.list({ limit: 1 })).total, before.total)
})

test("HTTP alone refuses what is no JSON, no UTF-8, no known action, no known path, and no token", async () => {
  const bad = async (body: unknown, headers: Record<string, string> = {}, path = "") => {
    const answer = await askJobs<{ error: { message: string } }>(house, "POST", path, body, headers)
    return [answer.status, answer.body.error.message] as const
  }
  assert.deepEqual((await bad("{"))[0], 400)
  assert.match((await bad(new Uint8Array([0x7b, 0xff, 0x7d])))[1], /not valid UTF-8/)
  assert.deepEqual((await bad("[1]"))[0], 400)
  assert.deepEqual((await bad('{"prompt":"x"}', { "content-type": "text/plain" }))[0], 415)
  assert.deepEqual((await bad('{"prompt":"x"}', { "content-type": "application/x-www-form-urlencoded" }))[0], 415)
  const action = await bad({ action: "pause" }, {}, `/${done}`)
  assert.deepEqual(action, [400, 'unknown action "pause": use "cancel" or "retry"'])
  assert.equal((await askJobs(house, "PUT", `/${done}`, {})).status, 405)
  assert.equal((await askJobs(house, "GET", `/${done}/nothing`)).status, 404)
  assert.equal((await askJobs({ url: house.url, token: "wrong" }, "GET", "")).status, 401)
  assert.equal((await bad('{"prompt":"x"}', { origin: "https://evil.example" }))[0], 403)
})

test("a deleted job that ran is canceled and gone over the control plane, and its subscribers hear the end", async () => {
  const gate = Promise.withResolvers<void>()
  fake.script({ text: "never seen", deltaSize: 3, gate: gate.promise })
  const job = await client.request<WireJob>("job.submit", { prompt: "x", agent_name: "main" })
  const events: string[] = []
  const over = Promise.withResolvers<void>()
  client.on("job.event", (frame) => events.push((frame.payload as { type: string }).type))
  client.on("job.done", () => over.resolve())
  const subscribed = await client.request<WireJob>("job.subscribe", { job_id: job.id })
  assert.equal(subscribed.id, job.id)
  const answer = await client.request("job.delete", { id: job.id })
  gate.resolve()
  assert.deepEqual(answer, { success: true, status: "canceled" })
  await over.promise
  await assert.rejects(client.request("job.get", { job_id: job.id }), /Unknown job/)
  assert.equal(events[0], "job.queued")
})

test("a subscription tells the whole of a job with places to go on from, then that it is over", async () => {
  const job = await client.request<WireJob>("job.submit", { prompt: "tell me" })
  const events: { type: string; cursor: string | null }[] = []
  const over = Promise.withResolvers<void>()
  const stops = [
    client.on("job.event", (frame) => events.push(frame.payload as (typeof events)[number])),
    client.on("job.done", () => over.resolve()),
  ]
  await client.request("job.subscribe", { job_id: job.id })
  await over.promise
  for (const stop of stops) stop()
  const recorded = events.filter((event) => event.cursor !== null)
  const http = (await readEvents(house, job.id)).filter((told) => told.id !== undefined)
  assert.deepEqual(
    recorded.map((event) => [event.type, event.cursor]),
    http.map((told) => [told.event, told.id]),
  )
  assert.ok(events.some((event) => event.type === "text.delta" && event.cursor === null))
})

test("a reader of events who stops reading gets everything once he reads", async () => {
  const text = "word ".repeat(20_000)
  const calls = Array.from({ length: 40 }, (_, i) => ({
    id: `c${i}`,
    name: "TodoWrite",
    args: { todos: [{ content: text, status: "pending" }] },
  }))
  fake.script({ calls })
  const job = await client.request<WireJob>("job.submit", { prompt: "much to tell" })
  const headers = { authorization: `Bearer ${house.token}` }
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http
      .get(`${house.url}/api/jobs/${job.id}/events`, { headers, highWaterMark: 1024 } as http.RequestOptions, resolve)
      .on("error", reject)
  })
  response.pause()
  await untilStatus(house, job.id, "completed")
  let size = 0
  let last = ""
  for await (const chunk of response) {
    size += (chunk as Buffer).length
    last = (last + String(chunk)).slice(-2000)
  }
  assert.match(last, /event: job\.completed/)
  assert.ok(size > 4_000_000, `${size}`)
})

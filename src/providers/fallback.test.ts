import assert from "node:assert/strict"
import { test } from "node:test"
import type { Clock } from "../base/clock.ts"
import type { CatalogueEvent, ModelRef } from "./catalogue.ts"
import { failureOf } from "./failure.ts"
import { streamWithFallback } from "./fallback.ts"
import type { FailureKind, ModelEvent, ModelFailure, Provider } from "./provider.ts"

const DONE: ModelEvent = {
  type: "done",
  stop: "stop",
  content: [{ type: "text", text: "hi" }],
  usage: {
    inputTokens: 1,
    outputTokens: 1,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    costUsd: null,
  },
}
const HI: ModelEvent[] = [{ type: "text.delta", text: "hi" }, DONE]

function failed(kind: FailureKind, more: Partial<ModelFailure> = {}): ModelEvent {
  return { type: "failed", failure: failureOf(kind, `${kind} happened`, more).failure }
}

/** Providers that answer their requests with these scripts in order; what was asked is kept. */
function providersOf(scripts: Record<string, ModelEvent[][]>) {
  const asked: string[] = []
  const find = (id: string): Provider | undefined =>
    scripts[id] && {
      id,
      wire: "openai-chat",
      async *stream(request) {
        asked.push(`${id}/${request.model}`)
        yield* scripts[id]!.shift() ?? [failed("server", { message: "no script left" })]
      },
      listModels: async () => [],
    }
  return { find, asked }
}

/** A clock whose sleeps end at once, or only when aborted; their lengths are kept. */
function testClock(stuck = false) {
  const sleeps: number[] = []
  const clock: Clock = {
    now: () => 0,
    after: () => () => undefined,
    sleep(ms, signal) {
      sleeps.push(ms)
      if (!stuck) return Promise.resolve()
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)))
    },
  }
  return { clock, sleeps }
}

const refs = (...names: string[]) =>
  names.map((name): ModelRef => {
    const [provider = "", model = ""] = name.split("/")
    return { provider, model }
  })

async function run(
  scripts: Record<string, ModelEvent[][]>,
  names: string[],
  options: { signal?: AbortSignal; clock?: ReturnType<typeof testClock> } = {},
) {
  const { find, asked } = providersOf(scripts)
  const { clock, sleeps } = options.clock ?? testClock()
  const events: CatalogueEvent[] = []
  const request = { messages: [], tools: [], sampling: {} }
  const signal = options.signal ?? new AbortController().signal
  for await (const event of streamWithFallback(find, refs(...names), request, signal, clock)) events.push(event)
  return { events, asked, sleeps, last: events.at(-1) }
}

test("a rate limit with a short retry-after is waited out and the same model asked again", async () => {
  const { asked, sleeps, last } = await run({ a: [[failed("rate_limit", { retryAfterMs: 2_000 })], HI] }, [
    "a/1",
    "b/1",
  ])
  assert.deepEqual(asked, ["a/1", "a/1"])
  assert.deepEqual(sleeps, [2_000])
  assert.equal(last?.type, "done")
})

test("a long retry-after is not waited for: the next model takes over and says after whom", async () => {
  const { asked, sleeps, events } = await run({ a: [[failed("rate_limit", { retryAfterMs: 60_000 })]], b: [HI] }, [
    "a/1",
    "b/2",
  ])
  assert.deepEqual(asked, ["a/1", "b/2"])
  assert.deepEqual(sleeps, [])
  assert.deepEqual(
    events.filter((event) => event.type === "attempt"),
    [
      { type: "attempt", ref: { provider: "a", model: "1" } },
      {
        type: "attempt",
        ref: { provider: "b", model: "2" },
        after: { ref: { provider: "a", model: "1" }, message: "rate_limit happened" },
      },
    ],
  )
})

test("the same model is asked again once only", async () => {
  const { asked, last } = await run({ a: [[failed("overloaded")], [failed("overloaded")], HI] }, ["a/1"])
  assert.equal(asked.length, 2)
  assert.equal(last?.type === "failed" && last.failure.kind, "overloaded")
})

for (const kind of ["billing", "auth"] as const)
  test(`${kind}: no other model of that provider is asked, but another provider is`, async () => {
    const { asked, last } = await run({ a: [[failed(kind)], HI, HI], b: [HI] }, ["a/1", "a/2", "b/1", "a/3"])
    assert.deepEqual(asked, ["a/1", "b/1"])
    assert.equal(last?.type, "done")
  })

for (const kind of ["stalled", "truncated", "network", "server", "format", "not_found"] as const)
  test(`${kind} before the first words goes to the next model`, async () => {
    const { asked, last } = await run({ a: [[failed(kind)], [failed(kind)]], b: [HI] }, ["a/1", "b/1"])
    assert.equal(asked.at(-1), "b/1")
    assert.equal(last?.type, "done")
  })

for (const kind of ["aborted", "invalid_request", "context_length", "refusal"] as const)
  test(`${kind} is asked nobody else`, async () => {
    const { asked, last } = await run({ a: [[failed(kind)], HI], b: [HI] }, ["a/1", "b/1"])
    assert.deepEqual(asked, ["a/1"])
    assert.equal(last?.type === "failed" && last.failure.kind, kind)
  })

test("after the first words a failure passes through and nobody takes over", async () => {
  for (const type of ["text.delta", "thinking.delta"] as const) {
    const { asked, events } = await run({ a: [[{ type, text: "Wel" }, failed("network")]], b: [HI] }, ["a/1", "b/1"])
    assert.deepEqual(asked, ["a/1"])
    assert.deepEqual(
      events.map((event) => event.type),
      ["attempt", type, "failed"],
    )
  }
})

test("an abort while waiting for the same model ends the stream as aborted", async () => {
  const abort = new AbortController()
  const clock = testClock(true)
  const running = run({ a: [[failed("rate_limit", { retryAfterMs: 4_000 })], HI], b: [HI] }, ["a/1", "b/1"], {
    signal: abort.signal,
    clock,
  })
  while (clock.sleeps.length === 0) await new Promise((resolve) => setImmediate(resolve))
  abort.abort(new Error("enough"))
  const { asked, last } = await running
  assert.deepEqual(asked, ["a/1"])
  assert.equal(last?.type === "failed" && last.failure.kind, "aborted")
})

test("a provider that is not there is passed over", async () => {
  const { asked, last } = await run({ b: [HI] }, ["gone/1", "b/1"])
  assert.deepEqual(asked, ["b/1"])
  assert.equal(last?.type, "done")
})

test("events pass through as the same objects", async () => {
  const { events } = await run({ a: [HI] }, ["a/1"])
  assert.equal(events[1], HI[0])
  assert.equal(events[2], HI[1])
})

import assert from "node:assert/strict"
import { test } from "node:test"
import { silentLogger } from "../../base/log.ts"
import { patternsOnly } from "../../base/redact.ts"
import type { FeedPage } from "../../jobs/feed.ts"
import type { TurnEnvelope } from "../../protocol/event.ts"
import { Hub } from "../hub.ts"
import type { Parts } from "../parts.ts"
import { streamJob } from "./job-stream.ts"

/** A desk with a growing list of events, one page of two at a time. */
function fakeDesk() {
  const told: string[] = []
  const listeners = new Set<() => void>()
  const state = { ended: false, gone: false, pages: 0 }
  const jobs = {
    get: async () => ({ request: { sessionKey: "s" } }),
    onJob(_id: string, listener: () => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async events(_id: string, after: string | undefined): Promise<FeedPage> {
      state.pages += 1
      const from = Number(after ?? 0)
      const rows = told.slice(from, from + 2)
      const cursor = String(from + rows.length)
      const events = rows.map((type, i) => ({ cursor: String(from + i + 1), type, json: "{}" }))
      const more = told.length > from + rows.length
      return { events, cursor, more, ended: !more && state.ended, gone: !more && state.gone }
    },
  }
  const hub = new Hub(silentLogger)
  const parts = { jobs, hub, redactor: patternsOnly } as unknown as Pick<Parts, "jobs" | "hub" | "redactor">
  const add = (...types: string[]) => {
    told.push(...types)
    for (const listener of listeners) listener()
  }
  return { parts, hub, add, state, listeners }
}

const delta = (turnId: string, text: string): TurnEnvelope => ({
  sessionKey: "s",
  sessionId: "i",
  agentId: "main",
  turnId,
  seq: null,
  at: 1,
  event: { type: "text.delta", messageId: "m", delta: text, offset: 0 },
})

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

test("what is there is told at once, what comes is told when it comes, and the end ends it", async () => {
  const { parts, add, state, listeners } = fakeDesk()
  add("a", "b", "c")
  const seen: string[] = []
  const sink = { event: ({ type }: { type: string }) => void seen.push(type) }
  const done = streamJob(parts, "j", undefined, sink, new AbortController().signal)
  await settle()
  assert.deepEqual(seen, ["a", "b", "c"])
  state.ended = true
  add("d")
  await done
  assert.deepEqual(seen, ["a", "b", "c", "d"])
  assert.equal(listeners.size, 0)
})

test("a reader who wants no more for now is told no more, and nothing is read for him", async () => {
  const { parts, add, state } = fakeDesk()
  for (let i = 0; i < 100; i++) add(`e${i}`)
  const gate = Promise.withResolvers<void>()
  const seen: string[] = []
  const sink = {
    event: ({ type }: { type: string }) => {
      seen.push(type)
      return gate.promise
    },
  }
  state.ended = true
  const done = streamJob(parts, "j", undefined, sink, new AbortController().signal)
  await settle()
  assert.deepEqual([seen.length, state.pages], [1, 1])
  gate.resolve()
  await done
  assert.equal(seen.length, 100)
})

test("live events of the job's own turns are told to whoever wants them, and not those of other turns", async () => {
  const { parts, hub, add, state } = fakeDesk()
  add("a")
  const live: string[] = []
  const sink = { event: () => undefined, live: (_type: string, json: string) => void live.push(json) }
  const done = streamJob(parts, "j", undefined, sink, new AbortController().signal)
  await settle()
  hub.publish(delta("j.1", "mine"))
  hub.publish(delta("jj.1", "other"))
  await settle()
  assert.equal(live.length, 1)
  assert.match(live[0]!, /"job_id":"j","turn_id":"j\.1".*"mine"/)
  state.ended = true
  add("b")
  await done
})

test("a removed job and a reader who has gone end the stream", async () => {
  const removed = fakeDesk()
  removed.state.gone = true
  await streamJob(removed.parts, "j", undefined, { event: () => undefined }, new AbortController().signal)
  const left = fakeDesk()
  const controller = new AbortController()
  const done = streamJob(left.parts, "j", undefined, { event: () => undefined }, controller.signal)
  await settle()
  controller.abort()
  await done
  assert.equal(left.listeners.size, 0)
})

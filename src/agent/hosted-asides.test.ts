import assert from "node:assert/strict"
import { test } from "node:test"
import { stillClock } from "../../test/fakes/still-clock.ts"
import { silentLogger } from "../base/log.ts"
import { openRedactor } from "../base/redact.ts"
import type { RecordedEnvelope, RecordedEvent } from "../protocol/event.ts"
import { HostedAsides } from "./hosted-asides.ts"

function room() {
  const clock = stillClock()
  const told: RecordedEvent[] = []
  const shown: RecordedEnvelope[] = []
  const asides = new HostedAsides({
    ...{ clock, log: silentLogger, redactor: openRedactor({ secrets: ["hunter2-hunter2"] }) },
    changed: async () => undefined,
    publish: (envelope) => shown.push(envelope),
    async record(sessionKey, log, events) {
      if (log !== "mine") return undefined
      const made = events("t1")
      told.push(...made)
      return made.map((event, i) => ({
        ...{ sessionKey, sessionId: log, agentId: "a", turnId: "t1", seq: told.length + i, at: 0, event },
      }))
    },
  })
  const hear = (event: Parameters<HostedAsides["hear"]>[1], log = "mine") => asides.hear("k", event, log)
  return { asides, clock, hear, shown, told }
}

const notice = (text: string) => ({ type: "notice", level: "info", code: "x", text }) as const

test("in one minute so many things are kept; the rest is counted in one notice, and the next minute begins anew", async () => {
  const { asides, clock, hear, shown, told } = room()
  for (let i = 0; i < 75; i++) hear(notice(`${i}`))
  await asides.settle("k")
  assert.equal(told.length, 60)
  await clock.advance(60_000)
  await asides.close()
  assert.match(JSON.stringify(told.at(-1)), /15 things were left out/)
  hear(notice("again"))
  await asides.close()
  assert.match(JSON.stringify(told.at(-1)), /again/)
  assert.equal(shown.length, told.length)
})

test("words in pieces become one message without secrets, once none has come for a while", async () => {
  const { asides, clock, hear, told } = room()
  hear({ type: "text", of: "thought", text: "hm" })
  for (const text of ["the key is hunter2-", "hunter2", " you know"]) hear({ type: "text", of: "answer", text })
  await clock.advance(1_000)
  await asides.settle("k")
  assert.equal(told.length, 1)
  const [event] = told
  assert.equal(event?.type, "message.added")
  assert.deepEqual(event.message.content, [
    { type: "thinking", text: "hm" },
    { type: "text", text: "the key is [redacted] you know" },
  ])
  assert.equal(event.message.turnId, "t1")
})

test("what comes of a log that is over is neither kept nor shown", async () => {
  const { asides, hear, shown, told } = room()
  hear(notice("late"), "old")
  await asides.close()
  assert.deepEqual([...told, ...shown], [])
})

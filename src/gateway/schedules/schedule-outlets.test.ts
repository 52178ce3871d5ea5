import assert from "node:assert/strict"
import { once } from "node:events"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { type TestContext, test } from "node:test"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { isSpecialAddress } from "../../base/address.ts"
import { systemClock } from "../../base/clock.ts"
import { patternsOnly } from "../../base/redact.ts"
import type { OutletMessage } from "../../jobs/schedule.ts"
import type { Message } from "../../protocol/message.ts"
import type { TickRecord } from "../../protocol/schedule.ts"
import { type OutletParts, Outlets } from "./schedule-outlets.ts"

const tick = { id: "cron-s-1", scheduledFor: 1, state: "ran", error: null, reason: null } as TickRecord
const message: OutletMessage = {
  id: "cron-s-1.told",
  text: "done: sk-proj-0123456789abcdefghijABCDEFGHIJ0123456789abcdefghij",
  schedule: { id: "s", name: "nightly", agentId: "main" },
  tick,
}
const never = new AbortController().signal
const session = { kind: "session", sessionKey: "agent:main:main" } as const

function open(more: Partial<OutletParts> = {}) {
  const notes: Message[] = []
  const outlets = new Outlets({
    transcript: {
      messages: async () => notes,
      add: async (_key, _agent, events) => {
        for (const event of events) if (event.type === "message.added") notes.push(event.message)
        return []
      },
    },
    lanes: { active: () => [], wait: async () => undefined },
    clock: stillClock(),
    redactor: patternsOnly,
    publish: () => undefined,
    rules: { isSpecial: isSpecialAddress, allowHosts: [] },
    callback: () => ({ timeoutMs: 5_000, maxTries: 3, backoffMs: 1 }),
    ...more,
  })
  return { notes, outlets }
}

async function receiver(t: TestContext, statuses: number[]) {
  const got: { id: string | undefined; body: Record<string, unknown> }[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const id = request.headers["x-pincer-delivery"]
    got.push({ id: String(id), body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown> })
    response.writeHead(statuses.shift() ?? 200).end()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return { got, url: `http://127.0.0.1:${port}/hook`, host: `127.0.0.1:${port}` }
}

test("a note is written once, however often it is told, and without secrets", async () => {
  const { notes, outlets } = open()
  await outlets.tell(session, message, never)
  await outlets.tell(session, message, never)
  assert.equal(notes.length, 1)
  const text = JSON.stringify(notes[0]?.content)
  assert.match(text, /\[nightly\].*done/)
  assert.doesNotMatch(text, /0123456789abcdefghij/)
})

test("a note waits for the turn that runs in its session", async () => {
  let running = true
  const waits: string[] = []
  const turn = {
    turnId: "t",
    sessionKey: "",
    agentId: "main",
    status: "running",
    text: "",
    thinking: "",
    startedAt: 0,
  } as const
  const { notes, outlets } = open({
    lanes: {
      active: () => (running ? [turn] : []),
      wait: async (id) => {
        waits.push(id)
        assert.equal(notes.length, 0)
        running = false
        return undefined
      },
    },
  })
  await outlets.tell(session, message, never)
  assert.deepEqual([waits, notes.length], [["t"], 1])
})

test("a turn that never ends does not hold a note for ever", async () => {
  const clock = stillClock()
  const turn = {
    turnId: "t",
    sessionKey: "",
    agentId: "main",
    status: "waiting",
    text: "",
    thinking: "",
    startedAt: 0,
  } as const
  const lanes: OutletParts["lanes"] = {
    active: () => [turn],
    wait: async (_id, options) => {
      clock.jump(options?.timeoutMs ?? 0)
      return undefined
    },
  }
  await assert.rejects(open({ clock, lanes }).outlets.tell(session, message, never), /nothing could be told/)
})

test("a URL is posted to until it takes it, each time under the same id", async (t) => {
  const { got, host, url } = await receiver(t, [500, 503])
  const rules = { isSpecial: isSpecialAddress, allowHosts: [host] }
  await open({ rules, clock: systemClock }).outlets.tell({ kind: "webhook", url }, message, never)
  assert.deepEqual(
    got.map(({ id }) => id),
    [message.id, message.id, message.id],
  )
  const { jobId, name, runId, status, text } = got[2]!.body
  assert.deepEqual([jobId, name, runId, status], ["s", "nightly", "cron-s-1", "ok"])
  assert.doesNotMatch(String(text), /0123456789abcdefghij/)
})

test("a URL that never takes it is given up, and a private one is not called", async (t) => {
  const { got, host, url } = await receiver(t, [500, 500, 500, 500])
  const rules = { isSpecial: isSpecialAddress, allowHosts: [host] }
  await assert.rejects(
    open({ rules, clock: systemClock }).outlets.tell({ kind: "webhook", url }, message, never),
    /answered with 500/,
  )
  assert.equal(got.length, 3)
  await assert.rejects(open().outlets.tell({ kind: "webhook", url }, message, never), /private or local/)
  assert.equal(got.length, 3)
})

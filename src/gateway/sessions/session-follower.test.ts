import assert from "node:assert/strict"
import { test } from "node:test"
import type { RecordedEnvelope, TurnEnvelope, TurnEvent } from "../../protocol/event.ts"
import { Follower } from "./session-follower.ts"

const KEY = "agent:main:a"
const base = { sessionKey: KEY, agentId: "main", turnId: "t", at: 1 }

function live(event: Extract<TurnEvent, { type: "text.delta" | "tool.updated" }>, log = "log1"): TurnEnvelope {
  return { ...base, sessionId: log, seq: null, event }
}

const delta = (messageId: string, text: string, offset: number) =>
  live({ type: "text.delta", messageId, delta: text, offset })

/** A log that is written, a reader who may be slow, and what the reader was told. */
function room() {
  const logs = new Map<string, RecordedEnvelope[]>()
  const told: TurnEnvelope[] = []
  let gate: PromiseWithResolvers<void> | undefined
  let beforeRead: (() => void) | undefined
  let reads = 0
  const failures: unknown[] = []
  const follower = new Follower({
    async events(log, afterSeq, limit) {
      reads += 1
      beforeRead?.()
      return (logs.get(log) ?? []).filter(({ seq }) => seq > afterSeq).slice(0, limit)
    },
    emit(envelope) {
      told.push(envelope)
      return gate?.promise
    },
    failed: (error) => failures.push(error),
  })
  /** Records an event as the gateway does: in the log first, then told. */
  const record = (log = "log1", event?: RecordedEnvelope["event"], publish = true) => {
    const kept = logs.get(log) ?? []
    logs.set(log, kept)
    const seq = kept.length + 1
    const envelope: RecordedEnvelope = {
      ...base,
      sessionId: log,
      seq,
      event: event ?? { type: "notice.posted", level: "info", code: "n", text: `${log} ${seq}` },
    }
    kept.push(envelope)
    if (publish) follower.hear(envelope)
    return envelope
  }
  return {
    follower,
    told,
    failures,
    record,
    reads: () => reads,
    onRead: (run: (() => void) | undefined) => {
      beforeRead = run
    },
    slow() {
      gate = Promise.withResolvers()
    },
    quick() {
      const held = gate
      gate = undefined
      held?.resolve()
    },
    numbers: (log = "log1") => told.flatMap(({ seq, sessionId }) => (seq !== null && sessionId === log ? [seq] : [])),
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

const message = (id: string): RecordedEnvelope["event"] => ({
  type: "message.added",
  message: { id, role: "assistant", content: [], at: 1 },
})

test("the log first, then what happens: nothing twice, nothing missing, while it is written all the time", async () => {
  const { follower, numbers, onRead, record } = room()
  for (let i = 0; i < 1_000; i++) record()
  follower.place("log1", 0)
  // Every page that is read is followed by more in the log, of which the reader hears at once or a little later.
  let heard = 0
  onRead(() => {
    if (heard++ < 30) for (let i = 0; i < 20; i++) record()
  })
  follower.start()
  for (let i = 0; i < 100; i++) record()
  await settled()
  record()
  await settled()
  assert.deepEqual(numbers(), upTo(numbers().length))
  assert.ok(numbers().length > 1_101)
})

test("from a number on, or only what comes", async () => {
  const from = room()
  for (let i = 0; i < 5; i++) from.record("log1", undefined, false)
  from.follower.place("log1", 3)
  from.follower.start()
  await settled()
  from.record()
  await settled()
  assert.deepEqual(from.numbers(), [4, 5, 6])
})

test("what is heard between being placed and starting is told once, and a session without a log begins with its first event", async () => {
  const placed = room()
  placed.record()
  placed.follower.place("log1", 1)
  placed.record()
  placed.follower.start()
  await settled()
  assert.deepEqual(placed.numbers(), [2])
  const fresh = room()
  fresh.follower.place(undefined, 0)
  fresh.follower.start()
  await settled()
  fresh.record()
  fresh.record()
  await settled()
  assert.deepEqual(fresh.numbers(), [1, 2])
})

test("a reader who keeps up is told at once, without reading the log", async () => {
  const { follower, numbers, reads, record, told } = room()
  follower.place("log1", 0)
  follower.start()
  await settled()
  const before = reads()
  record()
  const first = reads()
  await settled()
  follower.hear(delta("m", "a", 0))
  assert.equal(told.length, 2, "in the same moment")
  // The first event of a log is looked for once; after that the log is not needed.
  record()
  record()
  assert.deepEqual(numbers(), [1, 2, 3])
  assert.equal(reads(), first)
  assert.ok(first - before <= 1)
})

test("a slow reader gets every recorded event in order, however many; text that waits comes as one piece", async () => {
  const { follower, numbers, quick, record, slow, told } = room()
  follower.place("log1", 0)
  follower.start()
  await settled()
  slow()
  record()
  await settled()
  follower.hear(delta("m", "Hel", 0))
  follower.hear(delta("m", "lo", 3))
  follower.hear(delta("m", "!", 5))
  record()
  assert.equal(told.length, 1)
  quick()
  await settled()
  assert.deepEqual(
    told.map(({ event, seq }) => seq ?? (event.type === "text.delta" ? event.delta : "")),
    [1, "Hello!", 2],
  )
  slow()
  for (let i = 0; i < 2_000; i++) {
    record()
    follower.hear(delta(`m${i}`, "x", 0))
  }
  quick()
  await settled()
  assert.deepEqual(numbers(), upTo(2_002))
})

test("live events of what was read from the log as done are left out", async () => {
  const { follower, onRead, record, told } = room()
  record("log1", undefined, false)
  follower.place("log1", 1)
  let once = true
  onRead(() => {
    if (!once) return
    once = false
    follower.hear(delta("m", "Hello", 0))
    record("log1", message("m"))
    follower.hear(delta("n", "next", 0))
  })
  follower.start()
  await settled()
  assert.deepEqual(
    told.map(({ event, seq }) => seq ?? (event.type === "text.delta" ? event.messageId : "")),
    [2, "n"],
  )
})

test("after a reset the log of the new id follows the old one, also for a reader who is far behind", async () => {
  const { follower, quick, record, slow, told } = room()
  follower.place("log1", 0)
  follower.start()
  await settled()
  slow()
  for (let i = 0; i < 700; i++) record("log1")
  for (let i = 0; i < 700; i++) record("log2")
  for (let i = 0; i < 3; i++) record("log3")
  quick()
  await settled()
  record("log3")
  await settled()
  const places = told.map(({ seq, sessionId }) => `${sessionId} ${seq}`)
  const expected = [
    ...upTo(700).map((n) => `log1 ${n}`),
    ...upTo(700).map((n) => `log2 ${n}`),
    ...upTo(4).map((n) => `log3 ${n}`),
  ]
  assert.deepEqual(places, expected)
})

test("a hole that the log does not fill (the session was deleted) holds up nothing", async () => {
  const { follower, numbers, told } = room()
  follower.place("log1", 0)
  follower.start()
  await settled()
  const event = { type: "notice.posted", level: "info", code: "n", text: "" } as const
  follower.hear({ ...base, sessionId: "log1", seq: 7, event })
  await settled()
  assert.deepEqual(numbers(), [7])
  follower.stop()
  follower.hear({ ...base, sessionId: "log1", seq: 8, event })
  assert.equal(told.length, 1)
})

test("a log that could not be read is read again with the next event", async () => {
  const { failures, follower, numbers, onRead, record } = room()
  for (let i = 0; i < 3; i++) record("log1", undefined, false)
  onRead(() => {
    onRead(undefined)
    throw new RangeError("disk")
  })
  follower.place("log1", 0)
  follower.start()
  await settled()
  assert.equal(failures.length, 1)
  record()
  await settled()
  assert.deepEqual(numbers(), [1, 2, 3, 4])
})

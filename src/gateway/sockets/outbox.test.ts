import assert from "node:assert/strict"
import { test } from "node:test"
import type { WebSocket } from "ws"
import { systemClock } from "../../base/clock.ts"
import { silentLogger } from "../../base/log.ts"
import type { Approval } from "../../protocol/approval.ts"
import type { TurnEnvelope, TurnEvent } from "../../protocol/event.ts"
import { NO_USAGE } from "../../protocol/message.ts"
import type { Caller } from "../methods/method.ts"
import { MAX_BUFFERED_BYTES, Outbox, SOFT_LIMIT, type Timeline } from "./outbox.ts"
import { LostConnections } from "./resume.ts"
import { REPLAY } from "./ring.ts"
import { TurnFeed } from "./turn-feed.ts"

interface Sent {
  event: string
  seq: number
  payload: Record<string, unknown> & { message?: { content: { text: string }[] } }
}

/** A socket whose peer reads as fast as the test says. */
class Line {
  readonly OPEN = 1
  readyState = 1
  bufferedAmount = 0
  frames: Sent[] = []
  ended: string | undefined
  send(text: string): void {
    this.frames.push(JSON.parse(text) as Sent)
  }
  close(code: number, reason: string): void {
    this.ended = `${code} ${reason}`
  }
  terminate(): void {
    this.readyState = 3
  }
  names(): string[] {
    return this.frames.map(({ event, payload }) =>
      [event, payload["stream"] ?? payload["state"]].filter(Boolean).join(" "),
    )
  }
}

function room() {
  const time = { now: 1_000 }
  const timeline: Timeline = { now: () => time.now, order: 0 }
  const clock = { ...systemClock, now: () => time.now }
  const outboxes: Outbox[] = []
  const lost = new LostConnections(clock)
  let beat: (() => void) | undefined
  const feed = new TurnFeed({
    outboxes: () => [...outboxes, ...lost.outboxes()],
    after: (_ms, fn) => {
      beat = fn
      return () => undefined
    },
    isVerbose: async () => false,
    log: silentLogger,
  })
  const open = (change: Partial<Caller> = {}) => {
    const line = new Line()
    const caller: Caller = {
      connId: "c",
      dialect: "claw",
      protocol: 4,
      role: "operator",
      scopes: ["operator.admin"],
      caps: [],
      clientId: "test",
      signal: new AbortController().signal,
      ...change,
    }
    const box = new Outbox(caller, line as unknown as WebSocket, timeline)
    outboxes.push(box)
    return { box, line }
  }
  const lose = (connId: string, box: Outbox) => {
    outboxes.splice(outboxes.indexOf(box), 1)
    lost.add(connId, box)
  }
  const tell = (event: TurnEvent, turnId = "t1") => {
    const envelope: TurnEnvelope = {
      sessionKey: "agent:main:main",
      sessionId: "s",
      agentId: "main",
      turnId,
      seq: 1,
      at: 1,
      event,
    }
    feed.tell(envelope)
  }
  const say = (delta: string, turnId = "t1") => tell({ type: "text.delta", messageId: "m", delta, offset: 0 }, turnId)
  const tick = () => {
    const due = beat
    beat = undefined
    due?.()
    return due !== undefined
  }
  return { time, feed, lost, open, lose, tell, say, tick }
}

const ENDED: TurnEvent = {
  type: "turn.ended",
  outcome: { status: "completed", stop: "end_turn", text: "", usage: { ...NO_USAGE } },
}

const approval: Approval = {
  id: "a",
  kind: "tool",
  sessionKey: "agent:main:main",
  agentId: "main",
  turnId: "t1",
  callId: "c",
  tool: "Bash",
  args: {},
  summary: "ls",
  reason: "r",
  cwd: "/",
  createdAt: 1,
  expiresAt: 2,
  decision: null,
}

const deltas = (line: Line) =>
  line.frames.filter((one) => one.payload["state"] === "delta").map((one) => one.payload["deltaText"])

test("text is shown at once and then once a beat, joined; every event has the next number", () => {
  const { open, say, tell, tick } = room()
  const { line } = open()
  for (const word of ["a", "b", "c", "d"]) say(word)
  assert.deepEqual(deltas(line), ["a"])
  tick()
  assert.deepEqual(deltas(line), ["a", "bcd"])
  say("e")
  assert.deepEqual(deltas(line), ["a", "bcd"], "within the beat")
  tell(ENDED)
  assert.deepEqual(deltas(line), ["a", "bcd", "e"], "an ending shows what had grown first")
  const final = line.frames.at(-1)!
  assert.equal(final.payload["state"], "final")
  assert.equal(final.payload.message?.content[0]?.text, "abcde")
  assert.deepEqual(
    line.frames.map((one) => one.seq),
    line.frames.map((_, i) => i + 1),
  )
})

test("the beat stops when nothing grows, and nothing of a run is kept after it", () => {
  const { open, say, tell, tick, feed } = room()
  open()
  say("a")
  assert.ok(tick())
  assert.ok(!tick())
  tell(ENDED)
  assert.equal(feed.size, 0)
  tell({ type: "approval.resolved", approval: { ...approval, decision: "expired" } })
  assert.equal(feed.size, 0, "a late approval begins no run")
})

test("a slow reader gets the newest text only, and all of it once it reads again", () => {
  const { open, say, tick } = room()
  const slow = open()
  const fast = open()
  slow.line.bufferedAmount = SOFT_LIMIT + 1
  say("a")
  for (const word of ["b", "c"]) {
    say(word)
    tick()
  }
  assert.deepEqual(deltas(slow.line), [])
  assert.deepEqual(deltas(fast.line), ["a", "b", "c"])
  slow.line.bufferedAmount = 0
  tick()
  assert.deepEqual(deltas(slow.line), ["abc"])
})

test("approvals and endings reach a slow reader; ticks and progress do not, and leave no hole in the numbers", () => {
  const { open, say, tell } = room()
  const { box, line } = open({ caps: ["tool-events"] })
  line.bufferedAmount = SOFT_LIMIT + 1
  say("words")
  box.passing("tick", "{}")
  tell({ type: "tool.updated", callId: "c", name: "Bash", output: "x" })
  tell({ type: "approval.requested", approval })
  tell({ type: "approval.resolved", approval: { ...approval, decision: "deny" } })
  tell(ENDED)
  assert.deepEqual(line.names(), ["exec.approval.requested", "exec.approval.resolved", "agent lifecycle", "chat final"])
  assert.deepEqual(
    line.frames.map((one) => one.seq),
    [1, 2, 3, 4],
  )
  assert.equal(line.frames.at(-1)?.payload.message?.content[0]?.text, "words")
})

test("a slow reader of the simple dialect still gets every character before chat.done", () => {
  const { open, say, tell } = room()
  const { box, line } = open({ dialect: "py", protocol: 3 })
  box.follow("t1")
  say("a")
  line.bufferedAmount = SOFT_LIMIT + 1
  say("b")
  say("c")
  tell(ENDED)
  const text = line.frames
    .filter((one) => one.event === "chat.delta")
    .map((one) => one.payload["delta"])
    .join("")
  assert.equal(text, "abc")
  assert.equal(line.frames.at(-1)?.event, "chat.done")
})

test("a peer that lets more pile up than the cap is cut off as a slow consumer", () => {
  const { open, tell } = room()
  const { line } = open()
  line.bufferedAmount = MAX_BUFFERED_BYTES + 1
  tell({ type: "approval.requested", approval })
  assert.equal(line.ended, "1008 slow consumer")
  assert.equal(line.readyState, 3)
})

test("who hears what: rights, dialects and caps", () => {
  const { open, say, tell } = room()
  const hears = (change: Partial<Caller>, follow = false) => {
    const { box, line } = open(change)
    if (follow) box.follow("t1")
    return line
  }
  const lines = {
    reader: hears({ scopes: ["operator.read"] }),
    nobody: hears({ scopes: [] }),
    approver: hears({ scopes: ["operator.approvals"] }),
    node: hears({ role: "node", scopes: [] }),
    py: hears({ dialect: "py", protocol: 3 }),
    pyFollowing: hears({ dialect: "py", protocol: 3 }, true),
    pyAll: hears({ dialect: "py", protocol: 3, caps: ["events:all"] }),
    pyBlind: hears({ dialect: "py", protocol: 3, caps: ["events:all"], scopes: ["operator.approvals"] }),
    both: hears({ caps: ["events:both"] }, true),
    clawAsPy: hears({ caps: ["events:py"] }, true),
  }
  say("a")
  tell({ type: "approval.requested", approval })
  const short = (line: Line) => line.names().join(", ")
  assert.equal(short(lines.reader), "agent assistant, chat delta")
  assert.equal(short(lines.nobody), "")
  assert.equal(short(lines.approver), "exec.approval.requested")
  assert.equal(short(lines.node), "")
  assert.equal(short(lines.py), "exec.approval.requested")
  assert.equal(short(lines.pyFollowing), "chat.delta, exec.approval.requested")
  assert.equal(short(lines.pyAll), "chat.delta, exec.approval.requested")
  assert.equal(short(lines.pyBlind), "exec.approval.requested")
  assert.equal(short(lines.both), "agent assistant, chat delta, chat.delta, exec.approval.requested")
  assert.equal(short(lines.clawAsPy), "chat.delta, exec.approval.requested")
})

test("who comes in the middle is shown everything so far, marked as replacing", () => {
  const { open, say, tick } = room()
  open()
  say("early ")
  const { line } = open()
  say("late")
  tick()
  const chat = line.frames.find((one) => one.event === "chat")
  assert.equal(chat?.payload["deltaText"], "early late")
  assert.equal(chat?.payload["replace"], true)
})

test("a lost connection hears on, and its heir gets the frames with their numbers, byte for byte", () => {
  const { open, lose, lost, say, tick } = room()
  const witness = open()
  const first = open()
  say("a")
  lose("c1", first.box)
  for (const word of ["b", "c"]) {
    tick()
    say(word)
    tick()
  }
  const heir = open({ connId: "c2" })
  const { result, frames } = lost.take(heir.box, "c1", first.line.frames.at(-1)!.seq)
  const missed = frames.map((text) => JSON.parse(text) as Sent)
  assert.deepEqual(missed, witness.line.frames.slice(2))
  assert.deepEqual(result, { resumed: true, seq: missed.at(-1)!.seq })
  say("d")
  tick()
  assert.deepEqual(
    heir.line.frames.map((one) => one.seq),
    [result.seq! + 1, result.seq! + 2],
  )
  assert.deepEqual(deltas(heir.line), ["d"], "it goes on from where the earlier one was")
  assert.deepEqual(lost.take(heir.box, "c1", 0).result, { resumed: false }, "once only")
})

test("what the heir heard itself before it asked is not sent to it twice", () => {
  const { open, lose, lost, say, tick } = room()
  const first = open()
  say("a")
  lose("c1", first.box)
  tick()
  say("b")
  tick()
  tick()
  const heir = open({ connId: "c2" })
  say("c")
  const { result, frames } = lost.take(heir.box, "c1", 2)
  assert.deepEqual(
    frames.map((text) => (JSON.parse(text) as Sent).seq),
    [3, 4],
  )
  assert.equal(result.seq, 4 + heir.line.frames.length)
  assert.equal(heir.line.frames.at(-1)?.payload.message?.content[0]?.text, "abc")
})

test("an heir that is lost at once leaves everything to the next", () => {
  const { open, lose, lost, say, tick } = room()
  const first = open()
  say("a")
  lose("c1", first.box)
  tick()
  say("b")
  tick()
  const second = open({ connId: "c2" })
  const { frames } = lost.take(second.box, "c1", 0)
  lose("c2", second.box)
  const third = open({ connId: "c3" })
  assert.deepEqual(lost.take(third.box, "c2", 0).frames, frames)
})

test("nobody else, nobody with fewer rights and nobody too late takes a lost connection over", () => {
  const { open, lose, lost, say, time } = room()
  const owner = open({ deviceId: "d1", scopes: ["operator.read", "operator.approvals"] })
  say("a")
  lose("c1", owner.box)
  for (const other of [
    { deviceId: "d2", scopes: ["operator.admin"] },
    { deviceId: undefined, scopes: ["operator.admin"] },
    { deviceId: "d1", scopes: ["operator.read"] },
  ] satisfies Partial<Caller>[])
    assert.deepEqual(lost.take(open(other).box, "c1", 0).result, { resumed: false })
  time.now += REPLAY.maxAgeMs + 1
  assert.deepEqual(lost.take(open({ deviceId: "d1" }).box, "c1", 0).result, { resumed: false })
})

test("numbers that never were and frames that are gone are not resumed", () => {
  const { open, lose, lost } = room()
  const first = open()
  for (let i = 0; i < REPLAY.maxEvents + 10; i++) first.box.event("tick", "{}")
  lose("c1", first.box)
  for (const lastSeq of [0, 5, -1, 1.5, 999_999])
    assert.deepEqual(lost.take(open().box, "c1", lastSeq).result, { resumed: false }, String(lastSeq))
  assert.equal(lost.take(open().box, "c1", 10).frames.length, REPLAY.maxEvents)
})

test("lost connections, and what is kept of each, are bounded", () => {
  const { open, lose, lost } = room()
  for (let i = 0; i < 3_000; i++) lose(`c${i}`, open().box)
  assert.equal(lost.size, 2_048)
  const { box } = open()
  const big = JSON.stringify("x".repeat(REPLAY.maxBytes / 4))
  for (let i = 0; i < 20; i++) box.event("tick", big)
  lose("big", box)
  assert.deepEqual(lost.take(open().box, "big", 10).result, { resumed: false })
  assert.equal(lost.take(open().box, "big", 18).frames.length, 2)
})

test("all lost connections together keep a bounded number of bytes, the newest", () => {
  const { open, lose, lost } = room()
  const big = JSON.stringify("x".repeat(REPLAY.maxBytes / 2))
  for (let i = 0; i < 200; i++) {
    const { box } = open()
    box.event("tick", big)
    lose(`c${i}`, box)
  }
  assert.ok(lost.size > 50 && lost.size < 150, String(lost.size))
  assert.equal(lost.take(open().box, "c0", 0).result.resumed, false)
  assert.equal(lost.take(open().box, "c199", 0).result.resumed, true)
})

test("who was lost again before it knew that it had been taken up asks by its old name, and hears all of it once", () => {
  const { open, lose, lost, say, tick } = room()
  const first = open()
  say("a")
  const lastSeq = first.line.frames.at(-1)!.seq
  lose("c1", first.box)
  tick()
  say("b")
  tick()
  const second = open({ connId: "c2" })
  const unheard = lost.take(second.box, "c1", lastSeq)
  assert.equal(unheard.result.resumed, true)
  say("c")
  tick()
  lose("c2", second.box)
  const third = open({ connId: "c3" })
  const { frames, result } = lost.take(third.box, "c1", lastSeq)
  assert.equal(result.resumed, true)
  const numbers = frames.map((text) => (JSON.parse(text) as Sent).seq)
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => lastSeq + 1 + i),
  )
  assert.deepEqual(frames.slice(0, unheard.frames.length), unheard.frames)
  assert.equal(deltas({ frames: frames.map((text) => JSON.parse(text)) } as Line).join(""), "bc")
  assert.equal(lost.take(open().box, "c2", lastSeq).result.resumed, false, "once only, by whatever name")
})

test("each event goes to who may hear it now, and one that no list names to nobody", () => {
  const { open } = room()
  const told = (change: Partial<Caller>) => {
    const { box, line } = open(change)
    for (const name of ["tick", "presence", "exec.approval.requested", "device.pair.requested", "no.such.event"])
      box.event(name, "{}")
    return line.names()
  }
  assert.deepEqual(told({ scopes: ["operator.admin"] }), [
    "tick",
    "presence",
    "exec.approval.requested",
    "device.pair.requested",
  ])
  assert.deepEqual(told({ scopes: ["operator.read"] }), ["tick", "presence"])
  assert.deepEqual(told({ scopes: ["operator.pairing"] }), ["tick", "device.pair.requested"])
  assert.deepEqual(told({ scopes: [] }), ["tick"])
  assert.deepEqual(told({ role: "node", scopes: ["operator.admin"] }), ["tick"])
  const { box, line } = open({ scopes: ["operator.read"] })
  box.event("presence", "{}")
  box.caller.scopes = []
  box.event("presence", "{}")
  assert.deepEqual(line.names(), ["presence"])
})

test("what was told to one who had more rights is not told again to one who has fewer", () => {
  const { lose, lost, open } = room()
  const first = open({ scopes: ["operator.read"] })
  first.box.event("presence", "{}")
  first.box.caller.scopes = []
  lose("c1", first.box)
  assert.deepEqual(lost.take(open({ scopes: [] }).box, "c1", 0).result, { resumed: false })
})

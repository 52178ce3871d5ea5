import assert from "node:assert/strict"
import { EventEmitter } from "node:events"
import type { IncomingMessage } from "node:http"
import { type TestContext, test } from "node:test"
import type { WebSocket } from "ws"
import { z } from "zod"
import { say } from "../../../test/fakes/agent-room.ts"
import { openMethodRoom } from "../../../test/fakes/method-room.ts"
import { systemClock } from "../../base/clock.ts"
import { configSchema } from "../../config/schema.ts"
import { openAuth } from "../auth.ts"
import type { Method } from "../methods/method.ts"
import { Presence } from "../status/presence.ts"
import { ControlDoor } from "./control.ts"

/** A WebSocket whose peer does nothing by itself. */
class StillSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  bufferedAmount = 0
  sent: string[] = []
  pings = 0
  pongs = 0
  ended: string | undefined
  terminated = false
  send(text: string): void {
    this.sent.push(text)
  }
  close(code: number, reason: string): void {
    this.ended ??= `${code} ${reason}`
    this.readyState = 2
  }
  terminate(): void {
    this.terminated = true
  }
  ping(): void {
    this.pings += 1
  }
  pong(): void {
    this.pongs += 1
  }
}

async function open(t: TestContext, gateway: Record<string, unknown>) {
  const time = { now: 1_000 }
  const timers: { at: number; fn: () => void }[] = []
  const clock = {
    ...systemClock,
    now: () => time.now,
    after(ms: number, fn: () => void) {
      const timer = { at: time.now + ms, fn }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0)
    },
  }
  const config = configSchema.parse({ gateway })
  const presence = new Presence(clock, { ts: 0, reason: "self" })
  const methods = new Map<string, Method>()
  const room = await openMethodRoom({ script: () => say("Hello"), parts: { config, clock, presence } })
  t.after(() => room.close())
  const door = new ControlDoor(room.parts, openAuth(room.parts), methods)
  t.after(() => door.close())
  const knock = (remoteAddress = "127.0.0.1") => {
    const socket = new StillSocket()
    // What many are told is written as whole frames; behind a head of two or four bytes stands their text.
    const write = (bytes: Buffer) => socket.send(bytes.subarray(bytes.indexOf("{")).toString())
    const raw = { remoteAddress, writableLength: 0, write }
    const request = { headers: { host: "localhost" }, socket: raw } as unknown as IncomingMessage
    door.accept(socket as unknown as WebSocket, request)
    return socket
  }
  const pass = (ms: number) => {
    time.now += ms
    for (const timer of timers.filter((one) => one.at <= time.now)) {
      timers.splice(timers.indexOf(timer), 1)
      timer.fn()
    }
  }
  /** Says who it is and waits until it is let in. */
  const enter = async (more: Record<string, unknown> = {}) => {
    const socket = knock()
    const client = { id: "test", version: "1", platform: "x", mode: "test" }
    const params = { minProtocol: 4, maxProtocol: 4, client, scopes: ["operator.admin"], auth: { token: "t" }, ...more }
    socket.emit("message", Buffer.from(JSON.stringify({ type: "req", id: "1", method: "connect", params })), false)
    while (socket.sent.length < 2 && socket.ended === undefined) await new Promise(setImmediate)
    assert.match(socket.sent[1]!, /hello-ok/)
    return socket
  }
  return { door, methods, knock, pass, enter }
}

test("who has not said who it is within ten seconds is put out, and cut off when it does not go", async (t) => {
  const { door, knock, pass } = await open(t, {})
  const socket = knock()
  pass(9_999)
  assert.equal(socket.ended, undefined)
  pass(1)
  assert.equal(socket.ended, "1008 handshake timeout")
  assert.equal(door.pending, 0)
  assert.ok(!socket.terminated)
  pass(1_000)
  assert.ok(socket.terminated)
})

test("when strangers crowd the door, the oldest of them makes room", async (t) => {
  const { door, knock } = await open(t, { maxPending: 8 })
  const sockets = Array.from({ length: 20 }, () => knock())
  assert.equal(door.pending, 8)
  assert.deepEqual(
    sockets.map((one) => one.ended !== undefined),
    sockets.map((_, i) => i < 12),
  )
  assert.equal(sockets[0]!.ended, "1013 too many connections")
})

test("one network of strangers crowds out only itself", async (t) => {
  const { door, knock } = await open(t, { maxPending: 8 })
  const local = knock()
  const other = knock("192.0.2.1")
  const flood = Array.from({ length: 50 }, (_, i) => knock(`2001:db8::${i.toString(16)}`))
  assert.equal(flood.filter((one) => one.ended === undefined).length, 2)
  assert.equal(local.ended, undefined)
  assert.equal(other.ended, undefined)
  assert.equal(door.pending, 4)
})

test("above the cap of connections no further socket is taken", async (t) => {
  const { door, enter } = await open(t, { maxConnections: 1 })
  assert.ok(!door.refusal)
  const first = await enter()
  assert.match(String(door.refusal), /Too many connections/)
  first.emit("close", 1000)
  assert.ok(!door.refusal)
  assert.equal(door.connections(), 0)
})

test("a flood of pings from a peer that reads nothing is not answered without bound", async (t) => {
  const { enter } = await open(t, {})
  const socket = await enter()
  for (let i = 0; i < 10; i++) socket.emit("ping", Buffer.from("x"))
  assert.equal(socket.pongs, 10)
  socket.bufferedAmount = 70_000
  for (let i = 0; i < 10_000; i++) socket.emit("ping", Buffer.from("x"))
  assert.equal(socket.pongs, 10)
})

test("a peer that gives no sign of life for some ticks is cut off; one that answers or reads is not", async (t) => {
  const { enter } = await open(t, { tickIntervalMs: 5 })
  const [dead, alive, reading] = [await enter(), await enter(), await enter()]
  reading.bufferedAmount = 1_000_000
  const beat = setInterval(() => {
    alive.emit("pong")
    reading.bufferedAmount -= 100
  }, 1)
  t.after(() => clearInterval(beat))
  while (!dead.terminated) await new Promise(setImmediate)
  assert.ok(dead.pings >= 3)
  assert.ok(!alive.terminated && !reading.terminated)
})

test("a crowd that connects within a second is told of in two presence events, not in one each", async (t) => {
  const { enter, pass } = await open(t, { tickIntervalMs: 0 })
  const watcher = await enter({ client: { id: "cli", version: "1", platform: "x", mode: "cli" } })
  for (let i = 0; i < 20; i++) await enter()
  pass(1_000)
  const presence = watcher.sent.filter((text) => text.includes('"event":"presence"'))
  assert.equal(presence.length, 2)
  assert.equal((JSON.parse(presence[1]!) as { payload: { presence: unknown[] } }).payload.presence.length, 21)
})

test("frames of a caller beyond 64 at once are refused, and the ones under way go on", async (t) => {
  const { methods, enter } = await open(t, {})
  const gate = Promise.withResolvers<unknown>()
  const slow = {
    name: "slow",
    summary: "",
    scope: "operator.read",
    params: z.object({}),
    result: z.unknown(),
    run: () => gate.promise,
  } as const
  methods.set("slow", slow)
  const socket = await enter()
  for (let i = 0; i < 65; i++) socket.emit("message", Buffer.from(`{"type":"req","id":"s${i}","method":"slow"}`), false)
  while (!socket.sent.some((text) => text.includes('"id":"s64"'))) await new Promise(setImmediate)
  assert.match(socket.sent.find((text) => text.includes('"id":"s64"'))!, /too many requests in flight/)
  gate.resolve({})
  while (!socket.sent.some((text) => text.includes('"id":"s63"'))) await new Promise(setImmediate)
  assert.equal(socket.sent.filter((text) => /"id":"s\d+","ok":true/.test(text)).length, 64)
})

test("at the end everybody is told and then closed, and who does not answer is cut off", async (t) => {
  const { door, enter, knock, pass } = await open(t, {})
  const [inside, outside] = [await enter(), knock()]
  door.close()
  assert.match(inside.sent.at(-1)!, /"event":"shutdown","payload":\{"reason":"service restart"/)
  assert.equal(inside.ended, "1012 service restart")
  assert.equal(outside.ended, "1012 service restart")
  pass(1_000)
  assert.ok(inside.terminated && outside.terminated)
})

import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo, Socket } from "node:net"
import { type TestContext, test } from "node:test"
import { WebSocket, WebSocketServer } from "ws"
import { PincerError } from "../base/errors.ts"
import { type ConnectOptions, connectGateway, newKey } from "./client.ts"
import { after } from "./link.ts"
import { closeRefusal, refusalOf } from "./refusal.ts"

type Request = { id: string; method: string; params?: Record<string, unknown> }
type Answer = (socket: WebSocket, request: Request) => void

/** A peer that follows a script: what it does with each request. */
async function peer(t: TestContext, answer: Answer, challenge = true) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
  await once(server, "listening")
  t.after(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  const sockets: WebSocket[] = []
  server.on("connection", (socket) => {
    sockets.push(socket)
    if (challenge) event(socket, "connect.challenge", { nonce: "n-1", ts: 1 })
    socket.on("message", (data) => answer(socket, JSON.parse(String(data))))
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

const event = (socket: WebSocket, name: string, payload: unknown, seq?: number) =>
  socket.send(JSON.stringify({ type: "event", event: name, payload, ...(seq === undefined ? {} : { seq }) }))
const ok = (socket: WebSocket, id: string, payload: unknown) =>
  socket.send(JSON.stringify({ type: "res", id, ok: true, payload }))
const hello = {
  type: "hello-ok",
  protocol: 4,
  server: { version: "1", connId: "c1", bootId: "b1" },
  policy: { tickIntervalMs: 30_000 },
}

const greets =
  (then: Answer = () => undefined): Answer =>
  (socket, request) =>
    request.method === "connect" ? ok(socket, request.id, hello) : then(socket, request)

const client: ConnectOptions["client"] = { id: "test", version: "1", platform: "linux", mode: "test" }
const isCode = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code)
  if (text) assert.match(error.message, text)
  return true
}

test("connectGateway() says who it is and hands out what hello-ok says", async (t) => {
  let asked: Request | undefined
  const { url } = await peer(t, (socket, request) => {
    asked = request
    ok(socket, request.id, hello)
  })
  const gateway = await connectGateway({ url, client, token: "t", caps: ["tool-events"] })
  t.after(() => gateway.close())
  assert.equal(gateway.hello.protocol, 4)
  assert.equal(asked?.method, "connect")
  assert.deepEqual(asked?.params?.["auth"], { token: "t" })
  assert.deepEqual(asked?.params?.["caps"], ["tool-events"])
})

test("a device signature is made from the challenge's nonce", async (t) => {
  let device: unknown
  const { url } = await peer(t, (socket, request) => {
    device = request.params?.["device"]
    ok(socket, request.id, hello)
  })
  const gateway = await connectGateway({ url, client, device: async (nonce) => ({ id: "d", nonce }) })
  t.after(() => gateway.close())
  assert.deepEqual(device, { id: "d", nonce: "n-1" })
})

test("connectGateway() names the next step when no gateway answers", async () => {
  const gone = new WebSocketServer({ port: 0, host: "127.0.0.1" })
  await once(gone, "listening")
  const { port } = gone.address() as AddressInfo
  gone.close()
  await once(gone, "close")
  await assert.rejects(
    connectGateway({ url: `ws://127.0.0.1:${port}`, client }),
    isCode("UNAVAILABLE", /pincer gateway run/),
  )
})

test("connectGateway() gives up on a peer that accepts the socket and says nothing", async (t) => {
  const { url } = await peer(t, () => undefined, false)
  await assert.rejects(connectGateway({ url, client, connectTimeoutMs: 30 }), isCode("TIMEOUT", /30 ms/))
})

test("a refused connect is thrown with the gateway's own words", async (t) => {
  const { url } = await peer(t, (socket, { id }) => {
    const error = { code: "INVALID_REQUEST", message: "unauthorized: wrong token", details: { code: "AUTH_REQUIRED" } }
    socket.send(JSON.stringify({ type: "res", id, ok: false, error }))
    socket.close(1008, "unauthorized")
  })
  await assert.rejects(connectGateway({ url, client }), isCode("AUTH_REQUIRED", /wrong token/))
})

test("request() resolves, refuses, times out and can be given up; late answers are ignored", async (t) => {
  const { url } = await peer(
    t,
    greets((socket, { id, method }) => {
      if (method === "yes") ok(socket, id, { a: 1 })
      if (method === "no")
        socket.send(
          JSON.stringify({
            type: "res",
            id,
            ok: false,
            error: { code: "FORBIDDEN", message: "missing scope: operator.admin" },
          }),
        )
      if (method === "garbage") {
        socket.send("{not json")
        socket.send(JSON.stringify({ type: "res", id: "999", ok: true }))
        ok(socket, id, "fine")
      }
    }),
  )
  const gateway = await connectGateway({ url, client })
  t.after(() => gateway.close())
  assert.deepEqual(await gateway.request("yes"), { a: 1 })
  await assert.rejects(gateway.request("no"), isCode("PERMISSION_DENIED", /operator\.admin/))
  await assert.rejects(gateway.request("silent", {}, { timeoutMs: 20 }), isCode("TIMEOUT"))
  const controller = new AbortController()
  const given = gateway.request("silent", {}, { signal: controller.signal })
  controller.abort()
  await assert.rejects(given, isCode("ABORTED"))
  assert.equal(await gateway.request("garbage"), "fine")
})

test("expectFinal resolves with the second response of a two-stage method", async (t) => {
  const { url } = await peer(
    t,
    greets((socket, { id }) => {
      ok(socket, id, { runId: "r", status: "accepted" })
      ok(socket, id, { runId: "r", status: "ok" })
    }),
  )
  const gateway = await connectGateway({ url, client })
  t.after(() => gateway.close())
  const seen: unknown[] = []
  const final = await gateway.request("agent", {}, { expectFinal: true, onAccepted: (payload) => seen.push(payload) })
  assert.deepEqual(final, { runId: "r", status: "ok" })
  assert.deepEqual(seen, [{ runId: "r", status: "accepted" }])
  assert.deepEqual(await gateway.request("agent"), { runId: "r", status: "accepted" })
})

test("events reach listeners by name and every reader in order", async (t) => {
  const { url, sockets } = await peer(t, greets())
  const gateway = await connectGateway({ url, client })
  const named: unknown[] = []
  gateway.on("chat", (frame) => named.push(frame.payload))
  const reader = (async () => {
    const all = []
    for await (const frame of gateway.events()) {
      all.push(frame.event)
      if (frame.event === "last") gateway.close()
    }
    return all
  })()
  event(sockets[0]!, "chat", 1, 1)
  event(sockets[0]!, "tick", 2, 2)
  event(sockets[0]!, "last", 3, 3)
  assert.deepEqual(await reader, ["chat", "tick", "last"])
  assert.deepEqual(named, [1])
})

test("a lost connection refuses what waits, ends for good and says why", async (t) => {
  const { url } = await peer(
    t,
    greets((socket) => socket.close(1012, "service restart")),
  )
  const gateway = await connectGateway({ url, client })
  const waiting = gateway.request("chat.send")
  await assert.rejects(waiting, isCode("UNAVAILABLE", /restarting/))
  assert.match((await gateway.closed).message, /restarting/)
  await assert.rejects(gateway.request("health"), isCode("UNAVAILABLE", /restarting/))
})

test("a gateway that falls silent for two ticks counts as dead", async (t) => {
  let closeCode = 0
  const { url, sockets } = await peer(t, (socket, { id }) =>
    ok(socket, id, { ...hello, policy: { tickIntervalMs: 5 } }),
  )
  const gateway = await connectGateway({ url, client })
  const closed = once(sockets[0]!, "close").then(([code]) => {
    closeCode = code
  })
  assert.match((await gateway.closed).message, /no sign of life/)
  await closed
  assert.equal(closeCode, 4000)
})

test("with reconnect the client comes back, asks for what it missed and lets waiting requests through", async (t) => {
  const resumed: unknown[] = []
  const { url, sockets } = await peer(
    t,
    greets((socket, { id, method, params }) => {
      if (method === "events.resume") {
        resumed.push(params)
        event(socket, "chat", "missed", 8)
        if (resumed.length === 2) socket.terminate()
        else ok(socket, id, { resumed: true, seq: 20 })
      }
      if (method === "health") ok(socket, id, { ok: true })
    }),
  )
  const delays: number[] = []
  const soon: typeof after = (ms, fn) => {
    if (ms > 5_000) return after(ms, fn)
    delays.push(ms)
    return after(0, fn)
  }
  const gateway = await connectGateway({ url, client, reconnect: true, after: soon })
  t.after(() => gateway.close())
  const told: string[] = []
  gateway.on("*", (frame) => told.push(frame.event))
  const first = new Promise((resolve) => gateway.on("chat", resolve))
  event(sockets[0]!, "chat", "seen", 7)
  await first
  const lost = new Promise((resolve) => gateway.on("connection.lost", resolve))
  sockets[0]!.terminate()
  await lost
  assert.deepEqual(await gateway.request("health"), { ok: true })
  assert.deepEqual(resumed, [{ bootId: "b1", connId: "c1", lastSeq: 7 }])
  assert.deepEqual(told, ["chat", "connection.lost", "chat", "connection.restored"])
  sockets.at(-1)!.terminate()
  const again = new Promise((resolve) => gateway.on("connection.restored", resolve))
  await again
  assert.deepEqual(
    resumed.slice(1),
    Array(2).fill({ bootId: "b1", connId: "c1", lastSeq: 20 }),
    "lost once more while restoring",
  )
  assert.deepEqual(await gateway.request("health"), { ok: true })
  assert.ok(delays[0]! >= 125 && delays[0]! <= 250, `waited ${delays[0]} ms`)
})

for (const [name, socketKind] of [
  ["the global WebSocket", undefined],
  ["ws", WebSocket],
] as const)
  test(`an event that comes in one piece with hello is heard by ${name}`, async (t) => {
    let connections = 0
    const { url, sockets } = await peer(t, (socket, { id, method }) => {
      if (method !== "connect") return
      connections += 1
      const tcp = Reflect.get(socket, "_socket") as Socket
      tcp.cork()
      ok(socket, id, hello)
      if (connections > 1) event(socket, "chat", { state: "final" }, 1)
      tcp.uncork()
    })
    const reconnect = { minDelayMs: 1, maxDelayMs: 2, maxAttempts: 3 }
    const gateway = await connectGateway({ url, client, reconnect, requestTimeoutMs: 500, WebSocket: socketKind })
    t.after(() => gateway.close())
    const restored = new Promise((resolve) => gateway.on("connection.restored", () => resolve("restored")))
    const heard = new Promise((resolve) => gateway.on("chat", () => resolve("heard")))
    sockets[0]!.terminate()
    assert.equal(await Promise.race([heard, restored]), "heard")
  })

test("what follows the answer to events.resume in one piece is not asked for again", async (t) => {
  const resumed: unknown[] = []
  const { url, sockets } = await peer(
    t,
    greets((socket, { id, method, params }) => {
      if (method !== "events.resume") return
      resumed.push(params?.["lastSeq"])
      const tcp = Reflect.get(socket, "_socket") as Socket
      tcp.cork()
      ok(socket, id, { resumed: true, seq: 20 })
      event(socket, "chat", "next", 21)
      tcp.uncork()
    }),
  )
  const reconnect = { minDelayMs: 1, maxDelayMs: 2, maxAttempts: 3 }
  const gateway = await connectGateway({ url, client, reconnect })
  t.after(() => gateway.close())
  for (let i = 0; i < 2; i++) {
    const restored = new Promise((resolve) => gateway.on("connection.restored", resolve))
    sockets.at(-1)!.terminate()
    await restored
  }
  assert.deepEqual(resumed, [0, 21])
})

test("reconnecting stops when the gateway refuses", async (t) => {
  let first = true
  const { url, sockets } = await peer(t, (socket, { id }) => {
    if (first) ok(socket, id, hello)
    else socket.close(1008, "unauthorized")
    first = false
  })
  const gateway = await connectGateway({ url, client, reconnect: { minDelayMs: 1, maxDelayMs: 1, maxAttempts: 3 } })
  sockets[0]!.terminate()
  assert.equal((await gateway.closed).code, "AUTH_REQUIRED")
})

test("refusalOf() takes the most precise word that it knows", () => {
  assert.equal(refusalOf({ code: "INVALID_REQUEST", message: "m" }).code, "INVALID_PARAMS")
  assert.equal(refusalOf({ code: "INVALID_REQUEST", message: "m", details: { code: "NOT_FOUND" } }).code, "NOT_FOUND")
  assert.equal(refusalOf({ code: "AGENT_TIMEOUT", message: "m", details: { code: "X" } }).code, "TIMEOUT")
  for (const [finer, code] of [
    ["AUTH_TOKEN_MISMATCH", "AUTH_REQUIRED"],
    ["MISSING_SCOPE", "PERMISSION_DENIED"],
    ["AUTH_SCOPE_MISMATCH", "PERMISSION_DENIED"],
    ["UNKNOWN_AGENT_ID", "NOT_FOUND"],
  ] as const)
    assert.equal(refusalOf({ code: "INVALID_REQUEST", message: "m", details: { code: finer } }).code, code)
  const unpaired = { code: "NOT_PAIRED", message: "m", details: { code: "DEVICE_IDENTITY_REQUIRED" } }
  assert.equal(refusalOf(unpaired).code, "NOT_PAIRED")
  assert.equal(refusalOf({ code: "toString", message: "m" }).code, "INTERNAL_ERROR")
  assert.equal(refusalOf({ code: "UNAVAILABLE", message: "m", retryAfterMs: 5 }).retryAfterMs, 5)
})

test("closeRefusal() has a sentence for every close code", () => {
  for (const code of [1000, 1002, 1006, 1008, 1009, 1012, 1013, 4000, 4001])
    assert.match(closeRefusal(code, "", "ws://x").message, /^[A-Z].{20,}/)
  assert.equal(closeRefusal(1008, "slow consumer", "ws://x").code, "UNAVAILABLE")
})

test("newKey() never repeats", () => {
  assert.equal(new Set(Array.from({ length: 1000 }, newKey)).size, 1000)
  assert.match(newKey(), /^[0-9a-f]{32}$/)
})

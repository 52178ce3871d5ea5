// The peer against whatever another side may send, and against another peer.
import assert from "node:assert/strict"
import { test } from "node:test"
import { PincerError } from "../base/errors.ts"
import { LineReader } from "./lines.ts"
import { type PeerOptions, RpcFailure, RpcPeer, saidBy } from "./peer.ts"

function alone(options: Partial<PeerOptions> = {}) {
  const sent: Record<string, unknown>[] = []
  const heard: [string, Record<string, unknown>][] = []
  const oddities: string[] = []
  const timers: (() => void)[] = []
  const peer = new RpcPeer(
    {
      send: (text) => sent.push(JSON.parse(text)),
      onRequest: async ({ method, params }) => ({ method, params }),
      onNotification: (method, params) => heard.push([method, params]),
      onOddity: (text) => oddities.push(text),
      ...options,
    },
    (_ms, fn) => {
      timers.push(fn)
      return () => void timers.splice(timers.indexOf(fn), 1)
    },
  )
  return { peer, sent, heard, oddities, timers }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test("a peer answers what cannot be read, and goes on", async () => {
  const { peer, sent } = alone()
  for (const text of ["nonsense", "[]", '[{"jsonrpc":"2.0","id":1,"method":"a"}]', "7", "null"]) peer.receive(text)
  peer.receive('{"jsonrpc":"2.0","id":null,"method":"x"}')
  peer.receive('{"jsonrpc":"2.0","id":{},"method":"x"}')
  peer.receive('{"jsonrpc":"2.0","id":99,"result":{}}')
  peer.receive('{"jsonrpc":"2.0","result":{}}')
  peer.receive('{"id":0,"method":"a","params":[1]}')
  await settled()
  assert.deepEqual(
    sent.map((one) => (one["error"] as { code: number } | undefined)?.code ?? one["id"]),
    [-32700, -32600, -32600, -32600, -32600, -32600, -32600, 0],
  )
  assert.ok(sent.slice(0, 7).every((one) => one["id"] === null && one["jsonrpc"] === "2.0"))
})

test("an id that is in use is refused, and the first request is still answered", async () => {
  const gate = Promise.withResolvers<void>()
  const { peer, sent } = alone({ onRequest: () => gate.promise })
  peer.receive('{"jsonrpc":"2.0","id":"a","method":"slow"}')
  peer.receive('{"jsonrpc":"2.0","id":"a","method":"slow"}')
  await settled()
  assert.equal((sent[0]?.["error"] as { code: number }).code, -32600)
  gate.resolve()
  await settled()
  assert.deepEqual(sent[1], { jsonrpc: "2.0", id: "a", result: null })
})

test("too many open requests are refused", async () => {
  const { peer, sent } = alone({ onRequest: () => new Promise(() => undefined), maxOpen: 2 })
  for (const id of [1, 2, 3]) peer.receive(JSON.stringify({ jsonrpc: "2.0", id, method: "slow" }))
  await settled()
  assert.equal(sent.length, 1)
  assert.equal(sent[0]?.["id"], 3)
  assert.equal(peer.open, 2)
})

test("a withdrawn request is told to its handler, and answered once", async () => {
  const { peer, sent } = alone({
    onRequest: ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
  })
  peer.receive('{"jsonrpc":"2.0","id":5,"method":"slow"}')
  peer.receive('{"jsonrpc":"2.0","method":"$/cancel_request","params":{"requestId":5}}')
  peer.receive('{"jsonrpc":"2.0","method":"$/cancel_request","params":{"requestId":77}}')
  await settled()
  assert.equal(sent.length, 1)
  assert.equal((sent[0]?.["error"] as { code: number }).code, -32800)
})

test("request() rejects with what the other side said, wherever it said it", async () => {
  const { peer } = alone()
  const asked = peer.request("session/new", {})
  peer.receive(
    '{"jsonrpc":"2.0","id":0,"error":{"code":-32603,"message":"Internal error","data":{"details":"no key"}}}',
  )
  await assert.rejects(asked, (error: unknown) => {
    assert.ok(error instanceof RpcFailure)
    assert.equal(saidBy(error), "Internal error: no key")
    return true
  })
})

test("request() gives up in time and withdraws; a late answer is nothing", async () => {
  const { peer, sent, timers, oddities } = alone()
  const asked = peer.request("initialize", {}, { timeoutMs: 10 })
  timers[0]?.()
  await assert.rejects(asked, { code: "TIMEOUT" })
  assert.equal(sent[1]?.["method"], "$/cancel_request")
  peer.receive('{"jsonrpc":"2.0","id":0,"result":{}}')
  assert.equal(oddities.length, 1)
})

test("the end rejects what waits and aborts what runs; nothing is sent after it", async () => {
  let aborted = false
  const { peer, sent } = alone({
    onRequest: ({ signal }) =>
      new Promise(() =>
        signal.addEventListener("abort", () => {
          aborted = true
        }),
      ),
  })
  const asked = peer.request("a", {})
  peer.receive('{"jsonrpc":"2.0","id":1,"method":"slow"}')
  peer.end(new PincerError("UNAVAILABLE", "gone"))
  await assert.rejects(asked, { code: "UNAVAILABLE" })
  assert.ok(aborted)
  const count = sent.length
  peer.notify("b", {})
  peer.receive('{"jsonrpc":"2.0","id":2,"method":"x"}')
  await assert.rejects(peer.request("c", {}), { code: "UNAVAILABLE" })
  assert.equal(sent.length, count)
})

test("lines may be cut anywhere, and one that is too long is dropped without keeping it", () => {
  const lines: string[] = []
  const long: number[] = []
  const reader = new LineReader(40, { line: (text) => lines.push(text), tooLong: (bytes) => long.push(bytes) })
  for (const byte of Buffer.from('{"a":"多字节 🙂"}\r\n\n  \n{"b":1}\n')) reader.push(Buffer.of(byte))
  for (let i = 0; i < 100; i++) reader.push(Buffer.from("x".repeat(30)))
  reader.push(Buffer.from('\n{"c":2}'))
  reader.end()
  assert.deepEqual(lines, ['{"a":"多字节 🙂"}', '{"b":1}', '{"c":2}'])
  assert.deepEqual(long, [3000])
})

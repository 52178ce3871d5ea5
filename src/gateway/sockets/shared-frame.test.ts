import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo, connect } from "node:net"
import { test } from "node:test"
import WebSocket, { WebSocketServer } from "ws"
import { frameText } from "./ring.ts"
import { SharedFrame } from "./shared-frame.ts"

const told = (more: object = {}) => ({ at: 1, order: 1, event: "session.changed", payload: "", ...more })

/** The text of a frame that a server sends. */
function textIn(bytes: Uint8Array): string {
  const frame = Buffer.from(bytes)
  const [first, short = 0] = frame
  assert.equal(first, 0x81)
  const [length, from] =
    short < 126 ? [short, 2] : short === 126 ? [frame.readUInt16BE(2), 4] : [Number(frame.readBigUInt64BE(2)), 10]
  assert.equal(frame.length, from + length)
  return frame.subarray(from).toString()
}

test("each reader gets the whole frame with his own number, whatever its length and digits", () => {
  for (const payload of ['{"a":1}', JSON.stringify({ text: "检查 ".repeat(40) }), JSON.stringify("x".repeat(70_000))])
    for (const stateVersion of [undefined, { presence: 12, health: 3 }]) {
      const frame = new SharedFrame(told({ stateVersion }), payload)
      for (const seq of [1, 9, 10, 11, 99, 1_000_000, 10, 4_294_967_296]) {
        let got = ""
        frame.write(seq, {
          writableLength: 0,
          write: (bytes) => {
            got = textIn(bytes)
          },
        })
        assert.equal(got, frameText({ seq, event: "session.changed", stateVersion }, payload))
        assert.equal(got, frame.text(seq))
      }
    }
})

test("a number within the payload is left alone", () => {
  const frame = new SharedFrame(told(), '{"note":"\\"seq\\":1","seq":10}')
  let got = ""
  frame.write(42, { writableLength: 0, write: (bytes) => (got = textIn(bytes)) })
  assert.deepEqual(JSON.parse(got), {
    type: "event",
    event: "session.changed",
    payload: { note: '"seq":1', seq: 10 },
    seq: 42,
  })
})

test("bytes that the kernel has not taken are not written over for the next reader", () => {
  const frame = new SharedFrame(told(), '{"a":1}')
  const kept: Uint8Array[] = []
  const slow = { writableLength: 99, write: (bytes: Uint8Array) => kept.push(bytes) }
  for (const seq of [3, 4, 5]) frame.write(seq, slow)
  assert.deepEqual(
    kept.map((bytes) => JSON.parse(textIn(bytes)).seq),
    [3, 4, 5],
  )
})

test("a client hears such frames between those of the library, in order, also when it reads late", async (t) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
  t.after(() => server.close())
  await once(server, "listening")
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [[socket, request]] = (await Promise.all([once(server, "connection"), once(client, "open")])) as [
    [WebSocket, { socket: ReturnType<typeof connect> }],
    unknown,
  ]
  client.pause()
  const frame = new SharedFrame(told(), JSON.stringify({ text: "长".repeat(50_000) }))
  for (let seq = 1; seq <= 100; seq++)
    if (seq % 3 === 0) socket.send(frame.text(seq))
    else frame.write(seq, request.socket)
  const seqs: number[] = []
  const all = new Promise<void>((resolve) =>
    client.on("message", (data) => {
      seqs.push((JSON.parse(String(data)) as { seq: number }).seq)
      if (seqs.length === 100) resolve()
    }),
  )
  client.resume()
  await all
  assert.deepEqual(
    seqs,
    Array.from({ length: 100 }, (_, i) => i + 1),
  )
  client.terminate()
})

// Peers that speak WebSocket badly on purpose, or not at all: what they send is capped, what they hold is bounded, and an honest
// client is served within a second all the while.
import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import { after, before, test } from "node:test"
import { clawConnect, openRaw } from "./frames.ts"
import { type House, startHouse } from "./house.ts"

const MAX_PENDING = 64

let house: House
const open: net.Socket[] = []
before(async () => {
  house = await startHouse({ config: { gateway: { maxPending: MAX_PENDING } } })
})
after(async () => {
  for (const socket of open) socket.destroy()
  await house.close()
})

interface Wire {
  socket: net.Socket
  /** All bytes after the upgrade's answer. */
  received(): Buffer
  /** The close code, when the gateway sent one before it hung up. */
  closed: Promise<number | undefined>
}

/** TCP, with the upgrade done by hand: nothing here masks, checks or answers by itself. */
async function upgrade(headers = ""): Promise<Wire> {
  const { port } = new URL(house.url)
  const socket = net.connect(Number(port), "127.0.0.1")
  open.push(socket)
  socket.on("error", () => undefined)
  let bytes = Buffer.alloc(0)
  let body = -1
  const upgraded = new Promise<void>((resolve) => {
    socket.on("data", (data: Buffer) => {
      bytes = Buffer.concat([bytes, data])
      if (body < 0) body = bytes.indexOf("\r\n\r\n") + 4
      if (body > 3) resolve()
      else body = -1
    })
  })
  const closed = new Promise<number | undefined>((resolve) =>
    socket.once("close", () => resolve(closeCode(bytes.subarray(body)))),
  )
  socket.write(
    `GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
  )
  await upgraded
  return { socket, received: () => bytes.subarray(body), closed }
}

/** Code in the last close frame; server frames are unmasked and small here. */
function closeCode(bytes: Buffer): number | undefined {
  const at = bytes.lastIndexOf(0x88)
  return at < 0 || bytes.length < at + 4 ? undefined : bytes.readUInt16BE(at + 2)
}

/** One frame as a client sends it, masked with zeros. `announce`: the length that its header claims. */
function frame(
  opcode: number,
  payload: Buffer | string,
  options: { fin?: boolean; rsv1?: boolean; announce?: number } = {},
): Buffer {
  const data = Buffer.from(payload)
  const length = options.announce ?? data.length
  const first = (options.fin === false ? 0 : 0x80) | (options.rsv1 ? 0x40 : 0) | opcode
  const mask = Buffer.alloc(4)
  if (length < 126) return Buffer.concat([Buffer.from([first, 0x80 | length]), mask, data])
  if (length < 65_536) {
    const head = Buffer.from([first, 0x80 | 126, 0, 0])
    head.writeUInt16BE(length, 2)
    return Buffer.concat([head, mask, data])
  }
  const head = Buffer.alloc(10)
  head[0] = first
  head[1] = 0x80 | 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, mask, data])
}

const CONNECT = (token: string) =>
  JSON.stringify({ type: "req", id: "1", method: "connect", params: clawConnect(4, token) })

/** Past hello. */
async function member(): Promise<Wire> {
  const wire = await upgrade()
  wire.socket.write(frame(1, CONNECT(house.token)))
  while (!wire.received().includes("hello-ok")) await once(wire.socket, "data")
  return wire
}

/** Connects and asks as any client would; ms that it took. */
async function honest(): Promise<number> {
  const began = performance.now()
  const raw = await openRaw(house.wsUrl)
  assert.equal((await raw.ask("connect", clawConnect(4, house.token))).ok, true)
  assert.equal((await raw.ask("health")).ok, true)
  raw.socket.terminate()
  return performance.now() - began
}

const BEFORE_HELLO: [name: string, bytes: () => Buffer, code: number][] = [
  ["a frame above 64 KiB", () => frame(1, Buffer.alloc(65_537, 32)), 1009],
  ["a frame that claims a gigabyte", () => frame(1, "x", { announce: 2 ** 30 }), 1009],
  [
    "fragments that never end",
    () =>
      Buffer.concat([
        frame(1, "[", { fin: false }),
        ...Array.from({ length: 70 }, () => frame(0, Buffer.alloc(1_000, 32), { fin: false })),
      ]),
    1009,
  ],
  ["bytes that are no UTF-8", () => frame(1, Buffer.from([0x22, 0xc3, 0x28, 0xff, 0x22])), 1007],
  ["a compressed frame, which nobody agreed on", () => frame(1, "x", { rsv1: true }), 1002],
  ["an unmasked frame", () => Buffer.from([0x81, 2, 0x7b, 0x7d]), 1002],
  ["an opcode that does not exist", () => frame(3, "x"), 1002],
  ["a ping larger than pings may be", () => frame(9, Buffer.alloc(126)), 1002],
  ["a binary frame", () => frame(2, "{}"), 1000],
]

for (const [name, bytes, code] of BEFORE_HELLO)
  test(`${name} ends the connection with ${code}`, async () => {
    const wire = await upgrade()
    wire.socket.write(bytes())
    assert.equal(await wire.closed, code)
  })

test("after hello 25 MiB is the limit, said by the header alone; deep or broken JSON is ignored", async () => {
  const wire = await member()
  wire.socket.write(frame(1, `${"[".repeat(100_000)}`))
  wire.socket.write(
    frame(1, `{"type":"req","id":"p","method":"health","__proto__":{"x":1},"params":{"__proto__":{"x":1}}}`),
  )
  while (!wire.received().includes('"id":"p","ok":true')) await once(wire.socket, "data")
  assert.ok(!("x" in {}))
  wire.socket.write(frame(1, "x", { announce: 25 * 1024 * 1024 + 1 }))
  assert.equal(await wire.closed, 1009)
})

test("frames before connect is answered are not served, however many", async () => {
  const wire = await upgrade()
  const many = Array.from({ length: 2_000 }, (_, i) => frame(1, `{"type":"req","id":"f${i}","method":"health"}`))
  wire.socket.write(Buffer.concat([frame(1, CONNECT("wrong")), ...many]))
  assert.equal(await wire.closed, 1008)
  const text = String(wire.received())
  assert.match(text, /token mismatch/)
  assert.doesNotMatch(text, /"id":"f\d/)
})

test("a compression offer is not taken up", async () => {
  const { socket } = await openRaw(house.wsUrl, { perMessageDeflate: true })
  assert.equal(socket.extensions, "")
  socket.terminate()
})

test("upgrades that never say who they are are capped, and an honest client gets in within a second", async () => {
  const flood: Promise<Wire>[] = []
  for (let i = 0; i < 400; i++) flood.push(upgrade())
  const during = honest()
  const wires = await Promise.all(flood)
  assert.ok((await during) < 1_000)
  assert.ok((await honest()) < 1_000)
  // Those that had to make room were told, and let go although they answer nothing.
  let evicted = 0
  await new Promise<void>((resolve) => {
    for (const wire of wires)
      wire.closed.then((code) => {
        if (code === 1013) evicted += 1
        if (evicted >= 400 - MAX_PENDING - 2) resolve()
      })
  })
  for (const wire of wires) wire.socket.destroy()
})

test("sockets that only connect do not keep an honest client out", async () => {
  const { port } = new URL(house.url)
  const idle = Array.from({ length: 300 }, () => net.connect(Number(port), "127.0.0.1"))
  for (const socket of idle) socket.on("error", () => undefined)
  assert.ok((await honest()) < 1_000)
  for (const socket of idle) socket.destroy()
})

test("a reader that never reads costs a bounded amount, and nobody else anything", async () => {
  const wire = await member()
  wire.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 5_000 }, () => frame(9, "x".repeat(120))))
  const before = process.memoryUsage().rss
  for (let i = 0; i < 40; i++) {
    wire.socket.write(pings)
    await new Promise(setImmediate)
  }
  assert.ok((await honest()) < 1_000)
  const grown = (process.memoryUsage().rss - before) / 2 ** 20
  assert.ok(grown < 100, `${grown.toFixed(0)} MiB more`)
  wire.socket.destroy()
})

test("two thousand idle members are cheap, and an honest client is served within a second", async () => {
  const wires: Wire[] = []
  for (let i = 0; i < 50; i++) wires.push(await member())
  const before = process.memoryUsage().rss
  for (let i = 0; i < 39; i++) wires.push(...(await Promise.all(Array.from({ length: 50 }, member))))
  assert.ok((await honest()) < 1_000)
  const { connections } = house.parts.presence
  assert.ok(connections >= 2_000, String(connections))
  // Both ends live in this process.
  const each = (process.memoryUsage().rss - before) / 1_950 / 1024
  assert.ok(each < 80, `${each.toFixed(1)} KiB each`)
  for (const wire of wires) wire.socket.destroy()
})

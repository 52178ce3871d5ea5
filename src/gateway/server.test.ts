import assert from "node:assert/strict"
import { once } from "node:events"
import http from "node:http"
import net from "node:net"
import { type TestContext, test } from "node:test"
import { say } from "../../test/fakes/agent-room.ts"
import { openMethodRoom } from "../../test/fakes/method-room.ts"
import { PincerError } from "../base/errors.ts"
import { configSchema } from "../config/schema.ts"
import { openAuth } from "./auth.ts"
import { type Server, type ServerOptions, startServer } from "./server.ts"
import { AcpDoor } from "./sockets/acp.ts"
import { ControlDoor } from "./sockets/control.ts"
import { RpcDoor } from "./sockets/rpc.ts"

async function open(
  t: TestContext,
  gateway: Record<string, unknown> = {},
  more: Partial<ServerOptions> = {},
): Promise<Server & { control: ControlDoor; port: number }> {
  const config = configSchema.parse({ gateway: { port: 0, ...gateway } })
  const { parts, close } = await openMethodRoom({ script: () => say("Hello"), parts: { config } })
  t.after(close)
  const auth = openAuth(parts)
  const control = new ControlDoor(parts, auth, new Map())
  t.after(() => control.close())
  const answer: ServerOptions["http"] = (request, response) => {
    request.resume()
    response.end("ok")
  }
  const rpc = new RpcDoor(parts, new Map())
  const acp = new AcpDoor(parts, new Map(), "0.0.0")
  const server = await startServer({ parts, auth, http: answer, control, rpc, acp, ...more })
  let closed = false
  const stop = async () => {
    if (!closed) await server.close()
    closed = true
  }
  t.after(stop)
  return { ...server, close: stop, control, port: server.addresses[0]!.port }
}

/** Everything that comes back on a TCP connection until it ends. */
async function talk(port: number, text: string): Promise<string> {
  const socket = net.connect(port, "127.0.0.1")
  let answer = ""
  socket.on("data", (data) => {
    answer += String(data)
  })
  socket.on("error", () => undefined)
  socket.write(text)
  await once(socket, "close")
  return answer
}

async function occupied(t: TestContext): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === "object" && address)
  return address.port
}

const UPGRADE =
  "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

test("a taken port is named, with what to do; a taken extra one is only a warning", async (t) => {
  const port = await occupied(t)
  await assert.rejects(open(t, { port }), (error) => {
    assert.ok(error instanceof PincerError)
    assert.equal(error.code, "UNAVAILABLE")
    assert.equal(
      error.message,
      `Port ${port} on 127.0.0.1 is taken: stop what listens there, or choose another with --port`,
    )
    return true
  })
  const extra = await open(t, {
    listeners: [
      { host: "127.0.0.1", port },
      { host: "127.0.0.1", port: 0 },
    ],
  })
  assert.equal(extra.addresses.length, 2)
  assert.match(extra.warnings.join(), new RegExp(`Port ${port} .* is taken`))
  for (const address of extra.addresses) {
    const response = await fetch(`http://127.0.0.1:${address.port}/x`)
    assert.equal(await response.text(), "ok", "every route is on every listener")
  }
})

test("headers and bodies that never end are cut off, and others are served meanwhile", async (t) => {
  const { port } = await open(t, {}, { deadlines: { headersMs: 100, requestMs: 200, checkMs: 20 } })
  const slow = [
    talk(port, "GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: "),
    talk(port, UPGRADE),
    talk(port, "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf"),
  ]
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "ok")
  const [headers, upgrade, body] = await Promise.all(slow)
  assert.match(headers!, /^HTTP\/1.1 408 /)
  assert.match(upgrade!, /^HTTP\/1.1 408 /)
  assert.match(body!, /^HTTP\/1.1 (200|408) /)
})

test("headers without end, requests that are none and upgrades to something else are refused", async (t) => {
  const { port } = await open(t)
  assert.match(
    await talk(port, `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1.1 431 /,
  )
  assert.match(await talk(port, "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), /^HTTP\/1.1 400 /)
  assert.match(await talk(port, `${UPGRADE.replace("websocket", "h2c")}\r\n`), /^HTTP\/1.1 4\d\d /)
})

test("a peer that hangs up while it is being refused does no harm", async (t) => {
  const { port } = await open(t)
  for (let i = 0; i < 20; i++) {
    const socket = net.connect(port, "127.0.0.1")
    socket.on("error", () => undefined)
    socket.write(`${UPGRADE}origin: https://evil.example\r\n\r\n`)
    socket.resetAndDestroy()
    await once(socket, "close")
  }
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "ok")
})

test("closing does not wait for peers that answer nothing", async (t) => {
  const server = await open(t)
  const sockets = [UPGRADE, "GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: "].map((text) => {
    const socket = net.connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true })
    socket.on("error", () => undefined)
    socket.write(text === UPGRADE ? `${text}\r\n` : text)
    return socket
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  await once(sockets[0]!, "data")
  assert.equal(server.control.pending, 1)
  const began = performance.now()
  await server.close()
  assert.ok(performance.now() - began < 5_000)
  await assert.rejects(fetch(`http://127.0.0.1:${server.port}/`))
})

test("a kept-alive connection cannot go on after the Host check of its first request", async (t) => {
  const { port } = await open(t)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const ask = (host: string) =>
    new Promise<number>((resolve, reject) => {
      http
        .get({ port, host: "127.0.0.1", agent, headers: { host } }, (response) => {
          response.resume()
          response.once("end", () => resolve(response.statusCode ?? 0))
        })
        .once("error", reject)
    })
  assert.equal(await ask("localhost"), 200)
  assert.equal(await ask("evil.example"), 403)
})

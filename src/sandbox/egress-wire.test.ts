// The judged way out: what is carried, byte by byte, by clients and servers that are slow, greedy, broken or lying.
import assert from "node:assert/strict"
import { once } from "node:events"
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { type IncomingMessage, request } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { test } from "node:test"
import { echo, get, PUBLIC, room, said, socks, tcp, tell, tunnel, web } from "../../test/fakes/egress-room.ts"
import { openEgress, openLoopbackEgress } from "./egress.ts"

test("one connection carries one request: a second one, or one hidden in the body, is never forwarded", async (t) => {
  const { port, requests } = await web(t)
  const { dial, seen } = await room(t, { at: port, network: [{ host: "*" }] })
  const hidden = get("http://example.com/hidden")
  const attacks = [
    `${get("http://example.com/first")}${hidden}`,
    `POST http://example.com/first HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\nbody${hidden}`,
    `POST http://example.com/first HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
  ]
  for (const attack of attacks) await tell(dial(), attack)
  assert.deepEqual(
    requests.map((one) => one.req.url),
    ["/first", "/first", "/first"],
  )
  assert.equal(seen.length, 3)
})

test("requests that two readers could understand differently are refused and not forwarded", async (t) => {
  const { port, requests } = await web(t)
  const { dial } = await room(t, { at: port, network: [{ host: "*" }] })
  const head = "POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\n"
  for (const [name, text] of Object.entries({
    both: `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "two lengths": `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
    "a length of words": `${head}Content-Length: +5\r\n\r\nhello`,
    "another coding": `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    "coding twice": `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "coding last but one": `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    "space before colon": `${head}Content-Length : 5\r\n\r\nhello`,
    "folded line": `${head}X-A: b\r\n c\r\nX: y\r\n\r\n`,
    "bare line feed": "GET http://example.com/ HTTP/1.1\nHost: example.com\n\n",
    "two hosts": `GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nHost: evil.example\r\n\r\n`,
    "another host": `GET http://example.com/ HTTP/1.1\r\nHost: evil.example\r\n\r\n`,
    "another port": `GET http://example.com/ HTTP/1.1\r\nHost: example.com:8080\r\n\r\n`,
    "no host": `GET http://example.com/ HTTP/1.1\r\n\r\n`,
    "origin form": `GET / HTTP/1.1\r\nHost: example.com\r\n\r\n`,
    "https in the open": `GET https://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n`,
    "not HTTP": "\x16\x03\x01\x02\x00\x01\x00\x01",
    "SOCKS 4": "\x04\x01\x00\x50\x00\x00\x00\x01\x00example.com\x00",
  }))
    assert.doesNotMatch(await tell(dial(), text), /^HTTP\/1\.1 2/, name)
  assert.deepEqual(
    requests.map((one) => one.req.rawHeaders),
    [],
  )
})

test("headers between neighbours stay between them, also those that Connection names", async (t) => {
  const { port, requests } = await web(t)
  const { dial } = await room(t, { at: port })
  const answer = await tell(
    dial(),
    "POST http://EXAMPLE.com:80/p?q HTTP/1.1\r\nHost: example.COM\r\nProxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\n" +
      "Connection: keep-alive, X-Private, Content-Length\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: websocket\r\n" +
      "X-Twice: a\r\nX-Twice: b\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
  )
  assert.match(answer, /HTTP\/1\.1 200 OK\r\nX-Kept: yes\r\n/)
  assert.match(answer, /Connection: close/)
  const { req, body } = requests[0]!
  assert.equal(body, "body")
  assert.equal(req.url, "/p?q")
  assert.deepEqual(req.rawHeaders, [
    ...["Host", "example.com", "X-Twice", "a", "X-Twice", "b", "Content-Length", "4", "Connection", "close"],
  ])
})

test("bodies without a length, in chunks, and answers of every framing go through whole", async (t) => {
  const { port, requests } = await web(t, (_, body) => body.repeat(1_000))
  const { dial } = await room(t, { at: port })
  const head = "POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\n"
  const chunked = await tell(dial(), `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`)
  assert.equal(requests[0]!.body, "abcde")
  assert.ok(chunked.includes("abcde".repeat(1_000)))
  await tell(dial(), `${head}\r\n`)
  assert.equal(requests[1]!.body, "")
  assert.match(
    await tell(dial(), "HEAD http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    /^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n$/,
  )
  const old = await tell(dial(), "GET http://example.com/old HTTP/1.0\r\n\r\n")
  assert.match(old, /200 OK/)
  assert.doesNotMatch(old, /chunked/)
})

test("what a broken server says ends in an answer or an end, not in a crash", async (t) => {
  for (const text of ["nonsense\r\n\r\n", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", ""]) {
    const at = await tcp(t, (socket) => void socket.end(text))
    const { dial } = await room(t, { at })
    assert.match(await tell(dial(), get("http://example.com/")), /^HTTP\/1\.1 502 /, text)
  }
  const at = await tcp(t, (socket) => void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"))
  const { dial } = await room(t, { at })
  assert.match(await tell(dial(), get("http://example.com/")), /short$/)
  const big = await tcp(t, (socket) => void socket.end(`HTTP/1.1 200 OK\r\nX: ${"a".repeat(100_000)}\r\n\r\n`))
  assert.match(await tell((await room(t, { at: big })).dial(), get("http://example.com/")), /^HTTP\/1\.1 502 /)
})

test("a head that is too large or never ends is cut off", async (t) => {
  const { dial, seen } = await room(t, { limits: { headMs: 60 } })
  const large = `GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nX: ${"a".repeat(100_000)}\r\n\r\n`
  assert.match(await tell(dial(), large), /^HTTP\/1\.1 431 /)
  for (const text of [
    "",
    "GET http://example.com/ HTTP/1.1\r\nHost: exa",
    "\x05",
    "\x05\x01\x00\x05\x01\x00\x03\x0bexam",
  ]) {
    const socket = dial()
    if (text !== "") socket.write(Buffer.from(text, "latin1"))
    assert.match(await said(socket), /^(\x05\x00)?$/, JSON.stringify(text))
  }
  assert.deepEqual(seen, [])
})

test("a SOCKS greeting that comes byte by byte is served, and holds nobody up meanwhile", async (t) => {
  const { port } = await web(t)
  const { dial } = await room(t, { at: port })
  const slow = dial()
  slow.on("error", () => slow.destroy())
  for (const byte of socks("example.com", 80)) {
    slow.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.match(await tell(dial(), get("http://example.com/other")), /200 OK/)
  assert.match(await tell(slow, "GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), /hello \/slow/)
})

test("each direction of a tunnel ends by itself; the other goes on", async (t) => {
  const at = await tcp(t, (socket) => {
    const chunks: Buffer[] = []
    socket.on("data", (chunk: Buffer) => chunks.push(chunk))
    socket.on("end", () => socket.end(`got ${Buffer.concat(chunks).toString()}`))
  })
  const { dial } = await room(t, { at })
  const socket = await tunnel(dial(), "example.com:443")
  socket.end("all of it")
  assert.equal(await said(socket), "got all of it")
})

test("bytes sent together with CONNECT are part of the tunnel", async (t) => {
  const at = await tcp(t, echo)
  const { dial } = await room(t, { at })
  const socket = dial()
  socket.end("CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\nearly bytes")
  assert.match(await said(socket), /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nearly bytes$/)
})

test("a peer that never reads holds the other back, and silence ends both", async (t) => {
  let sent = 0
  const gone = Promise.withResolvers<void>()
  const at = await tcp(t, (socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536))) sent += 65_536
    }
    socket.on("drain", more)
    socket.on("close", () => gone.resolve())
    more()
  })
  const { dial } = await room(t, { at, limits: { idleMs: 300 } })
  const socket = dial()
  socket.on("error", () => socket.destroy())
  socket.write("CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n")
  await gone.promise
  assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes were taken for nobody`)
  socket.destroy()
})

test("a client that goes away takes its connection out along, in whatever state", async (t) => {
  const closed = Promise.withResolvers<void>()
  const at = await tcp(t, (socket) => {
    echo(socket)
    socket.on("close", () => closed.resolve())
  })
  const { dial } = await room(t, { at })
  const socket = await tunnel(dial(), "example.com:443")
  socket.destroy()
  await closed.promise
  const waiting = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const server = await tcp(t, (one) => {
    one.once("data", () => asked.resolve())
    one.once("end", () => one.end())
    one.on("close", () => waiting.resolve())
  })
  const other = await room(t, { at: server })
  const client = other.dial()
  client.write(get("http://example.com/never"))
  await asked.promise
  client.destroy()
  await waiting.promise
})

test("of 200 connections at once no more than the limit are served, and places become free again", async (t) => {
  let open = 0
  let most = 0
  const at = await tcp(t, (socket) => {
    most = Math.max(most, ++open)
    socket.on("close", () => open--)
    echo(socket)
  })
  const { dial } = await room(t, { at, limits: { connections: 20 } })
  const sockets = Array.from({ length: 200 }, dial)
  const outcomes = await Promise.all(
    sockets.map(async (socket) => {
      socket.on("error", () => socket.destroy())
      socket.write("CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n")
      return Promise.race([
        once(socket, "data").then(() => "served"),
        once(socket, "close").then(() => "closed"),
      ]).catch(() => "closed")
    }),
  )
  assert.equal(outcomes.filter((one) => one === "served").length, 20)
  assert.equal(most, 20)
  await Promise.all(
    sockets.map(async (socket) => {
      if (socket.destroyed) return
      socket.end()
      await said(socket)
    }),
  )
  await tunnel(dial(), "example.com:443")
})

test("what cannot be recorded does not happen", async (t) => {
  const { port, requests } = await web(t)
  const saw = () => {
    throw new Error("the disk is full")
  }
  const { dial, dialled } = await room(t, { at: port, saw })
  assert.match(await tell(dial(), get("http://example.com/")), /^HTTP\/1\.1 502 [\s\S]*could not be recorded/)
  assert.match(await tell(dial(), get("http://evil.example/")), /^HTTP\/1\.1 502 /)
  assert.deepEqual([dialled, requests], [[], []])
})

test("close() ends every connection and removes the folder, whatever state they are in", async (t) => {
  const at = await tcp(t, echo)
  const never = new Promise<string[]>(() => undefined)
  const { dial, egress } = await room(t, {
    at,
    network: [{ host: "*" }],
    lookup: (host) => (host === "slow.example" ? never : Promise.resolve([PUBLIC])),
  })
  const tunnelled = await tunnel(dial(), "example.com:443")
  const resolving = dial()
  resolving.write(get("http://slow.example/"))
  const silent = dial()
  await once(silent, "connect")
  const ended = Promise.all([tunnelled, resolving, silent].map(said))
  await egress.close()
  await ended
  assert.equal(existsSync(dirname(egress.socketPath)), false)
  await egress.close()
})

test("the socket is for its owner alone, and each program has its own", async (t) => {
  const one = await room(t, {})
  const other = await room(t, { network: [] })
  assert.notEqual(one.egress.socketPath, other.egress.socketPath)
  assert.equal(statSync(dirname(one.egress.socketPath)).mode & 0o777, 0o700)
  assert.equal(statSync(one.egress.socketPath).mode & 0o777, 0o600)
  await tell(other.dial(), get("http://example.com/"))
  assert.deepEqual([one.verdicts(), other.verdicts()], [[], ["deny"]])
})

test("a folder whose path is too long for a socket is refused with the reason", async () => {
  const gate = { sessionKey: "main", saw: () => undefined }
  const profile = { name: "mine", network: [], loopbackPorts: [] }
  const folder = mkdtempSync(join(tmpdir(), "x".repeat(100)))
  try {
    await assert.rejects(openEgress({ profile, gate, folder }), /too long for a socket/)
    assert.deepEqual(readdirSync(folder), [])
  } finally {
    rmSync(folder, { recursive: true })
  }
  await assert.rejects(openEgress({ profile: { ...profile, network: [{ host: "" }] }, gate }), {
    code: "INVALID_PARAMS",
  })
})

test("the same on a loopback port, for systems without an own loopback", async (t) => {
  const { port } = await web(t)
  const seen: string[] = []
  const egress = await openLoopbackEgress({
    profile: { name: "mine", network: [{ host: "example.com" }], loopbackPorts: [] },
    gate: { sessionKey: "main", saw: (_, verdict) => void seen.push(verdict) },
    lookup: async () => [PUBLIC],
    connect: () => connect({ host: "127.0.0.1", port }),
  })
  t.after(() => egress.close())
  const req = request({
    host: "127.0.0.1",
    port: egress.port,
    path: "http://example.com/",
    headers: { host: "example.com" },
  })
  req.end()
  const [response] = (await once(req, "response")) as [IncomingMessage]
  assert.equal(response.statusCode, 200)
  response.resume()
  await tell(connect(egress.port, "127.0.0.1"), get("http://evil.example/"))
  assert.deepEqual(seen, ["allow", "deny"])
})

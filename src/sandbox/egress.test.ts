import assert from "node:assert/strict"
import { once } from "node:events"
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { createServer as createHttp, type Server as HttpServer, type IncomingMessage, request } from "node:http"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { type TestContext, test } from "node:test"
import { type EgressLimits, openEgress, openLoopbackEgress } from "./egress.ts"
import type { Connect, Lookup } from "./egress-dial.ts"
import type { EgressAttempt, NetworkRule } from "./sandbox.ts"

const PUBLIC = "93.184.216.34"

interface Seen extends EgressAttempt {
  verdict: "allow" | "deny"
  reason: string
}

interface RoomOptions {
  network?: readonly NetworkRule[]
  loopbackPorts?: readonly number[]
  /** Name to addresses; a list of lists answers one after the other. */
  dns?: Record<string, readonly string[]>
  lookup?: Lookup
  /** Where each public address really is: a port of this machine. */
  at?: number
  connect?: Connect
  limits?: Partial<EgressLimits>
  saw?: () => void
}

/** An egress whose public internet is one server of this machine. */
async function room(t: TestContext, options: RoomOptions) {
  const seen: Seen[] = []
  const asked: string[] = []
  const dialled: string[] = []
  const egress = await openEgress({
    profile: {
      name: "mine",
      network: options.network ?? [{ host: "example.com" }],
      loopbackPorts: options.loopbackPorts ?? [],
    },
    gate: {
      sessionKey: "main",
      saw(attempt, verdict, reason) {
        options.saw?.()
        seen.push({ ...attempt, verdict, reason })
      },
    },
    limits: options.limits,
    lookup: (host) => {
      asked.push(host)
      return options.lookup ? options.lookup(host) : Promise.resolve(options.dns?.[host] ?? [PUBLIC])
    },
    connect: (address, port) => {
      dialled.push(`${address} ${port}`)
      if (options.connect) return options.connect(address, port)
      return connect({ host: "127.0.0.1", port: options.at ?? 1, allowHalfOpen: true })
    },
  })
  t.after(() => egress.close())
  const dial = () => connect({ path: egress.socketPath, allowHalfOpen: true })
  return { egress, seen, asked, dialled, dial, verdicts: () => seen.map((one) => one.verdict) }
}

/** Everything the peer says until it ends. */
async function said(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on("data", (chunk: Buffer) => chunks.push(chunk))
  socket.on("error", () => socket.destroy())
  socket.once("end", () => socket.end())
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve))
  return Buffer.concat(chunks).toString("latin1")
}

async function tell(socket: Socket, text: string | Buffer): Promise<string> {
  socket.write(text)
  return said(socket)
}

function get(url: string, host?: string): string {
  return `GET ${url} HTTP/1.1\r\nHost: ${host ?? new URL(url).host}\r\nUser-Agent: t\r\n\r\n`
}

async function web(t: TestContext, handler?: (req: IncomingMessage, body: string) => string) {
  const requests: { req: IncomingMessage; body: string }[] = []
  const server: HttpServer = createHttp(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    requests.push({ req, body })
    res.setHeader("X-Kept", "yes")
    res.end(handler?.(req, body) ?? `hello ${req.url}`)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, requests }
}

async function tcp(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    serve(socket)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function echo(socket: Socket): void {
  socket.pipe(socket)
}

function socks(host: string | readonly number[], port: number, type = 3): Buffer {
  const name = typeof host === "string" ? [Buffer.byteLength(host), ...Buffer.from(host)] : host
  return Buffer.from([5, 1, 0, 5, 1, 0, type, ...name, port >> 8, port & 255])
}

/** Speaks to the proxy until the tunnel stands; gives the socket. */
async function tunnel(socket: Socket, target: string): Promise<Socket> {
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
  const [head] = (await once(socket, "data")) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1\.1 200 /)
  return socket
}

test("an allowed host answers over plain HTTP, CONNECT and SOCKS5, and the gate hears of each with the pinned address", async (t) => {
  const { port } = await web(t)
  const { dial, seen, dialled } = await room(t, { at: port })
  assert.match(await tell(dial(), get("http://example.com/a?b=1")), /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello \/a\?b=1/)
  const through = await tunnel(dial(), "example.com:443")
  assert.match(await tell(through, "GET /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), /hello \/t/)
  const socket = dial()
  socket.write(socks("example.com", 80))
  socket.write("GET /s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  const answer = await said(socket)
  assert.equal(answer.slice(0, 4), "\x05\x00\x05\x00")
  assert.match(answer, /hello \/s/)
  assert.deepEqual(dialled, [`${PUBLIC} 80`, `${PUBLIC} 443`, `${PUBLIC} 80`])
  assert.deepEqual(
    seen.map(({ host, port, address, verdict }) => [host, port, address, verdict]),
    [
      ["example.com", 80, PUBLIC, "allow"],
      ["example.com", 443, PUBLIC, "allow"],
      ["example.com", 80, PUBLIC, "allow"],
    ],
  )
})

test("any other host is refused with one sentence that names it and the way to allow it; nothing is looked up or connected to", async (t) => {
  const { dial, seen, asked, dialled } = await room(t, {})
  const plain = await tell(dial(), get("http://evil.example/"))
  assert.match(
    plain,
    /^HTTP\/1\.1 403 [\s\S]*evil\.example:80 is in no network rule\. To allow it[\s\S]*sandbox profile "mine"/,
  )
  assert.match(
    await tell(dial(), "CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    /^HTTP\/1\.1 403 [\s\S]*evil\.example:443/,
  )
  assert.match(
    await tell(dial(), "CONNECT example.com:25 HTTP/1.1\r\nHost: a\r\n\r\n"),
    /^HTTP\/1\.1 403 [\s\S]*example\.com:25/,
  )
  assert.equal((await tell(dial(), socks("evil.example", 443)))[3], "\x02")
  assert.equal((await tell(dial(), socks([93, 184, 216, 34], 443, 1)))[3], "\x02", "the address of an allowed name")
  assert.deepEqual(
    seen.map((one) => [one.verdict, one.host, one.port]),
    [
      ["deny", "evil.example", 80],
      ["deny", "evil.example", 443],
      ["deny", "example.com", 25],
      ["deny", "evil.example", 443],
      ["deny", PUBLIC, 443],
    ],
  )
  assert.deepEqual([asked, dialled], [[], []])
})

test("private addresses are refused in every spelling and through every door", async (t) => {
  const { dial, dialled, verdicts } = await room(t, { network: [{ host: "*" }] })
  const spellings = [
    ...[
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f.1",
      "0177.0.0.1",
      "localhost",
      "LOCALHOST.",
      "a.localhost",
      "0",
      "0.0.0.0",
    ],
    ...[
      "[::1]",
      "[::]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "[::ffff:0:127.0.0.1]",
      "[64:ff9b::7f00:1]",
      "[2002:7f00:1::]",
    ],
    ...[
      "169.254.169.254",
      "0xa9fea9fe",
      "[::ffff:a9fe:a9fe]",
      "[fd00:ec2::254]",
      "100.100.100.200",
      "168.63.129.16",
      "198.18.0.1",
    ],
    ...[
      "10.0.0.1",
      "172.16.0.1",
      "192.168.0.1",
      "100.64.0.1",
      "224.0.0.1",
      "255.255.255.255",
      "[fe80::1]",
      "[fc00::1]",
      "[ff02::1]",
    ],
    ...["１２７.0.0.1", "%31%32%37.0.0.1", "127。0。0。1"].map((one) => encodeURI(decodeURI(one))),
  ]
  for (const host of spellings) {
    const plain = await tell(dial(), `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    assert.match(plain, /^HTTP\/1\.1 403 /, `GET ${host}`)
    assert.match(
      await tell(dial(), `CONNECT ${host}:443 HTTP/1.1\r\nHost: a\r\n\r\n`),
      /^HTTP\/1\.1 403 /,
      `CONNECT ${host}`,
    )
    assert.equal((await tell(dial(), socks(host.replace(/^\[|\]$/g, ""), 443)))[3], "\x02", `SOCKS ${host}`)
  }
  assert.equal((await tell(dial(), socks([127, 0, 0, 1], 80, 1)))[3], "\x02")
  assert.equal((await tell(dial(), socks([...Array(15).fill(0), 1], 80, 4)))[3], "\x02")
  assert.equal((await tell(dial(), socks([...Array(10).fill(0), 255, 255, 169, 254, 169, 254], 80, 4)))[3], "\x02")
  assert.deepEqual(dialled, [])
  assert.deepEqual(new Set(verdicts()), new Set(["deny"]))
  assert.equal(verdicts().length, spellings.length * 3 + 3)
})

test("zones, user names and nonsense are no hosts", async (t) => {
  const { dial, dialled, verdicts } = await room(t, { network: [{ host: "*" }] })
  for (const host of [
    "[fe80::1%25lo]",
    "user@example.com",
    "example.com@127.0.0.1",
    "a%00b",
    "example.com\\@a",
    "a..b",
    "",
  ])
    assert.match(
      await tell(dial(), `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
      /^HTTP\/1\.1 40[03] /,
      host,
    )
  for (const target of [
    "example.com",
    "example.com:0",
    "example.com:99999",
    "[::1",
    "a b:80",
    "/",
    "http://example.com/",
  ])
    assert.match(await tell(dial(), `CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`), /^HTTP\/1\.1 40[03] /, target)
  assert.equal((await tell(dial(), socks("", 80)))[3], "\x02")
  assert.equal((await tell(dial(), socks("a\0b", 80)))[3], "\x02")
  assert.equal((await tell(dial(), socks("example.com", 0)))[3], "\x02")
  assert.ok(!verdicts().includes("allow"))
  assert.deepEqual(dialled, [])
})

test("a name is asked once: an answer that turns private a moment later is never heard", async (t) => {
  const { port } = await web(t)
  let answers = 0
  const lookup: Lookup = async () => (answers++ === 0 ? [PUBLIC] : ["127.0.0.1"])
  const { dial, asked, dialled, verdicts } = await room(t, { at: port, lookup })
  assert.match(await tell(dial(), get("http://example.com/")), /^HTTP\/1\.1 200 /)
  assert.deepEqual(asked, ["example.com"])
  // The next connection asks anew, and is refused for what it hears.
  assert.match(await tell(dial(), get("http://example.com/")), /^HTTP\/1\.1 403 [\s\S]*127\.0\.0\.1, a private/)
  assert.deepEqual(dialled, [`${PUBLIC} 80`])
  assert.deepEqual(verdicts(), ["allow", "deny"])
})

test("one private address among the answers spoils the name, wherever its aliases led", async (t) => {
  const { dial, dialled, seen } = await room(t, {
    network: [{ host: "*" }],
    dns: {
      "mixed.example": [PUBLIC, "10.0.0.1"],
      "alias.example": ["169.254.169.254"],
      "six.example": [PUBLIC, "::ffff:127.0.0.1"],
      "lies.example": [PUBLIC, "localhost"],
      "zone.example": ["fe80::1%lo"],
    },
  })
  for (const name of ["mixed", "alias", "six", "lies", "zone"])
    assert.match(await tell(dial(), get(`http://${name}.example/`)), /^HTTP\/1\.1 403 /, name)
  assert.deepEqual(dialled, [])
  assert.equal(seen.length, 5)
  assert.ok(seen.every((one) => one.verdict === "deny"))
})

test("names that cannot be looked up, or never are, end in a clear answer in bounded time", async (t) => {
  const never = Promise.withResolvers<string[]>()
  const lookup: Lookup = async (host) => {
    if (host === "slow.example") return never.promise
    if (host === "none.example") return []
    throw new Error("ENOTFOUND")
  }
  const { dial, verdicts } = await room(t, { network: [{ host: "*" }], lookup, limits: { lookupMs: 30 } })
  assert.match(await tell(dial(), get("http://slow.example/")), /^HTTP\/1\.1 504 [\s\S]*not looked up in time/)
  assert.match(await tell(dial(), get("http://none.example/")), /^HTTP\/1\.1 502 [\s\S]*could not be looked up/)
  assert.match(await tell(dial(), get("http://gone.example/")), /^HTTP\/1\.1 502 /)
  assert.equal((await tell(dial(), socks("slow.example", 80)))[3], "\x04")
  assert.deepEqual(verdicts(), ["deny", "deny", "deny", "deny"])
})

test("the next address is tried when one does not answer; all dead is said so", async (t) => {
  const { port } = await web(t)
  const dead = await closedPort()
  const at: Connect = (address) => connect({ host: "127.0.0.1", port: address === PUBLIC ? dead : port })
  const { dial, dialled, seen } = await room(t, { dns: { "example.com": [PUBLIC, "93.184.216.35"] }, connect: at })
  assert.match(await tell(dial(), get("http://example.com/")), /^HTTP\/1\.1 200 /)
  assert.deepEqual(dialled, [`${PUBLIC} 80`, "93.184.216.35 80"])
  assert.deepEqual(
    seen.map((one) => one.address),
    [PUBLIC, "93.184.216.35"],
  )
  const none = await room(t, { at: dead })
  assert.match(
    await tell(none.dial(), get("http://example.com/")),
    /^HTTP\/1\.1 502 [\s\S]*example\.com:80 could not be connected/,
  )
  assert.equal((await tell(none.dial(), socks("example.com", 80)))[3], "\x05")
})

test("a redirect to a private address is a new connection and refused", async (t) => {
  const { port } = await web(t)
  const { dial } = await room(t, { at: port, network: [{ host: "example.com" }] })
  assert.match(await tell(dial(), get("http://example.com/")), /200 OK/)
  assert.match(await tell(dial(), get("http://169.254.169.254/latest/")), /^HTTP\/1\.1 403 /)
})

test("loopback services are reached on listed ports only, by every door", async (t) => {
  const { port } = await web(t)
  const { dial, dialled } = await room(t, { network: [], loopbackPorts: [port], at: port })
  for (const host of ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"])
    assert.match(
      await tell(dial(), `GET http://${host}:${port}/x HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`),
      /200 OK/,
      host,
    )
  assert.equal((await tell(dial(), socks("localhost", port + 1)))[3], "\x02")
  assert.match(await tell(dial(), get(`http://127.0.0.1:${port === 80 ? 81 : 80}/`)), /403 [\s\S]*loopbackPorts/)
  assert.ok(dialled.every((one) => /^(127\.0\.0\.1|::1) /.test(one) && one.endsWith(` ${port}`)))
})

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

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

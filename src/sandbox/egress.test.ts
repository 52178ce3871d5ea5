// The judged way out: which connections it lets through, by every door, and to which address.
import assert from "node:assert/strict"
import { connect } from "node:net"
import { test } from "node:test"
import { closedPort, get, PUBLIC, room, said, socks, tell, tunnel, web } from "../../test/fakes/egress-room.ts"
import type { Connect, Lookup } from "./egress-dial.ts"

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

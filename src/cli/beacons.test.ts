import assert from "node:assert/strict"
import { test } from "node:test"
import { beaconOf, type Heard, listenForBeacons } from "./beacons.ts"

const HEARD: Heard = {
  name: "书房 1a2b",
  host: "desk.local",
  port: 18789,
  type: "pincer",
  addresses: ["fd00::2", "192.168.1.5"],
  txt: { name: "书房", id: "1a2b3c4d", v: "1" },
}

test("a gateway that was heard has an address to type, the IPv4 one first", () => {
  const { claims, ...rest } = beaconOf(HEARD) ?? {}
  assert.deepEqual(rest, {
    name: "书房",
    host: "desk.local",
    port: 18789,
    method: "mdns",
    wsUrl: "ws://192.168.1.5:18789",
    addresses: ["192.168.1.5", "fd00::2"],
    service: "_pincer._tcp",
  })
  assert.deepEqual(claims, { tls: false, id: "1a2b3c4d" })
  assert.equal(beaconOf({ ...HEARD, addresses: ["fd00::2"] })?.wsUrl, "ws://[fd00::2]:18789")
  const sha256 = "AB".repeat(32)
  const secure = beaconOf({ ...HEARD, txt: { tls: "1", sha256 } })
  assert.equal(secure?.wsUrl, "wss://192.168.1.5:18789")
  assert.equal(secure?.claims?.sha256, sha256.toLowerCase())
})

test("what leads nowhere is not listed: no port, no address, everybody's or a link's address", () => {
  for (const bad of [
    { port: 0 },
    { port: 70_000 },
    { port: "18789" },
    { addresses: [] },
    { addresses: ["evil.example", "fe80::1", "0.0.0.0", "224.0.0.251", 7] },
  ])
    assert.equal(beaconOf({ ...HEARD, ...bad }), undefined)
  assert.equal(beaconOf({ ...HEARD, addresses: [], referer: { address: "10.0.0.9" } })?.wsUrl, "ws://10.0.0.9:18789")
})

test("what a stranger says of itself is bounded, and nothing else of it is passed on", () => {
  const txt = JSON.parse(
    `{ "__proto__": { "tls": "1" }, "name": "${"x".repeat(5000)}", "id": "../../etc", "sha256": "zz", "token": "mine" }`,
  )
  const beacon = beaconOf({ ...HEARD, txt })
  assert.equal(beacon?.name.length, 100)
  assert.deepEqual(beacon?.claims, { tls: false })
  assert.doesNotMatch(JSON.stringify(beacon), /mine|etc/)
})

test("of a flood of announcements a hundred are kept, and one that says something new counts once", async () => {
  const beacons = await listenForBeacons(1, (types, heard) => {
    assert.ok(types.includes("pincer"))
    for (let i = 0; i < 5000; i++) heard({ ...HEARD, port: 1 + (i % 3000), name: String(i) })
    return () => undefined
  })
  assert.equal(beacons.length, 100)
})

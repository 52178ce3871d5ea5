import assert from "node:assert/strict"
import { test } from "node:test"
import { hostPort, normalHost } from "./egress-host.ts"

test("normalHost() gives one spelling to what means the same host", () => {
  for (const [raw, host] of [
    ["Example.COM", "example.com"],
    ["example.com.", "example.com"],
    ["ex%61mple.com", "example.com"],
    ["ｅｘａｍｐｌｅ.com", "example.com"],
    ["example。com", "example.com"],
    ["ⓔxample.com", "example.com"],
    ["аpple.com", "xn--pple-43d.com"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["2130706433", "127.0.0.1"],
    ["0x7f000001", "127.0.0.1"],
    ["0177.0.0.1", "127.0.0.1"],
    ["127.1", "127.0.0.1"],
    ["127.0.0.1.", "127.0.0.1"],
    ["%31%32%37.0.0.1", "127.0.0.1"],
    ["１２７.0.0.1", "127.0.0.1"],
    ["[::1]", "::1"],
    ["::1", "::1"],
    ["[0:0:0:0:0:0:0:1]", "::1"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["[::FFFF:7f00:1]", "127.0.0.1"],
    ["[::ffff:a9fe:a9fe]", "169.254.169.254"],
    ["[2606:4700::]", "2606:4700::"],
  ])
    assert.equal(normalHost(raw!), host, raw)
})

test("normalHost() takes nothing that has no single meaning", () => {
  const long = `${"a".repeat(60)}.`.repeat(5)
  for (const raw of [
    ...["", ".", "..", "a..b", ".a", "example.com..", "a b", "a\tb", "a\nb", "a\u0000b", "a/b", "a#b", "a?b", "a\\b"],
    ...["u@example.com", "u:p@example.com", "example.com:80", "a:b", "[::1", "::1]", "[::1]x", "[[::1]]"],
    ...["[fe80::1%eth0]", "fe80::1%25eth0", "fe80::1%lo", "%2e%2e", "a%00b", "a%2fb", "a%40b", "%2561.com", "%zz"],
    ...["256.1.1.1", "1.2.3.4.5", "999999999999", "a<b", "a|b", "a^b", `${long}com`, "x".repeat(2_000)],
  ])
    assert.equal(normalHost(raw), undefined, JSON.stringify(raw.slice(0, 80)))
})

test("hostPort() wants exactly a host and a port", () => {
  assert.deepEqual(hostPort("Example.com:0443"), { host: "example.com", port: 443 })
  assert.deepEqual(hostPort("[::1]:80"), { host: "::1", port: 80 })
  assert.deepEqual(hostPort("example.com", 80), { host: "example.com", port: 80 })
  for (const raw of [
    "example.com",
    "example.com:",
    "example.com:0",
    "example.com:65536",
    "a:80:80",
    "::1:80",
    ":80",
    "a:+80",
  ])
    assert.equal(hostPort(raw), undefined, raw)
  assert.equal(hostPort("a:8 0", 80), undefined)
})

import assert from "node:assert/strict"
import { test } from "node:test"
import { PincerError } from "../base/errors.ts"
import { EgressRules } from "./egress-rules.ts"
import type { NetworkRule } from "./sandbox.ts"

function rules(network: readonly NetworkRule[], loopbackPorts: readonly number[] = []): EgressRules {
  return new EgressRules({ name: "mine", network, loopbackPorts })
}

function verdict(of: EgressRules, host: string, port: number): string {
  return of.judgeHost(host, port).verdict
}

test("a rule of a name covers that name alone, on 80 and 443 or on the ports it lists", () => {
  const one = rules([{ host: "Example.COM." }, { host: "git.example.org", ports: [22] }])
  assert.equal(verdict(one, "example.com", 443), "allow")
  assert.equal(verdict(one, "example.com", 80), "allow")
  assert.equal(verdict(one, "example.com", 25), "deny")
  assert.equal(verdict(one, "www.example.com", 443), "deny")
  assert.equal(verdict(one, "badexample.com", 443), "deny")
  assert.equal(verdict(one, "example.com.evil.net", 443), "deny")
  assert.equal(verdict(one, "git.example.org", 22), "allow")
  assert.equal(verdict(one, "git.example.org", 443), "deny")
})

test("a rule of a suffix covers what lies below it, not itself and not what ends alike", () => {
  const one = rules([{ host: "*.example.com" }])
  assert.equal(verdict(one, "a.b.example.com", 443), "allow")
  assert.equal(verdict(one, "example.com", 443), "deny")
  assert.equal(verdict(one, "notexample.com", 443), "deny")
})

test("no rule, no network; an address is not covered by the rule of a name, nor the other way round", () => {
  assert.equal(verdict(rules([]), "example.com", 443), "deny")
  assert.equal(verdict(rules([{ host: "example.com" }]), "93.184.216.34", 443), "deny")
  assert.equal(verdict(rules([{ host: "93.184.216.34" }]), "93.184.216.34", 443), "allow")
  assert.equal(verdict(rules([{ host: "93.184.216.34" }]), "example.com", 443), "deny")
})

test("* is every public host, and no private address", () => {
  const one = rules([{ host: "*" }])
  assert.equal(verdict(one, "anything.example", 443), "allow")
  assert.equal(verdict(one, "8.8.8.8", 443), "allow")
  assert.equal(verdict(one, "8.8.8.8", 25), "deny")
  for (const host of [
    "127.0.0.1",
    "::1",
    "localhost",
    "x.localhost",
    "10.0.0.1",
    "169.254.169.254",
    "198.18.0.1",
    "0.0.0.0",
  ])
    assert.equal(verdict(one, host, 80), "deny", host)
  for (const host of [
    "fe80::1",
    "fd00::1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "ff02::1",
    "100.64.0.1",
    "224.0.0.1",
    "127.0.0.2",
  ])
    assert.equal(verdict(one, host, 80), "deny", host)
})

test("loopback is open on listed ports only, and looked up nowhere", () => {
  const one = rules([{ host: "*" }], [5432])
  assert.deepEqual(one.judgeHost("localhost", 5432), {
    verdict: "allow",
    reason: "loopback port",
    addresses: ["127.0.0.1", "::1"],
  })
  assert.equal(verdict(one, "127.0.0.1", 5432), "allow")
  assert.equal(verdict(one, "::1", 5432), "allow")
  assert.equal(verdict(one, "127.0.0.1", 5433), "deny")
  assert.equal(verdict(one, "127.0.0.2", 5432), "deny")
  assert.equal(verdict(one, "10.0.0.1", 5432), "deny")
})

test("a private address is open to the rule that names it with that port", () => {
  const one = rules([
    { host: "10.0.0.5", ports: [8080] },
    { host: "intranet.example", ports: [8080] },
  ])
  assert.equal(verdict(one, "10.0.0.5", 8080), "allow")
  assert.equal(verdict(one, "10.0.0.5", 80), "deny")
  assert.equal(verdict(one, "10.0.0.6", 8080), "deny")
  assert.equal(one.judgeAddresses("intranet.example", 8080, ["10.0.0.5"]), undefined)
  assert.match(one.judgeAddresses("intranet.example", 8080, ["10.0.0.6"]) ?? "", /10\.0\.0\.6/)
})

test("one private address among many spoils a name", () => {
  const one = rules([{ host: "example.com" }])
  assert.equal(one.judgeAddresses("example.com", 443, ["93.184.216.34", "2606:4700::1"]), undefined)
  for (const bad of [
    "127.0.0.1",
    "10.1.1.1",
    "::ffff:10.0.0.1",
    "169.254.169.254",
    "fd00::1",
    "not an address",
    "198.19.1.1",
  ])
    assert.match(one.judgeAddresses("example.com", 443, ["93.184.216.34", bad]) ?? "", /private or local/, bad)
})

test("a refusal names host and port, and how a person allows it", () => {
  const answer = rules([{ host: "example.com" }]).judgeHost("example.com", 25)
  assert.equal(answer.verdict, "deny")
  assert.match(
    answer.reason,
    /^example\.com:25 is not one of the ports.*adds "example\.com:25" to the network list of the sandbox profile "mine"$/,
  )
})

test("rules that mean nothing are refused at once", () => {
  for (const host of [
    "",
    "*.",
    "**",
    "a*.com",
    "*.1.2.3.4",
    "https://example.com",
    "example.com:443",
    "*.*.com",
    "a b",
  ])
    assert.throws(
      () => rules([{ host }]),
      (error) => error instanceof PincerError && error.code === "INVALID_PARAMS",
      host,
    )
  assert.throws(() => rules([{ host: "example.com", ports: [0] }]), /0 in the network rule/)
  assert.throws(() => rules([], [70_000]), /70000 in loopbackPorts/)
})

import assert from "node:assert/strict"
import { test } from "node:test"
import { systemClock } from "../../base/clock.ts"
import { Limiter, networkOf } from "./limiter.ts"

const settings = { maxAttempts: 3, windowMs: 1_000, lockoutMs: 5_000 }

function open() {
  const time = { now: 0 }
  return { time, limiter: new Limiter(() => settings, { ...systemClock, now: () => time.now }) }
}

test("an address is locked after so many failures, told for how long, and let in again", () => {
  const { time, limiter } = open()
  for (let i = 0; i < 3; i++) {
    assert.equal(limiter.refusal("10.0.0.1"), undefined)
    limiter.fail("10.0.0.1")
  }
  time.now = 2_000
  const refusal = limiter.refusal("10.0.0.1")
  assert.equal(refusal?.code, "RATE_LIMITED")
  assert.equal(refusal?.retryAfterMs, 3_000)
  assert.equal(refusal?.details?.["code"], "AUTH_RATE_LIMITED")
  // A failure that was on its way when the lock fell does not open it.
  limiter.fail("10.0.0.1")
  assert.ok(limiter.refusal("10.0.0.1"))
  assert.equal(limiter.refusal("10.0.0.2"), undefined)
  time.now = 8_000
  assert.equal(limiter.refusal("10.0.0.1"), undefined)
})

test("failures that lie further apart than the window do not add up", () => {
  const { time, limiter } = open()
  for (let i = 0; i < 10; i++) {
    limiter.fail("10.0.0.1")
    time.now += 1_001
  }
  assert.equal(limiter.refusal("10.0.0.1"), undefined)
})

test("an IPv6 attacker cannot use the other addresses of its network", () => {
  const { limiter } = open()
  for (let i = 0; i < 3; i++) limiter.fail(`2001:db8:1:2::${i}`)
  assert.ok(limiter.refusal("2001:db8:1:2:ffff::1"))
  assert.equal(limiter.refusal("2001:db8:1:3::1"), undefined)
})

test("networkOf() is the IPv4 address or the IPv6 /64", () => {
  assert.equal(networkOf("192.0.2.7"), "192.0.2.7")
  assert.equal(networkOf("::ffff:192.0.2.7"), "192.0.2.7")
  assert.equal(networkOf("::1"), "0:0:0:0::/64")
  assert.equal(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64")
  assert.equal(networkOf("2001:DB8:1:2:3:4:5:6"), "2001:db8:1:2::/64")
})

test("a flood of addresses does not grow the table without end, and forgets the oldest first", () => {
  const { limiter } = open()
  for (let i = 0; i < 3; i++) limiter.fail("victim")
  for (let i = 0; i < 3; i++) limiter.fail("recent")
  for (let i = 0; i < 9_999; i++) limiter.fail(`a${i}`)
  assert.equal(limiter.refusal("victim"), undefined)
  assert.ok(limiter.refusal("recent"))
})

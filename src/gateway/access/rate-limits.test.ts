import assert from "node:assert/strict"
import { test } from "node:test"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { PincerError } from "../../base/errors.ts"
import { configSchema } from "../../config/schema.ts"
import { RateLimits } from "./rate-limits.ts"

function open(rateLimits: object = {}) {
  const clock = stillClock()
  const config = configSchema.parse({ gateway: { rateLimits } })
  return { clock, limits: new RateLimits(() => config.gateway.rateLimits, clock) }
}

const far = { connId: "c", clientId: "cli", address: "203.0.113.7" }
const here = { connId: "c", clientId: "cli" }

function refused(run: () => void): PincerError | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    assert.ok(error instanceof PincerError)
    assert.equal(error.code, "RATE_LIMITED")
    return error
  }
}

test("three control writes a minute by one device and address; the refusal says when the next may come", () => {
  const { clock, limits } = open()
  for (let i = 0; i < 3; i++) {
    limits.take("controlWrites", far)
    clock.jump(10_000)
  }
  const refusal = refused(() => limits.take("controlWrites", far))
  assert.equal(refusal?.retryAfterMs, 30_000)
  assert.equal(
    refused(() => limits.take("controlWrites", { ...far, deviceId: "other" })),
    undefined,
  )
  assert.equal(
    refused(() => limits.take("controlWrites", { ...far, address: "203.0.113.8" })),
    undefined,
  )
  clock.jump(30_000)
  assert.equal(
    refused(() => limits.take("controlWrites", far)),
    undefined,
  )
  assert.ok(
    refused(() => limits.take("controlWrites", far)),
    "the window slides",
  )
})

test("programs on this machine write as often as they like, but nobody makes sessions without end", () => {
  const { clock, limits } = open()
  for (let i = 0; i < 100; i++) limits.take("controlWrites", here)
  for (let i = 0; i < 120; i++) limits.take("sessionCreations", here)
  assert.equal(refused(() => limits.take("sessionCreations", here))?.retryAfterMs, 10_000)
  clock.jump(10_000)
  limits.take("sessionCreations", here)
})

test("an address that connects too often is kept out for a while, its whole IPv6 network with it", () => {
  const { clock, limits } = open({ connects: { max: 2, banMs: 5_000, windowMs: 1_000 } })
  assert.equal(limits.connect("2001:db8::1"), undefined)
  assert.equal(limits.connect("2001:db8::2"), undefined)
  assert.equal(limits.connect("2001:db8::3")?.retryAfterMs, 5_000)
  clock.jump(4_000)
  assert.equal(limits.connect("2001:db8::1")?.retryAfterMs, 1_000, "who goes on is not kept out for longer")
  assert.equal(limits.connect("2001:db8:1::1"), undefined)
  clock.jump(1_000)
  assert.equal(limits.connect("2001:db8::1"), undefined)
})

test("0 switches a limit off, and a crowd of addresses is forgotten from its oldest on", () => {
  const { limits } = open({ controlWrites: { max: 0 }, connects: { max: 1 } })
  for (let i = 0; i < 10; i++) limits.take("controlWrites", far)
  for (let i = 0; i < 10_001; i++) limits.connect(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  assert.equal(limits.connect("10.0.0.0"), undefined, "forgotten")
  assert.ok(limits.connect("10.0.39.16"), "remembered")
})

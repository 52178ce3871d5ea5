import assert from "node:assert/strict"
import { test } from "node:test"
import { fingerprintOf } from "./fingerprint.ts"

test("leave is for what a tool said of itself: when that changes, it is for something else", () => {
  const call = { tool: "mcp__a__b", args: { x: 1 }, cwd: "/w", touch: { reads: [], writes: [], hosts: [] } }
  assert.equal(fingerprintOf({ ...call, says: "1" }), fingerprintOf({ ...call, says: "1" }))
  assert.notEqual(fingerprintOf({ ...call, says: "1" }), fingerprintOf({ ...call, says: "2" }))
  assert.notEqual(fingerprintOf({ ...call, says: "1" }), fingerprintOf(call))
})

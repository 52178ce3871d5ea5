import assert from "node:assert/strict"
import { test } from "node:test"
import { QuietWatch } from "./resident-memory.ts"

const MIB = 1024 * 1024
const calm = { running: 0, activeMs: 0, resident: 90 * MIB }

test("a gateway that grew is collected at the second calm look, not the first", () => {
  const watch = new QuietWatch(80 * MIB)
  assert.equal(watch.look(calm), false)
  assert.equal(watch.look(calm), true)
})

test("nothing is collected while a turn runs, however calm the event loop", () => {
  const watch = new QuietWatch(80 * MIB)
  for (let i = 0; i < 10; i++) assert.equal(watch.look({ ...calm, running: 1 }), false)
})

test("work on the event loop, or a turn, between two calm looks starts the wait again", () => {
  for (const busy of [
    { ...calm, activeMs: 6 },
    { ...calm, running: 1 },
  ]) {
    const watch = new QuietWatch(80 * MIB)
    assert.equal(watch.look(calm), false)
    assert.equal(watch.look(busy), false)
    assert.equal(watch.look(calm), false)
    assert.equal(watch.look(calm), true)
  }
})

test("a little growth is not worth a collection", () => {
  const watch = new QuietWatch(80 * MIB)
  for (let i = 0; i < 10; i++) assert.equal(watch.look({ ...calm, resident: 84 * MIB - 1 }), false)
  assert.equal(watch.look({ ...calm, resident: 84 * MIB }), true)
})

test("what a collection could not give back is not tried for again; new growth is", () => {
  const watch = new QuietWatch(80 * MIB)
  watch.look(calm)
  assert.equal(watch.look(calm), true)
  watch.collected(90 * MIB)
  for (let i = 0; i < 10; i++) assert.equal(watch.look(calm), false)
  assert.equal(watch.look({ ...calm, resident: 94 * MIB }), true)
})

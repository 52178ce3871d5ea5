import assert from "node:assert/strict"
import { test } from "node:test"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { silentLogger } from "../../base/log.ts"
import { catchUp } from "./catch-up.ts"

test("old transcripts are read a little at a time after the start, until nothing is left or it is stopped", async () => {
  const clock = stillClock()
  let left = 3
  let steps = 0
  const wordsBacklog = {
    async step() {
      steps += 1
      left -= 1
      return left > 0
    },
  }
  const stop = catchUp({ wordsBacklog } as never, clock, silentLogger)
  await clock.advance(4_000)
  assert.equal(steps, 0, "not in the way of the start")
  await clock.advance(60_000)
  assert.equal(steps, 3)
  stop()
  left = 100
  const again = catchUp({ wordsBacklog } as never, clock, silentLogger)
  await clock.advance(5_000)
  again()
  await clock.advance(60_000)
  assert.equal(steps, 4)
})

// Clients that drop and come back under traffic: a sample here, five hundred of them in test/long/reconnect-storm.long.ts.
import assert from "node:assert/strict"
import { test } from "node:test"
import { startFakeModel } from "./fakes/model-service.ts"
import { reconnectStorm } from "./fakes/reconnect-storm.ts"
import { NO_SANDBOX, startHouse } from "./house.ts"

test("clients that lose their connections again and again miss no event and hear none twice", async (t) => {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  const { turns, events } = await reconnectStorm({ house, fake, clients: 12, rounds: 3, seed: 7 })
  assert.ok(turns > 0 && events > 0)
})

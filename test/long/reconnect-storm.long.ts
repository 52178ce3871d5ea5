// Five hundred clients drop and come back twenty times while turns run: npm run test:storm. With more rounds or another seed:
// STORM_CLIENTS, STORM_ROUNDS, STORM_SEED.
import assert from "node:assert/strict"
import { test } from "node:test"
import { startFakeModel } from "../fakes/model-service.ts"
import { reconnectStorm } from "../fakes/reconnect-storm.ts"
import { NO_SANDBOX, startHouse } from "../house.ts"

const of = (name: string, usual: number) => Number(process.env[name] ?? usual)

test("a storm of reconnects loses and doubles nothing", { timeout: 1_200_000 }, async (t) => {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  const storm = {
    clients: of("STORM_CLIENTS", 500),
    rounds: of("STORM_ROUNDS", 20),
    seed: of("STORM_SEED", Date.now() % 1_000_000),
  }
  t.diagnostic(`seed ${storm.seed}`)
  const { turns, events, drops } = await reconnectStorm({ house, fake, ...storm })
  t.diagnostic(`${drops} drops, ${turns} turns, ${events} events heard`)
  assert.equal(drops, storm.clients * storm.rounds)
})

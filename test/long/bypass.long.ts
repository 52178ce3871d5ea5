// Every attempt of the corpora run for real in the sandbox, as whoever starts it and as an ordinary user: `npm run test:bypass`. Each is
// also run with its target inside the workspace, to count how many of them do something where they may.
import assert from "node:assert/strict"
import { test } from "node:test"
import { type Figures, runSeries, seriesAsUser, trials } from "../fakes/attack-series.ts"
import { sandboxSkip } from "../fakes/sandbox-room.ts"

const skip = await sandboxSkip()
const isRoot = process.getuid?.() === 0

function show({ alive, attempts, connections, executions, refused, uid }: Figures): string {
  return `user ${uid}: ${attempts} attempts, ${executions} got out, ${connections} connections reached, ${refused} refused by the proxy; ${alive} work where they may`
}

test("every attempt, as whoever runs the tests", { skip, timeout: 1_800_000 }, async (t) => {
  const all = trials()
  const figures = await runSeries(all, true)
  t.diagnostic(show(figures))
  assert.deepEqual([figures.attempts, figures.found, figures.connections], [all.length, [], 0])
  assert.ok(figures.alive > all.length / 4, `only ${figures.alive} attempts do anything at all`)
})

test("every attempt, as an ordinary user", { skip: isRoot ? skip : "already one", timeout: 1_800_000 }, async (t) => {
  const figures = await seriesAsUser(trials().length, 1, false)
  t.diagnostic(show(figures))
  assert.deepEqual([figures.uid, figures.attempts, figures.found, figures.connections], [1000, trials().length, [], 0])
})

// A sample of the corpora run for real in the sandbox; all of it with `npm run test:bypass`. Nothing outside of the workspace may be
// read, changed, reached or left behind.
import assert from "node:assert/strict"
import { dirname } from "node:path"
import { test } from "node:test"
import { ESCAPES } from "./corpus/escapes.ts"
import { openAttackRoom } from "./fakes/attack-room.ts"
import { runSeries, sample, seriesAsUser, trials } from "./fakes/attack-series.ts"
import { sandboxSkip } from "./fakes/sandbox-room.ts"
import { shellRoom } from "./fakes/shell-room.ts"

const SEED = 20_261
const SIZE = 24
const skip = await sandboxSkip()
const isRoot = process.getuid?.() === 0

test("the corpora hold several hundred attempts, each with a name of its own", () => {
  const names = trials().map(({ name }) => name)
  assert.ok(names.length >= 450, String(names.length))
  assert.equal(new Set(names).size, names.length)
})

test("no attempt to get out is allowed by a list of innocent programs", async (t) => {
  const room = await shellRoom(t)
  const passed: string[] = []
  for (const { command, name, setup = [] } of ESCAPES) {
    await room.lay(setup)
    const line = command.replaceAll("{outside}", dirname(room.canary)).replaceAll(/\{(?:victim|daemon)\}/g, "1")
    if (room.allowed(await room.facts(line))) passed.push(name)
  }
  assert.deepEqual(passed, [])
})

test("a sample of the attempts: nothing outside is read, changed, reached or left", { skip }, async (t) => {
  const figures = await runSeries(sample(trials(), SIZE, SEED), false)
  t.diagnostic(JSON.stringify(figures))
  assert.deepEqual([figures.attempts, figures.found, figures.connections], [SIZE, [], 0])
})

test("the same sample as an ordinary user", { skip: isRoot ? skip : "already one" }, async (t) => {
  const figures = await seriesAsUser(SIZE, SEED, false)
  t.diagnostic(JSON.stringify(figures))
  assert.deepEqual([figures.uid, figures.attempts, figures.found, figures.connections], [1000, SIZE, [], 0])
})

test("what is looked for would be seen: attempts that may reach the canary's folder are found out", {
  skip,
}, async (t) => {
  const room = await openAttackRoom()
  t.after(() => room.close())
  const opened = (command: string) => room.run({ name: "seen", command }, { write: ["{outside}"] })
  const told = async (command: string) => (await opened(command)).map(({ what }) => what.split(/[:\s]/)[0])
  assert.deepEqual(await told("cat {canary}"), ["read"])
  assert.deepEqual(await told("touch {canary}"), ["changed"])
  assert.deepEqual(await told("echo x > {outside}/more"), ["changed"])
  assert.deepEqual(await told("true"), [])
})

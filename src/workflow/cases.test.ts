// Cases of workflows: what they say of steps, that nothing acts, and what they refuse.
import assert from "node:assert/strict"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { readCases, runCase } from "./cases.ts"
import { commands } from "./commands/index.ts"
import { readWorkflow } from "./file/read.ts"

async function problemsOf(workflow: string, cases: string): Promise<string[][]> {
  const { definition } = readWorkflow(workflow, "/w.lobster")
  assert.ok(definition)
  const read = readCases(cases, "/w.lobster.test.yaml")
  const results = []
  for (const one of read.cases) results.push(await runCase(one, { definition, commands, clock: systemClock }))
  return results.map(({ problems }) => problems)
}

const LOOP = `steps:
  - {id: list, run: make-list}
  - id: each
    for_each: $list.json
    steps:
      - {id: send, run: "send $item.json"}
  - {id: line, pipeline: "exec count | head --n 1"}
`

test("steps say what the case says, in loops and pipelines, too", async () => {
  const cases = `tests:
  - mocks: {list: {json: [1, 2]}, "each[0].send": {stdout: first}, "each[*].send": {stdout: other}, line: {stdout: "9"}}
    expect: {output: ["9"], steps: {"each[1].send": completed}}
`
  assert.deepEqual(await problemsOf(LOOP, cases), [[]])
})

test("a step that would act and is not in the case fails it, and nothing acts", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-cases-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const made = join(folder, "made")
  const [problems] = await problemsOf(`steps:\n  - {id: a, run: "touch ${made}"}\n`, "tests:\n  - {name: x}\n")
  assert.match(problems!.join(), /Step a would act, and no mock says/)
  assert.equal(existsSync(made), false)
})

test("what is not as expected is told: status, output, steps, errors, mocks that nobody asked", async () => {
  const workflow = `steps:\n  - {id: a, run: one}\n  - {id: b, when: "$a.json == 2", run: two}\n`
  const cases = `tests:
  - {mocks: {a: {json: 1}, b: {json: 2}, c: {json: 3}}, expect: {output: [5], steps: {b: completed}}}
  - {mocks: {a: {fail: broken pipe}}, expect: {error: pipe}}
  - {mocks: {a: {fail: broken pipe}}, expect: {error: other}}
`
  const [first, second, third] = await problemsOf(workflow, cases)
  assert.deepEqual(first, [
    "output is [1], not [5]",
    "step b is skipped, not completed",
    "b: its mock was never asked",
    "c: its mock was never asked",
  ])
  assert.deepEqual(second, [])
  assert.match(third!.join(), /does not hold "other"/)
})

test("a wrong answer to a gate is told, and so is a file of cases that is none", async () => {
  const workflow = `steps:\n  - {id: q, input: {prompt: "How many?", responseSchema: {type: number}}}\n`
  const [wrong, right] = await problemsOf(
    workflow,
    `tests:\n  - {mocks: {q: {response: many}}}\n  - {mocks: {q: {response: 3}}, expect: {output: [3]}}\n`,
  )
  assert.match(wrong!.join(), /does not fit the schema/)
  assert.deepEqual(right, [])
  assert.throws(() => readCases("tests: []", "/t"), /at least one case/)
  assert.throws(() => readCases("tests: [{mock: {}}]", "/t"), /unknown field "mock"/)
  assert.throws(() => readCases("tests: [{mocks: {a: {says: 1}}}]", "/t"), /unknown "says"/)
  assert.throws(() => readCases("tests: [", "/t"), /\/t/)
})

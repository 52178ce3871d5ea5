// pincer lobster against what the published Lobster answered, without it: cases that start no program, in this process. All cases, and the program
// itself: npm run test:lobster.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, test } from "node:test"
import { runLobster } from "../src/cli/lobster.ts"
import type { CallAnswer } from "./corpus/lobster-case.ts"
import { lobsterCases } from "./corpus/lobster-cases.ts"
import { answersOf, type Call } from "./fakes/lobster-series.ts"

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, "corpus", "lobster-answers.json"), "utf8"),
) as Record<string, CallAnswer[]>

const here: Call = async (words, cwd, env) => {
  let out = ""
  const code = await runLobster(words, {
    env,
    cwd,
    version: "0.0.0",
    interactive: false,
    out: (text) => void (out += text),
    err: () => undefined,
  })
  return { code, out }
}

describe("what Lobster answered, Pincer answers", () => {
  for (const one of lobsterCases.filter(({ differs, quick }) => quick && differs === undefined))
    test(one.name, async () => {
      assert.ok(recorded[one.name], "Nothing was recorded: PINCER_RECORD=1 npm run test:lobster")
      assert.deepEqual(await answersOf(one, here), recorded[one.name])
    })
})

test("names of cases are unique, and each difference has its row", () => {
  const names = lobsterCases.map(({ name }) => name)
  assert.deepEqual(names, [...new Set(names)])
  const rows = readFileSync(join(import.meta.dirname, "..", "docs", "workflows", "compatibility.md"), "utf8")
  for (const { differs, name } of lobsterCases)
    if (differs !== undefined) {
      assert.ok(rows.includes(`\`${differs}\``), `${differs} has no row in compatibility.md`)
      assert.ok(rows.includes(name), `the row of ${differs} does not name "${name}"`)
    }
})

test("what Pincer knows beyond Lobster stands after Lobster's own fields", async () => {
  const calls: string[] = []
  const gate = { name: "", files: { "w.lobster": "steps:\n  - { id: a, approval: Go? }\n" } }
  await answersOf({ ...gate, calls: [["run", "--mode", "tool", "w.lobster"]] }, async (words, cwd, env) => {
    const answer = await here(words, cwd, env)
    calls.push(answer.out)
    return answer
  })
  const keys = Object.keys(JSON.parse(calls[0]!))
  const theirs = ["protocolVersion", "ok", "status", "output", "requiresApproval", "requiresInput"]
  assert.deepEqual(keys.slice(0, 6), theirs)
  assert.ok(keys.includes("runId"))
})

test("a model is refused with the way to it, not answered", async () => {
  const answers: string[] = []
  const steps = { "w.json": JSON.stringify({ steps: [{ id: "a", agent: { message: "hello" } }] }) }
  await answersOf({ name: "", files: steps, calls: [["run", "w.json"]] }, async (words, cwd, env) => {
    let said = ""
    const place = { env, cwd, version: "0", interactive: false, out: () => undefined }
    const code = await runLobster(words, { ...place, err: (text) => void (said += text) })
    answers.push(`${code} ${said}`)
    return { code, out: "" }
  })
  assert.match(answers[0]!, /^1 [\s\S]*gateway/)
})

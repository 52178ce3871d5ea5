import assert from "node:assert/strict"
import { test } from "node:test"
import { compileSchema } from "../../base/json-schema.ts"
import { typed } from "./answers.ts"

const check = compileSchema({ type: "object", properties: { n: { type: "integer" } }, required: ["n"] })

test("an answer is JSON as a whole, or in its one fence", () => {
  for (const text of ['{"n":1}', ' {"n":1}\n', '```json\n{"n":1}\n```', 'Here it is:\n```\n{"n":1}\n```\nDone.'])
    assert.deepEqual(typed(text, check), { type: "fits", data: { n: 1 } }, text)
})

test("anything else is told what is wrong with it", () => {
  for (const text of ["", "one", '{"n":1} and more', '```\n{"n":1}\n```\n```\n{"n":2}\n```', "```\n"])
    assert.deepEqual(typed(text, check), { type: "misfit", problem: "it is no JSON" }, text)
  const misfit = typed('{"n":"1"}', check)
  assert.ok(misfit.type === "misfit" && /n/.test(misfit.problem))
})

import assert from "node:assert/strict"
import { test } from "node:test"
import { compileForeignSchema, compileSchema } from "./json-schema.ts"

test("patterns of strangers are not tried: one alone can keep the process busy for hours", () => {
  const schema = { type: "object", properties: { a: { type: "string", pattern: "^(a+)+$", format: "email" } } }
  const check = compileForeignSchema(schema)
  assert.equal(check({ a: "b" }), undefined)
  assert.match(check({ a: 1 }) ?? "", /must be string/)
  assert.match(compileSchema(schema)({ a: "b" }) ?? "", /must match pattern/)
})

test("schemas of strangers are read in the draft that they name; what is no schema is refused", () => {
  const tuple = { type: "array", items: [{ type: "string" }], additionalItems: false }
  const draft7 = { $schema: "http://json-schema.org/draft-07/schema#", type: "object", properties: { a: tuple } }
  assert.match(compileForeignSchema(draft7)({ a: ["b", 1] }) ?? "", /NOT have more than 1 items/)
  const $defs = { one: { const: 1 } }
  const own = { $id: "https://example.com/x", type: "object", $defs, properties: { a: { $ref: "#/$defs/one" } } }
  assert.match(compileForeignSchema(own)({ a: 2 }) ?? "", /constant/)
  assert.equal(
    compileForeignSchema({ type: "object", patternProperties: { "^x": { type: "string" } } })({ y: 1 }),
    undefined,
  )
  for (const wrong of [{ type: "nothing" }, { properties: 1 }, { $ref: "https://example.com/elsewhere" }])
    assert.throws(() => compileForeignSchema(wrong))
})

import assert from "node:assert/strict"
import { test } from "node:test"
import { serverLabels, toolNames } from "./names.ts"

test("servers of the same name are told apart, and a label can be taken out of a tool's name again", () => {
  assert.deepEqual(serverLabels(["git", "git", "Git", "git_2"]), ["git", "git_2", "Git_3", "git_2_2"])
  for (const label of serverLabels(["a__b", "_a_", "数据", "", "x".repeat(80), "a b!c"])) {
    assert.match(label, /^[a-zA-Z0-9_-]{1,24}$/)
    assert.doesNotMatch(label, /__|^_|_$/)
  }
  assert.notEqual(serverLabels(["数据"])[0], serverLabels(["文件"])[0])
})

test("names that are cut or would be the same get a mark, the same one whatever the order", () => {
  const long = ["x".repeat(80), `${"x".repeat(80)}y`]
  for (const names of [["a.b", "a b", "plain"], long]) {
    const made = toolNames("s", names)
    assert.equal(new Set(made).size, names.length)
    for (const name of made) assert.match(name, /^mcp__s__[a-zA-Z0-9_-]{1,57}$/)
    assert.deepEqual(toolNames("s", names.toReversed()).toReversed(), made)
  }
  assert.deepEqual(toolNames("s", ["plain"]), ["mcp__s__plain"])
})

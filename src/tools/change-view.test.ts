import assert from "node:assert/strict"
import { test } from "node:test"
import { changeView } from "./change-view.ts"

const lines = (count: number, at?: number, text = "changed") =>
  Array.from({ length: count }, (_, i) => (i === at ? text : `line number ${i}`)).join("\n")

test("a new file is shown whole, from its first line", () => {
  assert.deepEqual(changeView("/w/a", null, "x\n"), {
    content: [{ type: "diff", path: "/w/a", oldText: null, newText: "x\n" }],
    locations: [{ path: "/w/a", line: 1 }],
  })
})

test("the place of a change is the first line that differs", () => {
  const cases: [string, string, number | undefined][] = [
    ["a\nb\nc\n", "a\nB\nc\n", 2],
    ["a\nb\n", "a\nb\nc\n", 3],
    ["a\nb\nc", "a\nb", 2],
    ["", "a", 1],
    ["a", "", 1],
    ["a\n", "a\n", undefined],
  ]
  for (const [before, after, line] of cases) {
    const { locations } = changeView("/w/a", before, after)
    assert.deepEqual(locations, [{ path: "/w/a", ...(line === undefined ? {} : { line }) }], JSON.stringify(before))
  }
})

test("of a long text the part around the change is shown, said to be cut, with nothing that changed left out", () => {
  const { content, locations } = changeView("/w/a", lines(40_000), lines(40_000, 20_000))
  const [diff] = content ?? []
  assert.ok(diff?.type === "diff" && diff.cut && diff.oldText !== null)
  assert.deepEqual(locations, [{ path: "/w/a", line: 20_001 }])
  assert.ok(diff.oldText.length < 2_000 && diff.newText.length < 2_000)
  assert.equal(diff.oldText.replace("line number 20000\n", "changed\n"), diff.newText)
  assert.ok(lines(40_000).includes(diff.oldText), "a piece of the file as it was")
})

test("a long text that grows or shrinks at its edges is cut right", () => {
  const long = lines(40_000)
  for (const [before, after] of [
    [long, `first\n${long}`],
    [long, `${long}\nlast`],
    [`first\n${long}`, long],
    [`${long}\nlast`, long],
    [long, long],
    [long, ""],
  ] as const) {
    const [diff] = changeView("/w/a", before, after).content ?? []
    assert.ok(diff?.type === "diff" && diff.oldText !== null)
    assert.ok(before.includes(diff.oldText) && after.includes(diff.newText))
    assert.equal(before.replace(diff.oldText, () => diff.newText).length, after.length)
  }
})

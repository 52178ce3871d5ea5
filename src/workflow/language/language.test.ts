// Conditions, references and templates.
import assert from "node:assert/strict"
import { test } from "node:test"
import { UnreadableText } from "../failure.ts"
import { holds, parseCondition, referencesIn } from "./condition.ts"
import type { StepResults } from "./reference.ts"
import { expand, shellQuoted, templatesIn } from "./template.ts"

const results: StepResults = new Map([
  ["a", { id: "a", stdout: "hi\n", json: { x: null, n: 5, s: "5", o: { k: [1, 2] }, "": 1 } }],
  ["b", { id: "b", skipped: true }],
  ["__proto__", { id: "__proto__", json: { y: 1 } }],
])

test("conditions compare without turning one kind of value into another", () => {
  const rows: [string, boolean][] = [
    ["true", true],
    ["$a.json.n == 5", true],
    ['$a.json.n == "5"', false],
    ["$a.json.s == 5", false],
    ["$a.json.s == '5'", true],
    ["$a.json.x == null", true],
    ["$a.json.missing == null", false],
    ["$a.json.o == $a.json.o", true],
    ["$a.json.s < 6", true],
    ["$a.json.o < 6", false],
    ["$a.json.n >= 5 && !($b.skipped == false)", true],
    ["$b.approved", false],
    ["$a.skipped || $b.skipped", true],
    ["!!$a.json.o", true],
    ["$a.json.s != five", true],
    ["'it\\'s' == \"it's\"", true],
    ["$a.json.n == 5 || $a.json.n == 6 && false", true],
    ["$a.json.n == 5.0", true],
    ["$a.constructor", false],
    ["$__proto__.json.y == 1", true],
  ]
  for (const [text, expected] of rows) assert.equal(holds(parseCondition(text), results), expected, text)
})

test("both sides are looked at, so a wrong step is found", () => {
  assert.throws(() => holds(parseCondition("true || $zz.json"), results), /Unknown step reference \$zz\.json/)
  assert.deepEqual(
    referencesIn(parseCondition("!($a.x == 1) && $b")).map((one) => [one.id, one.path, one.offset]),
    [
      ["a", ["x"], 2],
      ["b", [], 16],
    ],
  )
})

test("parseCondition() refuses what it cannot read, with a place inside the text", () => {
  for (const text of [
    "",
    "   ",
    "==",
    "a",
    "$a.x ==",
    "(true",
    "true)",
    "$a && ",
    "1 +",
    "'x",
    "true true",
    "$a.x & $b",
    "${a} == 1",
  ])
    assert.throws(
      () => parseCondition(text),
      (error: unknown) =>
        error instanceof UnreadableText && (error.offset ?? -1) >= 0 && (error.offset ?? 0) <= text.length,
      text,
    )
  assert.throws(() => parseCondition("(".repeat(5_000)), /deeper/)
  assert.throws(() => parseCondition("!".repeat(5_000)), /deeper/)
})

test("expand() puts arguments and results in, once, and leaves what it does not know", () => {
  const args = { name: "x$a.stdout", o: { a: 1 }, list: [1, 2] }
  const rows: [string, string][] = [
    ["${name} ${nope} $HOME $1.50 $a", "x$a.stdout ${nope} $HOME $1.50 $a"],
    ["$a.json.n,$a.json.o,$a.json.x,$a.json.none.deep,$b.skipped,$b.approved.", '5,{"k":[1,2]},,,true,false.'],
    ["$a.json.o.k.1 $a.json.o.k.length $a.json.constructor $zz.json", "2   $zz.json"],
    ["${o} ${list}", "[object Object] 1,2"],
    ["你好 ${name}", "你好 x$a.stdout"],
  ]
  for (const [text, expected] of rows) assert.equal(expand(text, { args, results }), expected, text)
  assert.equal(
    expand("echo ${name}", { args: { name: "a'; rm -rf /" }, results }, shellQuoted),
    `echo 'a'\\''; rm -rf /'`,
  )
})

test("templatesIn() tells names and places", () => {
  assert.deepEqual(templatesIn("a ${x} $s.json.y"), [
    { offset: 2, length: 4, type: "argument", name: "x" },
    { offset: 7, length: 9, type: "reference", id: "s", path: ["json", "y"] },
  ])
})

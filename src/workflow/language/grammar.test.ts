import assert from "node:assert/strict"
import { test } from "node:test"
import { UnreadableText } from "../failure.ts"
import { parsePipeline } from "./grammar.ts"

const args = (text: string) => parsePipeline(text).map((stage) => [stage.name, { ...stage.args }])

test("parsePipeline() splits at bars outside quotes", () => {
  const rows: [string, unknown][] = [
    ["head", [["head", { _: [] }]]],
    [
      " head --n 2 | json ",
      [
        ["head", { n: "2", _: [] }],
        ["json", { _: [] }],
      ],
    ],
    ["a|", [["a", { _: [] }]]],
    [
      `exec --shell "echo 'a|b' | wc" | head`,
      [
        ["exec", { shell: "echo 'a|b' | wc", _: [] }],
        ["head", { _: [] }],
      ],
    ],
    [`x 'it\\'s' "a\\"b" "q\\n" "c\\\\d" "\\$h \\\`"`, [["x", { _: ["it's", 'a"b', "q\\n", "c\\d", "$h `"] }]]],
    ['x a"b c"d ""', [["x", { _: ["ab cd", ""] }]]],
    ['x "a\\\nb" c\\d', [["x", { _: ["ab", "c\\d"] }]]],
    ["x --a --b=c=d --e f --a 2 -n 1", [["x", { a: "2", b: "c=d", e: "f", _: ["-n", "1"] }]]],
    ["x --a= --", [["x", { a: "", "": true, _: [] }]]],
    ["x --__proto__ y", [["x", { ["__proto__"]: "y", _: [] }]]],
    [
      "选 --键 值 | 表",
      [
        ["选", { 键: "值", _: [] }],
        ["表", { _: [] }],
      ],
    ],
  ]
  for (const [text, expected] of rows) assert.deepEqual(args(text), expected, text)
})

test("exec keeps the options of the program that it starts", () => {
  const rows: [string, unknown][] = [
    ["exec --json gh pr list --limit 3", { json: true, _: ["gh", "pr", "list", "--limit", "3"] }],
    ["exec gh pr list --json", { json: true, _: ["gh", "pr", "list"] }],
    ["exec -- gh --json --shell x", { _: ["gh", "--json", "--shell", "x"] }],
    ["exec --json --stdin jsonl cat", { json: true, stdin: "jsonl", _: ["cat"] }],
    ["exec ls --color=never -l", { _: ["ls", "--color=never", "-l"] }],
  ]
  for (const [text, expected] of rows) assert.deepEqual({ ...parsePipeline(text)[0]!.args }, expected, text)
})

test("parsePipeline() refuses what it cannot read, with the place", () => {
  const rows: [string, number, RegExp][] = [
    ["", 0, /empty/],
    ["  ", 0, /empty/],
    ["|", 0, /missing/],
    ["a | | b", 3, /missing/],
    ["a 'b", 2, /Unclosed quote/],
    ['a "b\\"', 2, /Unclosed quote/],
  ]
  for (const [text, offset, message] of rows)
    assert.throws(
      () => parsePipeline(text),
      (error: unknown) => error instanceof UnreadableText && error.offset === offset && message.test(error.message),
      text,
    )
})

test("stages say where they begin", () => {
  assert.deepEqual(
    parsePipeline("a |  b 1|c").map((stage) => [stage.offset, stage.raw]),
    [
      [0, "a"],
      [5, "b 1"],
      [9, "c"],
    ],
  )
})

test("parsePipeline() ends on any text without breaking", () => {
  let seed = 7
  const next = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
  const alphabet = "a-=|'\"\\ \n$`é漢🙂"
  for (let round = 0; round < 5_000; round++) {
    const text = Array.from(
      { length: Math.floor(next() * 30) },
      () => alphabet[Math.floor(next() * alphabet.length)],
    ).join("")
    try {
      for (const stage of parsePipeline(text)) assert.ok(stage.offset >= 0 && stage.offset < text.length)
    } catch (error) {
      assert.ok(error instanceof UnreadableText, text)
      assert.ok(error.offset !== undefined && error.offset <= text.length)
    }
  }
})

import assert from "node:assert/strict"
import { test } from "node:test"
import { splitWords } from "./words.ts"

test("words are separated by blanks and held together by quotes and backslashes", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["  codex-acp  --flag\tx\n", ["codex-acp", "--flag", "x"]],
    [`node "my agent.js" --name='a "b" c'`, ["node", "my agent.js", '--name=a "b" c']],
    [`a\\ b "c \\"d\\" \\\\ \\n"`, ["a b", 'c "d" \\ \\n']],
    [`'' ""`, ["", ""]],
    ["'C:\\agents\\x.exe' 读取", ["C:\\agents\\x.exe", "读取"]],
    ["x\\", ["x\\"]],
  ]
  for (const [text, words] of cases) assert.deepEqual(splitWords(text), words, text)
})

test("nothing is expanded, and operators are words", () => {
  assert.deepEqual(splitWords("a $HOME ; b | c > d `e` *"), ["a", "$HOME", ";", "b", "|", "c", ">", "d", "`e`", "*"])
})

test("a quote that is not closed is refused", () => {
  for (const text of ["a 'b", 'a "b', 'a "b\\"']) assert.throws(() => splitWords(text), /is not closed/)
})

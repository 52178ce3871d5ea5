import assert from "node:assert/strict"
import { test } from "node:test"
import { MarkdownStream } from "./markdown.ts"
import { Screen, type Style } from "./screen.ts"

/** A pen that writes styles as <style>text</>. */
function marked() {
  let text = ""
  const pen = {
    width: 80,
    write: (more: string) => {
      text += more
    },
    paint: (inner: string, ...styles: Style[]) => (inner === "" ? "" : `<${styles.join("+")}>${inner}</>`),
  }
  return { pen, text: () => text }
}

function render(chunks: readonly string[]): string {
  const { pen, text } = marked()
  const stream = new MarkdownStream(pen)
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  return text()
}

const bare = (text: string) => text.replaceAll(/<[a-z+]*>/g, "").replaceAll("</>", "")

const SAMPLE = `# Title with **bold**
Some *italic*, **bold**, \`code\` and ***both***; 2 * 3 * 4, snake_case_word, *.txt and src/**/*.ts.

- one
  - [ ] open
  - [x] done
12. twelve
> quoted _text_

| a | b |
|---|---|
| 1 | \`x\` |

\`\`\`js
const a = "**not bold**" // 中文
\`\`\`
---
See [the site](https://example.com/a_(b)) and ![](pic.png) and [no link].
**\`code\` in bold** and \`\`a \` b\`\` \\*plain\\*
`

test("MarkdownStream shows the same whatever the chunks", () => {
  const whole = render([SAMPLE])
  for (const size of [1, 2, 3, 5, 7, 13, 64]) {
    const chunks = SAMPLE.match(new RegExp(`[\\s\\S]{1,${size}}`, "gu")) ?? []
    assert.equal(bare(render(chunks)), bare(whole), `chunks of ${size}`)
  }
})

test("MarkdownStream paints headings, emphasis, code, lists, quotes, links and fences", () => {
  const shown = render([SAMPLE])
  for (const part of [
    "<bold+underline>Title with ",
    "<italic>italic</>",
    "<bold>bold</>",
    "<cyan>code</>",
    "<bold+italic>both</>",
    "• one\n  ☐ open\n  ☑ done\n12. twelve\n",
    "<dim>│ </>",
    "| 1 | <cyan>x</> |",
    "<dim>```js</>\n",
    'const a = "**not bold**" // 中文',
    "<underline>the site</> <dim>(https://example.com/a_(b))</>",
    "<underline>pic.png</>",
    "[no link].",
    "<cyan+bold>code</><bold> in bold</>",
    "<cyan>a ` b</>",
    "*plain*",
    "2 * 3 * 4, snake_case_word, *.txt and src/**/*.ts.",
  ])
    assert.ok(shown.includes(part), `${JSON.stringify(part)} is missing in ${shown}`)
})

test("MarkdownStream loses no character of a mark that is never closed", () => {
  for (const text of [
    "rm *.txt",
    "a ** b",
    "`open",
    "[text",
    "![x",
    "**bold",
    "__init__ and __",
    "a_b",
    "\\",
    "*",
    "```",
    "1.",
    "- [x",
  ])
    assert.equal(
      bare(render([...text])).trim(),
      text.startsWith("- ") ? text.replace("- ", "• ") : bare(render([text])).trim(),
    )
  assert.equal(bare(render([..."cp *.txt **/x"])), "cp *.txt **/x\n")
})

test("MarkdownStream writes words of an open line before the line is complete", () => {
  const { pen, text } = marked()
  const stream = new MarkdownStream(pen)
  stream.write("Hello wor")
  assert.equal(text(), "Hello wor")
  stream.write("ld, **bo")
  assert.equal(text(), "Hello world, ")
  stream.write("ld** ok")
  assert.equal(text(), "Hello world, <bold>bold</> ok")
})

test("MarkdownStream gives up a mark that holds back too much", () => {
  const { pen, text } = marked()
  const stream = new MarkdownStream(pen)
  stream.write(`see *${"x".repeat(1000)}`)
  assert.ok(text().length > 900)
})

test("MarkdownStream lets no control character through, split or not", () => {
  const evil = "a\x1b[2Jb\x9b31mc\u202ed\x07 `\x1b]0;t\x07`\n"
  for (const chunks of [[evil], [...evil]]) {
    const shown = render(chunks)
    assert.ok(!/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/.test(shown), JSON.stringify(shown))
  }
})

test("Screen paints only on a terminal without NO_COLOR", () => {
  const lines: string[] = []
  const stream = { isTTY: true, columns: 40, write: (text: string) => lines.push(text) > 0 }
  assert.equal(new Screen({ stream, env: {} }).paint("x", "bold"), "\x1b[1mx\x1b[22m")
  assert.equal(new Screen({ stream, env: { NO_COLOR: "1" } }).paint("x", "bold"), "x")
  assert.equal(new Screen({ stream: { ...stream, isTTY: false }, env: {} }).paint("x", "bold"), "x")
})

test("Screen.table keeps columns straight with Chinese text and never exceeds the terminal", () => {
  const lines: string[] = []
  const stream = { isTTY: true, columns: 30, write: (text: string) => lines.push(text) > 0 }
  new Screen({ stream, env: { NO_COLOR: "1" } }).table(
    ["NAME", "TITLE"],
    [
      ["会话", `很长的标题${"长".repeat(30)}`],
      ["plain", "evil\x1b[2J"],
    ],
  )
  assert.match(lines[1] ?? "", /^会话 {3}很长/)
  assert.match(lines[2] ?? "", /^plain {2}evil␛\[2J/)
  assert.ok((lines[1] ?? "").length < 30)
})

import assert from "node:assert/strict"
import { test } from "node:test"
import { htmlText } from "./html.ts"

test("htmlText() keeps what is read and leaves out what is not", () => {
  const text = htmlText({
    html: `<!doctype html><html><head><title>标题 &amp; more</title><style>p{}</style></head><body>
      <nav>menu</nav><h1>Heading</h1><p>Some <b>bold</b> 文字 <a href="https://a.example/x">link</a>.</p>
      <ul><li>one</li><li>two</li></ul><script>alert(1)</script><form>field</form>
      <table><tr><th>k</th><td>v</td></tr></table><a href="#top">up</a></body></html>`,
  })
  assert.match(text, /^标题 & more\n/)
  assert.match(text, /Heading/)
  assert.match(text, /Some bold 文字 link \[https:\/\/a\.example\/x\]\./)
  assert.match(text, / \* one\n \* two/)
  assert.match(text, /k +v/)
  assert.doesNotMatch(text, /menu|alert|field|p\{\}|#top/)
})

test("htmlText() of a page that nests without end is text, not an overflow", () => {
  assert.equal(typeof htmlText({ html: `${"<div>".repeat(20_000)}deep` }), "string")
})

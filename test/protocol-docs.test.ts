import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { protocolDocs } from "../scripts/protocol-docs.ts"
import { methodNames } from "../src/gateway/methods/index.ts"

for (const [path, text] of Object.entries(protocolDocs()))
  test(`${path} is what the method table says now`, () => {
    const stored = readFileSync(new URL(`../${path}`, import.meta.url), "utf8")
    assert.ok(stored === text, `${path} is out of date: run "npm run docs"`)
  })

test("docs/protocol.md names every method and alias", () => {
  const text = readFileSync(new URL("../docs/protocol.md", import.meta.url), "utf8")
  for (const name of methodNames()) assert.ok(text.includes(`\`${name}\``), name)
})

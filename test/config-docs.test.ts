import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { CONFIG_REFERENCE, configReference } from "../scripts/config-docs.ts"
import { HINTS } from "../src/config/hints.ts"
import { uiHints } from "../src/config/schema-view.ts"

test("the reference of the configuration is what the schema says now", () => {
  const stored = readFileSync(new URL(`../${CONFIG_REFERENCE}`, import.meta.url), "utf8")
  assert.ok(stored === configReference(), `${CONFIG_REFERENCE} is out of date: run "npm run docs"`)
})

test("no sentence is about a key that is gone", () => {
  const known = uiHints()
  for (const path of Object.keys(HINTS)) assert.ok(known[path], path)
})

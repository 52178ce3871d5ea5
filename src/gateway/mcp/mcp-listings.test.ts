import assert from "node:assert/strict"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { silentLogger } from "../../base/log.ts"
import { ListingShelf } from "./mcp-listings.ts"

test("what a server offered is kept for its owner alone; damaged, or asked under another configuration, it is asked again", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-shelf-"))
  t.after(() => rmSync(folder, { recursive: true }))
  const shelf = new ListingShelf(join(folder, "mcp"), silentLogger)
  const listing = { tools: [{ name: "读" }], resources: true, prompts: false }
  assert.equal(shelf.read("one", "k"), undefined)
  shelf.write("one", "k", listing)
  assert.deepEqual(shelf.read("One", "k"), listing)
  assert.equal(statSync(join(folder, "mcp", "one.json")).mode & 0o777, 0o600)
  assert.equal(shelf.read("one", "other"), undefined)
  for (const text of ['{"key":"k","tools":', '{"key":"k","tools":1}', "[]", ""]) {
    writeFileSync(join(folder, "mcp", "one.json"), text)
    assert.equal(shelf.read("one", "k"), undefined, text)
  }
  shelf.write("one", "k", { ...listing, tools: ["x".repeat(5 * 1024 * 1024)] })
  assert.equal(shelf.read("one", "k"), undefined, "too large to be kept")
})

import assert from "node:assert/strict"
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { makeFolder } from "./folder.ts"

test("makeFolder() makes what is missing, for the owner only, and minds nothing that is there", (t) => {
  const root = mkdtempSync(join(tmpdir(), "pincer-folder-"))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  makeFolder(join(root, "a", "b", "c"))
  assert.equal(statSync(join(root, "a", "b")).mode & 0o777, 0o700)
  makeFolder(join(root, "a", "b", "c"))
  writeFileSync(join(root, "file"), "")
  assert.throws(() => makeFolder(join(root, "file", "x")), { code: "ENOTDIR" })
})

test("makeFolder() fails where nothing can be made, instead of trying for ever", {
  skip: !existsSync("/proc/self"),
}, () => {
  assert.throws(() => makeFolder("/proc/no-such/home"), { code: "ENOENT" })
})

// Patches that git itself applies.
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { gitPatch } from "./whole-patch.ts"

test("git applies what is made of two texts", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-patch-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join("")
  const cases: [string | null, string][] = [
    [null, "new\nfile\n"],
    ["one\n", "two\n"],
    [lines(0, 20), `${lines(0, 10)}changed\n${lines(11, 20)}`],
    [lines(0, 20), `first\n${lines(0, 20)}`],
    [lines(0, 20), lines(0, 5)],
    [lines(0, 3), ""],
    ["a\n\n\nb\n", "a\n\nb\n"],
  ]
  for (const [before, after] of cases) {
    const path = join(folder, "a.txt")
    rmSync(path, { force: true })
    if (before !== null) writeFileSync(path, before)
    execFileSync("git", ["apply", "--unidiff-zero", "-"], { cwd: folder, input: gitPatch("/a.txt", before, after) })
    assert.equal(readFileSync(path, "utf8"), after, JSON.stringify([before, after]))
  }
})

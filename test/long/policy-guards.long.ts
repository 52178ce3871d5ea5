// Switches off each guard of the decision, one at a time, in a copy of the sources, and sees at least one test of the policy go red.
// Run by hand: node --test test/long/policy-guards.long.ts
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { POLICY_GUARDS } from "../corpus/policy-guards.ts"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const TESTS = ["decide", "permissions", "rules", "drawings"].map((name) => `src/policy/${name}.test.ts`)

test("no guard of the decision can be switched off unnoticed", (t) => {
  const copy = mkdtempSync(join(tmpdir(), "pincer-guards-"))
  t.after(() => rmSync(copy, { recursive: true, force: true }))
  for (const name of ["src", "test", "package.json", "tsconfig.json"])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"))
  const passes = () => {
    // A test runner inside a test runner would report to the outer one.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    return spawnSync(process.execPath, ["--test", ...TESTS], { cwd: copy, env, timeout: 120_000 }).status === 0
  }
  assert.ok(passes(), "the tests pass while every guard stands")
  const unnoticed: string[] = []
  for (const [file, guard, without] of POLICY_GUARDS) {
    const path = join(copy, "src/policy", file)
    const text = readFileSync(path, "utf8")
    assert.ok(text.includes(guard), `${file} no longer has the guard ${guard}`)
    writeFileSync(
      path,
      text.replace(guard, () => without),
    )
    if (passes()) unnoticed.push(`${file}: ${guard}`)
    writeFileSync(path, text)
  }
  assert.deepEqual(unnoticed, [])
})

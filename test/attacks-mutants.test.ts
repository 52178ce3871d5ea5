// The list of guards that `npm run test:mutants` switches off one by one must name what is there.
import assert from "node:assert/strict"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { MUTANTS } from "../scripts/mutants.ts"

const ROOT = join(import.meta.dirname, "..")

test("every guard is found exactly once in its file, and its test is there", () => {
  assert.ok(MUTANTS.length >= 40)
  assert.equal(new Set(MUTANTS.map(({ guard }) => guard)).size, MUTANTS.length)
  for (const { file, find, guard, only, replace, test: files } of MUTANTS) {
    assert.equal(readFileSync(join(ROOT, file), "utf8").split(find).length, 2, `${guard}: ${find} in ${file}`)
    assert.notEqual(find, replace, guard)
    const paths = files.split(" ")
    for (const path of paths) assert.ok(existsSync(join(ROOT, path)), `${guard}: ${path}`)
    const text = paths.map((path) => readFileSync(join(ROOT, path), "utf8")).join("\n")
    const names = [...text.matchAll(/\btest\(\s*(["`])(.*?)\1,/gs)].map((match) => match[2]!)
    if (only !== undefined)
      assert.ok(
        names.some((name) => new RegExp(only).test(name)),
        `${guard}: no test is named like ${only}`,
      )
  }
})

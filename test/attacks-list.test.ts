// The list of attacks in docs/security-tests.md names what is there: each attack that must be held off, by a test of that name.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"

const ROOT = join(import.meta.dirname, "..")
/** A21 to A28, A30, A31, A39 to A42, and those that were added. */
const MUST = [16, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 39, 40, 41, 42].map((n) => `A${n}`)

function rows(): string[][] {
  const page = readFileSync(join(ROOT, "docs", "security-tests.md"), "utf8")
  return page
    .split("\n")
    .filter((line) => /^\| A\d+ \|/.test(line))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

/** Names of the tests of a file, in whatever quotes. */
function testsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8")
  return [...text.matchAll(/\btest\(\s*(["`])(.*?)\1,/gs)].map((match) => match[2] ?? "")
}

test("every attack of the list has a test of the name that it gives, once", () => {
  for (const [attack, , file = "", begins = ""] of rows()) {
    const path = file.replaceAll("`", "")
    const found = testsOf(path).filter((name) => name.startsWith(begins))
    assert.equal(found.length, 1, `${attack}: "${begins}" in ${path} is ${found.length} tests`)
  }
})

test("no attack is missing in the list, nor one that a test is named after", () => {
  const listed = rows()
  assert.deepEqual([...new Set(listed.map(([attack]) => attack))], MUST)
  for (const file of ["approvals", "injection", "network"].map((name) => `test/attacks-${name}.test.ts`))
    for (const name of testsOf(file)) {
      const attack = /^A\d+/.exec(name)?.[0]
      if (attack !== undefined) assert.ok(MUST.includes(attack), `${name} is not in the list`)
    }
})

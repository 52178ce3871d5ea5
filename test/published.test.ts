// The program as it is published: what it asks node_modules for must be among the dependencies, because nothing else is installed with it.
import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { dirname, join } from "node:path"
import { test } from "node:test"
import { CHECKOUT_PROGRAM, PROGRAM } from "./program.ts"

const root = join(import.meta.dirname, "..")
const skip = PROGRAM === CHECKOUT_PROGRAM ? "NOT TESTED: only npm test builds the program" : false
/**
 * `ws` tries two packages and goes on without them; ajv names some in code that it could write to a file, which nobody asks it to; and
 * editors that are set up in Lua have a `require` of their own.
 */
const NEVER_NEEDED = /^(bufferutil|utf-8-validate|ajv-formats\/.*|ajv\/dist\/runtime\/.*|codecompanion.*|avante)$/

test("the published program needs only what it depends on", { skip }, () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>
  }
  const files = globSync(join(dirname(PROGRAM), "..", "dist", "app", "*.js"))
  assert.ok(files.length > 50, `only ${files.length} files of a program were found`)
  const asked = /(?:\bfrom\s+|\bimport\s*\(?\s*|\b(?:__)?require\()"([@a-z][^"\s]*)"/g
  const found = new Set<string>()
  for (const file of files) {
    for (const [, name = ""] of readFileSync(file, "utf8").matchAll(asked)) {
      if (isBuiltin(name) || NEVER_NEEDED.test(name)) continue
      found.add(name)
      const packageName = name.split("/", name.startsWith("@") ? 2 : 1).join("/")
      assert.ok(packageName in dependencies, `${file} asks for ${name}: it is not installed with Pincer`)
    }
  }
  assert.deepEqual([...found].sort(), ["@pydantic/genai-prices", "ajv", "ajv/dist/2020.js", "html-to-text"])
})

test("whoever gave a part of the published program is named with the licence", { skip }, () => {
  const notices = readFileSync(join(dirname(PROGRAM), "..", "dist", "THIRD-PARTY.txt"), "utf8")
  for (const name of ["zod", "ws", "hono", "yaml", "@modelcontextprotocol/client"])
    assert.match(notices, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+, [\\w.-]+$`, "m"))
})

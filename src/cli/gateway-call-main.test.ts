import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { test } from "node:test"
import { readCallWords } from "./gateway-call-main.ts"

/** Every file and package that is loaded with this file. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found
  found.add(file)
  const text = readFileSync(file, "utf8")
  for (const [, name = ""] of text.matchAll(/^(?:import|export) (?!type )(?:[\w\s{},*]*? from )?"([^"]+)"/gm))
    if (name.startsWith(".")) loadedWith(join(dirname(file), name), found)
    else if (!name.startsWith("node:")) found.add(name)
  return found
}

test("a call loads no command tree and no schemas, nor what it needs later: the token's reader, the connection", () => {
  const here = import.meta.dirname
  for (const file of ["gateway-call-main.ts", "../config/secrets.ts"]) {
    const loaded = loadedWith(join(here, file))
    assert.deepEqual(
      [...loaded].filter((one) => !one.startsWith("/")),
      [],
      file,
    )
    assert.equal(loaded.has(join(here, "../config/schema.ts")), false)
  }
})

test("what the short way does not know goes to the command tree", () => {
  assert.equal(readCallWords(["health", "--timeout", "5s"])?.method, "health")
  for (const words of [[], ["--help"], ["health", "--help"], ["health", "more"], ["health", "--no-such-flag"]])
    assert.equal(readCallWords(words), undefined)
})

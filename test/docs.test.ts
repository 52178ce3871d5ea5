// What the documents name exists: paths in backticks and links, in every Markdown file of the project.
import assert from "node:assert/strict"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { test } from "node:test"

const documents = [...globSync("*.md"), ...globSync("docs/**/*.md")].sort()

test("paths that documents name exist", () => {
  for (const file of documents) {
    const text = readFileSync(file, "utf8")
    for (const [, path] of text.matchAll(/`((?:src|test|docs|bench|scripts|bin|\.ci)\/[\w./-]*)`/g)) {
      assert.ok(existsSync(path!), `${file} names \`${path}\`, which does not exist`)
    }
    for (const [, target] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      const path = join(dirname(file), target!)
      assert.ok(existsSync(path), `${file} links to ${target}, which does not exist`)
    }
  }
})

test("AGENTS.md stays short", () => {
  const lines = readFileSync("AGENTS.md", "utf8").split("\n").length
  assert.ok(lines <= 150, `AGENTS.md has ${lines} lines, more than 150`)
})

test("scripts that documents tell to run exist", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> }
  for (const file of documents)
    for (const [, name] of readFileSync(file, "utf8").matchAll(/`npm run ([\w:]+)/g))
      assert.ok(name! in scripts, `${file} tells to run "npm run ${name}", which package.json does not have`)
})

// The walls of the house as data (docs/architecture.md): which room may import which, no cycles, names, sizes. Fails with a
// sentence that names both files.
import assert from "node:assert/strict"
import { existsSync, globSync, readFileSync } from "node:fs"
import { basename, dirname, join, normalize } from "node:path"
import { test } from "node:test"

const LOWER = ["base", "protocol"]
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  protocol: ["base"],
  sandbox: ["base"],
  local: ["base"],
  config: LOWER,
  store: LOWER,
  policy: LOWER,
  providers: LOWER,
  channels: LOWER,
  tools: [...LOWER, "sandbox", "policy"],
  agent: [...LOWER, "store", "policy", "providers", "tools"],
  jobs: [...LOWER, "store", "agent"],
  acp: [...LOWER, "policy", "agent"],
  workflow: [...LOWER, "store", "policy", "tools", "agent"],
  backup: [...LOWER, "config", "store"],
  gateway: [
    ...LOWER,
    "sandbox",
    "config",
    "store",
    "policy",
    "providers",
    "tools",
    "agent",
    "jobs",
    "acp",
    "workflow",
    "backup",
    "local",
  ],
  cli: [...LOWER, "config", "local"],
}
/** Commands that start a program may reach the gateway, by dynamic import only. */
const STARTERS =
  /^src\/cli\/(commands\/(gateway|doctor|backup|logs|update|audit|sandbox|policy|acp|acp-client|agents)|connect|standalone|lobster|workflow-alone)\.ts$/
/** Files that may be longer than the limit, each with its reason. */
const LONG: Readonly<Record<string, string>> = {}
const MAX_LINES = 500
const DRAWERS = /^(utils?|helpers?|common|misc|manager|service|impl|core|v2|new|types)\.ts$/

interface Import {
  from: string
  to: string
  dynamic: boolean
}

const sources = globSync("src/**/*.ts").map(normalize).sort()
const production = sources.filter((file) => !file.endsWith(".test.ts"))

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8")
  const found: Import[] = []
  for (const match of text.matchAll(/(?:^|\n)\s*(?:import|export)\s(?:[^"'`;]*?\sfrom\s+)?"(\.[^"]+)"/g))
    found.push({ from: file, to: normalize(join(dirname(file), match[1]!)), dynamic: false })
  for (const match of text.matchAll(/\bimport\(\s*"(\.[^"]+)"\s*\)/g))
    found.push({ from: file, to: normalize(join(dirname(file), match[1]!)), dynamic: true })
  return found
}

function roomOf(file: string): string {
  return file.split("/")[1]!
}

const imports = production.flatMap(importsOf)

test("rooms import only what lies below them", () => {
  for (const { from, to, dynamic } of imports) {
    const [room, other] = [roomOf(from), roomOf(to)]
    if (room === other) continue
    const allowed = MAY_IMPORT[room]
    assert.ok(allowed, `${from} is in a room "${room}" that the table in test/walls.test.ts does not know`)
    if (dynamic && STARTERS.test(from)) continue
    assert.ok(
      allowed.includes(other),
      `${from} imports ${to}: ${room} may import only ${allowed.join(", ") || "nothing of ours"}`,
    )
  }
})

test("plug-ins do not know each other", () => {
  for (const { from, to } of imports) {
    const plugIn = /^src\/(providers|tools)\/([^/]+)\//
    const [a, b] = [plugIn.exec(from), plugIn.exec(to)]
    if (!a || !b || a[1] !== b[1]) continue
    assert.equal(a[2], b[2], `${from} imports ${to}: plug-ins of ${a[1]} must not know each other`)
  }
})

test("no file imports itself in a circle", () => {
  const graph = Map.groupBy(
    imports.filter((one) => !one.dynamic),
    (one) => one.from,
  )
  const done = new Set<string>()
  const visit = (file: string, trail: string[]): void => {
    assert.ok(!trail.includes(file), `Import cycle: ${[...trail.slice(trail.indexOf(file)), file].join(" -> ")}`)
    if (done.has(file)) return
    for (const one of graph.get(file) ?? []) visit(one.to, [...trail, file])
    done.add(file)
  }
  for (const file of production) visit(file, [])
})

test("every import names a file that exists", () => {
  for (const { from, to } of imports) assert.ok(existsSync(to), `${from} imports ${to}, which does not exist`)
})

test("only the gateway's composition and the command line read the environment", () => {
  for (const file of production) {
    // The forwarder is a program of its own, inside the sandbox: its environment is the confined program's.
    if (/^src\/(gateway\/compose|cli\/|sandbox\/forwarder\.ts)/.test(file)) continue
    const text = readFileSync(file, "utf8")
    assert.ok(!/\bprocess\.env\b/.test(text), `${file} reads process.env: it must be handed what it needs`)
    const belowGateway = !/^src\/(gateway|cli|base)\//.test(file)
    if (belowGateway) assert.ok(!/\bDate\.now\(\)/.test(text), `${file} calls Date.now(): it must be handed a Clock`)
  }
})

test("only the store writes SQL", () => {
  for (const file of production) {
    if (file.startsWith("src/store/")) continue
    assert.ok(
      !/node:sqlite/.test(readFileSync(file, "utf8")) || file === "src/config/claim.ts",
      `${file} imports node:sqlite: SQL lives in src/store/`,
    )
  }
})

test("no catch is empty, no cast to any, no suppressed check", () => {
  for (const file of sources) {
    const text = readFileSync(file, "utf8")
    assert.ok(!/catch\s*(\([^)]*\))?\s*\{\s*\}/.test(text), `${file} has an empty catch`)
    assert.ok(!/\bas any\b|@ts-(ignore|expect-error|nocheck)/.test(text), `${file} switches the type checker off`)
  }
})

test("files are kebab-case nouns, none is a drawer, none is too long", () => {
  for (const file of sources) {
    const name = basename(file).replace(/\.test\.ts$/, ".ts")
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*\.ts$/, `${file} is not kebab-case`)
    assert.ok(!DRAWERS.test(name), `${file} is named like a drawer: name it by what it holds`)
    const lines = readFileSync(file, "utf8").split("\n").length
    const limit = file.endsWith(".test.ts") ? MAX_LINES * 2 : MAX_LINES
    assert.ok(lines <= limit || LONG[file] !== undefined, `${file} has ${lines} lines, more than ${limit}: split it`)
  }
})

test("each file opens by saying what it is for", () => {
  for (const file of production) {
    const first = readFileSync(file, "utf8")
      .split("\n")
      .find((line) => !line.startsWith("#!"))
    assert.ok(first?.startsWith("//") || first?.startsWith("/*"), `${file} does not open with a comment`)
  }
})

test("one noun, one home: no two rooms export a type or class of the same name", () => {
  const homes = new Map<string, string>()
  for (const file of production) {
    for (const match of readFileSync(file, "utf8").matchAll(/^export (?:abstract )?(?:class|interface|type) (\w+)/gm)) {
      const name = match[1]!
      const home = homes.get(name)
      assert.ok(home === undefined || home === file, `${file} and ${home} both export ${name}`)
      homes.set(name, file)
    }
  }
})

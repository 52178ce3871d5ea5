import assert from "node:assert/strict"
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative as pathBetween } from "node:path"
import { type TestContext, test } from "node:test"
import { AgentFinder, type AgentPlaces, findAgent } from "./find.ts"
import { knownAgent, knownAgents, requireKnownAgent } from "./known-agents.ts"

const codex = requireKnownAgent("codex")
const gemini = requireKnownAgent("gemini")

interface Machine {
  root: string
  places: AgentPlaces
  file(path: string, text: string, mode?: number): string
  /** An npm package in a node_modules folder below the root. */
  pack(modules: string, name: string, bin: unknown, script?: string, mode?: number): string
}

function machine(t: TestContext): Machine {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "pincer-find-")))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const file = (path: string, text: string, mode = 0o644) => {
    const full = join(root, path)
    mkdirSync(dirname(full), { recursive: true })
    writeFileSync(full, text)
    chmodSync(full, mode)
    return full
  }
  mkdirSync(join(root, "bin"))
  const places: AgentPlaces = {
    path: join(root, "bin"),
    home: join(root, "pincer"),
    userHome: join(root, "user"),
    node: "/opt/node",
    platform: "linux",
  }
  const pack: Machine["pack"] = (modules, name, bin, script = "#!/usr/bin/env node\n", mode = 0o755) => {
    file(join(modules, name, "package.json"), JSON.stringify({ name, version: "2.6.0", bin }))
    return file(join(modules, name, "dist/main"), script, mode)
  }
  return { root, places, file, pack }
}

test("an agent that is nowhere is answered with the line that installs it", async (t) => {
  const { places } = machine(t)
  assert.deepEqual(await findAgent(codex, places), {
    type: "missing",
    install: "npm install -g @agentclientprotocol/codex-acp",
  })
})

test("a program on PATH is found with its arguments", async (t) => {
  const { file, places } = machine(t)
  const program = file("bin/gemini", "#!/bin/sh\n", 0o755)
  assert.deepEqual(await findAgent(gemini, places), { type: "found", argv: [program, "--acp"], from: "PATH" })
})

test("a file that may not be run, a folder, and a relative entry of PATH are no programs", async (t) => {
  const { file, places, root } = machine(t)
  file("bin/gemini", "#!/bin/sh\n", 0o644)
  mkdirSync(join(root, "other/gemini"), { recursive: true })
  const relative = { ...places, path: `${places.path}:${join(root, "other")}:.:` }
  assert.equal((await findAgent(gemini, relative)).type, "missing")
  // Where whoever starts the gateway happens to stand must not matter.
  file("there/gemini", "#!/bin/sh\n", 0o755)
  const there = { ...places, path: pathBetween(process.cwd(), join(root, "there")) }
  assert.equal((await findAgent(gemini, there)).type, "missing")
})

test("a package in the prefix of the npm on PATH is found and runs under our Node", async (t) => {
  const { pack, places, root } = machine(t)
  const npm = pack("lib/node_modules", "npm", {})
  mkdirSync(join(dirname(npm), "../bin"))
  writeFileSync(join(dirname(npm), "../bin/npm-cli.js"), "")
  symlinkSync(join(dirname(npm), "../bin/npm-cli.js"), join(root, "bin/npm"))
  const script = pack("lib/node_modules", "@agentclientprotocol/codex-acp", { "codex-acp": "dist/main" })
  assert.deepEqual(await findAgent(codex, places), {
    type: "found",
    argv: ["/opt/node", script],
    version: "2.6.0",
    from: "npm's global packages",
  })
})

test("Pincer's own prefix comes before PATH, and a native program is started as it is", async (t) => {
  const { file, pack, places } = machine(t)
  file("bin/codex-acp", "#!/bin/sh\n", 0o755)
  const own = pack("pincer/agents/node_modules", "@zed-industries/codex-acp", "./dist/main", "\x7fELF")
  const found = await findAgent(codex, places)
  assert.deepEqual(found.type === "found" && found.argv, [own])
})

test("the newer of two packages wins, and ~/.npm-global is looked into", async (t) => {
  const { pack, places } = machine(t)
  pack("user/.npm-global/lib/node_modules", "@zed-industries/codex-acp", "dist/main")
  const newer = pack("user/.npm-global/lib/node_modules", "@agentclientprotocol/codex-acp", "dist/main")
  const found = await findAgent(codex, places)
  assert.deepEqual(found.type === "found" && found.argv, ["/opt/node", newer])
})

test("packages of a working folder count only when the folder is handed in, and last", async (t) => {
  const { file, pack, places, root } = machine(t)
  const script = pack("project/node_modules", "@agentclientprotocol/codex-acp", "dist/main")
  assert.equal((await findAgent(codex, places)).type, "missing")
  const inside = { ...places, cwd: join(root, "project/src/deep") }
  const found = await findAgent(codex, inside)
  assert.deepEqual(found.type === "found" && found.argv, ["/opt/node", script])
  const program = file("bin/codex-acp", "#!/bin/sh\n", 0o755)
  const second = await findAgent(codex, inside)
  assert.deepEqual(second.type === "found" && second.argv, [program])
})

test("a manifest that leads out of its package, names nothing, or is no JSON is passed over", async (t) => {
  for (const bin of ["../../../bin/evil", { "codex-acp": "/bin/sh" }, { other: "dist/main" }, 7, "dist/none"]) {
    const { file, pack, places } = machine(t)
    file("bin/evil", "#!/bin/sh\n", 0o755)
    pack("pincer/agents/node_modules", "@agentclientprotocol/codex-acp", bin)
    assert.equal((await findAgent(codex, places)).type, "missing", JSON.stringify(bin))
  }
  const { file, places } = machine(t)
  file("pincer/agents/node_modules/@agentclientprotocol/codex-acp/package.json", "{")
  assert.equal((await findAgent(codex, places)).type, "missing")
})

test("a finding is kept for half a minute; what was missing is looked for again when it is asked for", async (t) => {
  const { file, places } = machine(t)
  let now = 1_000
  const clock = { now: () => now }
  const finder = new AgentFinder(places, clock)
  await assert.rejects(finder.require(gemini), /Gemini CLI is not installed.*npm install -g @google\/gemini-cli/)
  const program = file("bin/gemini", "#!/bin/sh\n", 0o755)
  assert.equal((await finder.find(gemini)).type, "missing", "kept")
  assert.deepEqual(await finder.require(gemini), [program, "--acp"])
  rmSync(program)
  assert.equal((await finder.find(gemini)).type, "found", "kept")
  now += 31_000
  assert.equal((await finder.find(gemini)).type, "missing")
})

test("the table names each agent once, as an id, with a line that installs it", () => {
  const names = knownAgents.map((agent) => agent.name)
  assert.equal(new Set(names).size, names.length)
  for (const agent of knownAgents) {
    assert.match(agent.name, /^[a-z0-9][a-z0-9-]{0,63}$/)
    assert.match(agent.install, /^(npm install -g|uv tool install|curl|see https:)/, agent.name)
  }
  const promised =
    "claude codex cursor copilot gemini qwen kimi kiro droid iflow kilocode opencode qoder trae pi openclaw"
  for (const name of promised.split(" ")) assert.ok(knownAgent(name), name)
})

test("an unknown name is answered with those that are spelled like it", () => {
  assert.throws(() => requireKnownAgent("codx"), /no known agent "codx": did you mean codex\?/)
  assert.throws(() => requireKnownAgent("something"), /pincer agents list --all/)
})

// The engine: installed whole or not at all, found, removed.
import assert from "node:assert/strict"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { fakeEngine, fakeLlamaServer } from "../../test/fakes/local-engine.ts"
import { ENGINE_VERSION, engineFolder, findEngine, type Installing, installEngine, removeEngine } from "./engine.ts"

/** `npm`: what the program in npm's place does, with the arguments in `args`. */
function place(t: TestContext, npm: string) {
  const home = mkdtempSync(join(tmpdir(), "pincer-engine-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const file = join(home, "npm.cjs")
  writeFileSync(
    file,
    `#!${process.execPath}\nconst fs = require("node:fs"); const args = process.argv.slice(2)\n${npm}\n`,
  )
  chmodSync(file, 0o755)
  const options = (more: Partial<Installing> = {}): Installing => ({
    ...{ home, npm: file, env: { PATH: process.env["PATH"] ?? "", npm_config_registry: "https://mirror.example" } },
    ...{ signal: new AbortController().signal, platform: "linux", arch: "x64" },
    ...more,
  })
  return {
    home,
    options,
    said: () => JSON.parse(readFileSync(join(home, "said.json"), "utf8")) as { args: string[]; env: object },
  }
}

const INSTALLS = `
fs.writeFileSync("../said.json", JSON.stringify({ args, env: process.env }))
for (const one of args.slice(args.indexOf("install") + 1).filter((arg) => !arg.startsWith("-"))) {
  const [, name, version] = /^(@?[^@]+)@(.+)$/.exec(one)
  fs.mkdirSync("node_modules/" + name, { recursive: true })
  fs.writeFileSync("node_modules/" + name + "/package.json", JSON.stringify({ name, version }))
}`

test("npm is told to run no scripts and to take only what this machine needs", async (t) => {
  const { home, options, said } = place(t, INSTALLS)
  const engine = await installEngine(options())
  const path = join(engineFolder(home), "node_modules", "node-llama-cpp")
  assert.deepEqual(engine, { type: "node-llama-cpp", path, version: ENGINE_VERSION })
  const { args, env } = said()
  for (const flag of ["--ignore-scripts", "--omit=optional", "--save-exact"]) assert.ok(args.includes(flag), flag)
  assert.deepEqual(args.slice(-2), [`node-llama-cpp@${ENGINE_VERSION}`, `@node-llama-cpp/linux-x64@${ENGINE_VERSION}`])
  assert.ok("npm_config_registry" in env && !Object.keys(env).includes("HOME"))
  assert.deepEqual(findEngine(home, ""), engine)
  assert.equal(existsSync(`${engineFolder(home)}.new`), false)
})

test("an installation that fails says what npm said and leaves what was there", async (t) => {
  const { home, options } = place(t, 'console.error("npm error 404 没有这个包"); process.exit(1)')
  fakeEngine(engineFolder(home), "3.0.0")
  await assert.rejects(installEngine(options()), /npm error 404 没有这个包/)
  const found = findEngine(home, "")
  assert.ok(found?.type === "node-llama-cpp" && found.version === "3.0.0")
  assert.equal(existsSync(`${engineFolder(home)}.new`), false)
})

test("an npm that says yes and installs nothing, or never ends, is not believed", async (t) => {
  const lying = place(t, "process.exit(0)")
  await assert.rejects(installEngine(lying.options()), /ended without installing/)
  const endless = place(t, "setInterval(() => {}, 1000)")
  await assert.rejects(installEngine(endless.options({ timeoutMs: 200 })), { code: "TIMEOUT" })
  const stop = new AbortController()
  stop.abort()
  await assert.rejects(installEngine(endless.options({ signal: stop.signal })), { code: "ABORTED" })
  assert.equal(findEngine(endless.home, ""), undefined)
})

test("without npm, and on a machine that nobody made it for, the next step is said", async (t) => {
  const { options } = place(t, "")
  await assert.rejects(installEngine(options({ npm: "/nonexistent/npm" })), /Cannot start \/nonexistent\/npm/)
  await assert.rejects(installEngine(options({ platform: "freebsd" })), /freebsd-x64.*llama-server/)
})

test("a llama-server on the path is found when nothing is installed; what is installed comes first", async (t) => {
  const { home } = place(t, "")
  const bin = join(home, "bin")
  const server = fakeLlamaServer(bin)
  assert.deepEqual(findEngine(home, `/nonexistent:${bin}`), { type: "llama-server", path: server })
  fakeEngine(engineFolder(home))
  assert.equal(findEngine(home, bin)?.type, "node-llama-cpp")
  mkdirSync(join(home, "other"))
  assert.equal(await removeEngine(home), true)
  assert.equal(await removeEngine(home), false)
  assert.equal(findEngine(home, ""), undefined)
})

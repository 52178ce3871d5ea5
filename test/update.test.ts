// An update of a whole gateway that runs as npm installed it, in a prefix of its own: the new program takes the place of the old one under
// the same process id, says what became of it, and goes on with what it was told to.
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { after, before, test } from "node:test"
import { makeNpmPrefix, type NpmPrefix, startRegistry } from "./fakes/npm-prefix.ts"
import { CHECKOUT_PROGRAM, PROGRAM } from "./program.ts"

const checkout = dirname(dirname(CHECKOUT_PROGRAM))
let npm: NpmPrefix
let registry: Awaited<ReturnType<typeof startRegistry>>
let home: string
let own: string

before(async () => {
  npm = makeNpmPrefix()
  registry = await startRegistry("9.1.0")
  home = join(npm.prefix, "home")
  const { root } = npm
  const built = join(dirname(dirname(PROGRAM)), "dist")
  if (PROGRAM !== CHECKOUT_PROGRAM && existsSync(built)) cpSync(built, join(root, "dist"), { recursive: true })
  else spawnSync(process.execPath, [join(checkout, "scripts", "build.ts"), join(root, "dist")], { stdio: "ignore" })
  for (const file of ["bin/pincer.js", "package.json"]) copyFileSync(join(checkout, file), join(root, file))
  symlinkSync(join(checkout, "node_modules"), join(root, "node_modules"))
  own = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version
  mkdirSync(home, { mode: 0o700 })
  const config = {
    gateway: { port: 0 },
    models: { discover: false },
    update: { registry: registry.url },
  }
  writeFileSync(join(home, "pincer.json"), JSON.stringify(config))
})

after(async () => {
  await pincer("gateway", "stop", "--force")
  registry.close()
  rmSync(npm.prefix, { recursive: true, force: true })
})

async function pincer(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: npm.prefix, PINCER_HOME: home, NO_COLOR: "1" }
  const child = spawn(process.execPath, [npm.program, ...args], { cwd: npm.prefix, env })
  const ran = { out: "", err: "" }
  child.stdout.setEncoding("utf8").on("data", (text: string) => (ran.out += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => (ran.err += text))
  child.stdin.end()
  const [code] = await once(child, "close")
  return { code, ...ran }
}

async function json(...args: string[]) {
  const { err, out } = await pincer(...args, "--json")
  try {
    return JSON.parse(out)
  } catch {
    return assert.fail(`${args.join(" ")}: ${out}${err}`)
  }
}

/** Undefined while there is none. */
async function bootNow(): Promise<string | undefined> {
  const text = await readFile(join(home, "gateway.json"), "utf8").catch(() => "")
  return /"bootId":\s*"([^"]+)"/.exec(text)?.[1]
}

test("a gateway becomes the new version under its own process id, and tells its session; what fails leaves it as it runs", async () => {
  const started = await json("gateway", "start")
  npm.does("fail")
  const failed = await pincer("update", "run", "--to", "9.0.0")
  assert.equal(failed.code, 1, failed.err)
  assert.match(failed.err, /The update to 9\.0\.0 failed: npm ended with 1.*404/)
  npm.does("ok")
  const done = await json("update", "run", "--session", "main", "--note", "你好")
  assert.deepEqual([done.state, done.from, done.version], ["done", own, "9.1.0"])
  const now = await json("gateway", "call", "health")
  assert.equal(now.version, "9.1.0")
  const info = JSON.parse(readFileSync(join(home, "gateway.json"), "utf8"))
  assert.deepEqual([info.pid, info.version], [started.pid, "9.1.0"])
  assert.notEqual(info.bootId, started.bootId)
  const shown = await json("session", "show", "main")
  assert.match(JSON.stringify(shown), new RegExp(`updated from ${own} to 9\\.1\\.0.*你好`))
  const history = await pincer("update", "history")
  assert.match(history.out, /-> 9\.1\.0 {2}done\n.*-> 9\.0\.0 {2}failed: npm ended/)
  assert.match((await pincer("update", "--run")).out, /Pincer 9\.1\.0 runs already/)
  const again = await json("gateway", "call", "gateway.restart.request", "--params", '{"delayMs":0}')
  assert.equal(again.pid, started.pid)
  // While one makes room for the next nobody can stop it.
  for (let boot = again.bootId; boot === undefined || boot === again.bootId; ) boot = await bootNow()
})

// `pincer config` as people use it: through a gateway that runs, on a file that somebody broke, and out of safe mode again.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { readGatewayInfo } from "../src/config/gateway-file.ts"
import { PROGRAM } from "./program.ts"

const TEXT = '// mine\n{\n  "gateway": { "port": 0 },\n  "models": { "discover": false }\n}\n'

function place(t: TestContext, text: string) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "pincer-cfg-")))
  const home = join(root, ".pincer")
  mkdirSync(home, { mode: 0o700 })
  const file = join(home, "pincer.json")
  writeFileSync(file, text, { mode: 0o600 })
  const pincer = async (args: string[], env: Record<string, string> = {}) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd: root,
      env: { PATH: process.env["PATH"] ?? "", HOME: root, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    })
    let [out, err] = ["", ""]
    child.stdout.on("data", (chunk) => {
      out += chunk
    })
    child.stderr.on("data", (chunk) => {
      err += chunk
    })
    const [code] = (await once(child, "close")) as [number | null]
    return { code, out, err }
  }
  t.after(async () => {
    await pincer(["gateway", "stop", "--force"])
    rmSync(root, { recursive: true, force: true })
  })
  return { root, home, file, pincer, read: () => readFileSync(file, "utf8") }
}

test("a change counts at once; a refused one leaves file and gateway alone; a broken file is named and mended", async (t) => {
  const { file, home, pincer, read } = place(t, TEXT)
  assert.equal((await pincer(["gateway", "start"])).code, 0)
  const set = await pincer(["config", "set", "turns.maxQueued", "7"])
  assert.match(set.out, /It counts already\.\n$/)
  assert.equal((await pincer(["config", "get", "--running", "turns.maxQueued"])).out, "7\n")
  const before = read()
  assert.match(before, /^\/\/ mine/)
  const refused = await pincer(["config", "set", "gateway.port", "0", "--json"])
  assert.equal(refused.code, 0, "it is 0 already")
  const port = await pincer(["config", "set", "gateway.port", "18999"])
  assert.match(port.out, /After a restart counts: gateway\.port/)
  const back = await pincer(["config", "set", "gateway.port", "0"])
  assert.equal(back.code, 2)
  assert.match(back.err, /gateway\.port: 0 means another port/)
  assert.match(read(), /18999/)

  writeFileSync(file, '{\n  "turns": { "maxQueued": "many" }\n}\n')
  const status = await pincer(["status"])
  assert.equal(status.code, 0, status.err)
  assert.match(status.out, /line 2, column 14: turns\.maxQueued[\s\S]*fix: pincer config edit/)
  const reload = await pincer(["config", "reload"])
  assert.equal(reload.code, 2)
  const edited = await pincer(["config", "edit"], { EDITOR: 'sed -i s/"many"/9/' })
  assert.equal(edited.code, 2, "the quotes are still there")
  const mended = await pincer(["config", "undo", "--last-good"])
  assert.equal(mended.code, 0, mended.err)
  assert.match(read(), /^\/\/ mine[\s\S]*"maxQueued": 7/)

  const { pid } = readGatewayInfo(home) ?? { pid: 0 }
  process.kill(pid, "SIGHUP")
  assert.match((await pincer(["status"])).out, /^Pincer is running/)
  const log = readFileSync(join(home, "logs", "gateway.log"), "utf8")
  assert.match(log, /"cause":"signal"/)
  const { versions } = JSON.parse((await pincer(["config", "history", "--json"])).out) as { versions: unknown[] }
  assert.ok(versions.length >= 3)
})

test("after three starts that failed the gateway is safe, says so, and a mended file leads out of it", async (t) => {
  const { file, home, pincer } = place(t, '{ "gateway": { "prot": 1 } }')
  const port = { PINCER_GATEWAY_PORT: "0" }
  assert.equal((await pincer(["gateway", "run", "--strict-config"], port)).code, 2)
  for (let i = 0; i < 3; i++) {
    const { code, err } = await pincer(["gateway", "run"], port)
    assert.equal(code, 2)
    assert.match(err, /Unknown key gateway\.prot: did you mean gateway\.port\?/)
  }
  const started = await pincer(["gateway", "start"], port)
  assert.equal(started.code, 0, started.err)
  assert.match(started.err, /SAFE MODE/)
  assert.equal(readGatewayInfo(home)?.mode, "safe")
  const status = await pincer(["status"])
  assert.match(status.out, /SAFE MODE[\s\S]*gateway\.prot[\s\S]*fix: pincer config check/)
  assert.equal((await pincer(["config", "check"])).code, 2)
  writeFileSync(file, TEXT)
  const restarted = await pincer(["gateway", "restart"])
  assert.equal(restarted.code, 0, restarted.err)
  assert.equal(readGatewayInfo(home)?.mode, undefined)
})

test("import shows paths and never a value; nothing is written with --dry-run, nor into the other program's folder", async (t) => {
  const { pincer, read, root } = place(t, TEXT)
  mkdirSync(join(root, ".openclaw"))
  const theirs =
    "{gateway: {port: 18790, auth: {token: 's3cret-token-0123456789'}}, channels: {telegram: {botToken: 's3cret-bot'}}}"
  writeFileSync(join(root, ".openclaw", "openclaw.json"), theirs)
  const dry = await pincer(["config", "import", "--from", "openclaw", "--dry-run"])
  assert.equal(dry.code, 0, dry.err)
  assert.match(dry.out, /✓ gateway\.auth\.token → gateway\.auth\.token\n[\s\S]*– channels: Pincer has no counterpart/)
  assert.equal(read(), TEXT)
  const done = await pincer(["config", "import", "--from", "openclaw", "--json"])
  assert.equal(done.code, 0, done.err)
  assert.match(read(), /s3cret-token/)
  for (const { err, out } of [dry, done]) assert.doesNotMatch(out + err, /s3cret/)
  assert.deepEqual(readdirSync(join(root, ".openclaw")), ["openclaw.json"])
  assert.equal((await pincer(["config", "import", "--from", "other"])).code, 2)
})

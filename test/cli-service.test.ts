// The gateway as a service of the system: pincer gateway install, start, stop, restart, status and uninstall with a stand-in for systemctl
// that really starts what the unit says.
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { fileURLToPath } from "node:url"
import { PROGRAM } from "./program.ts"

const FAKE = fileURLToPath(new URL("./fakes/systemctl.mjs", import.meta.url))
const LINUX = process.platform === "linux" ? false : "systemd is Linux's"

interface Place {
  root: string
  home: string
  unit: string
  /** What the fake was asked. */
  calls(): string[]
  run(args: string[], env?: Record<string, string>): Promise<{ code: number | null; out: string; err: string }>
}

/** A user with a home, and a systemd that answers on PATH. */
function makePlace(t: TestContext, { name = ".pincer", broken = "" } = {}): Place {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "pincer service %h$ ")))
  const home = join(root, name)
  const bin = join(root, "bin")
  const fake = join(root, "systemd")
  for (const folder of [home, bin, fake]) mkdirSync(folder, { mode: 0o700 })
  for (const tool of ["systemctl", "journalctl", "loginctl"]) symlinkSync(FAKE, join(bin, tool))
  if (broken !== "") writeFileSync(join(fake, "broken"), broken)
  writeFileSync(join(home, "pincer.json"), '{ "gateway": { "port": 0 }, "models": { "discover": false } }', {
    mode: 0o600,
  })
  const env = {
    PATH: `${bin}:${process.env["PATH"] ?? ""}`,
    HOME: root,
    FAKE_SYSTEMD: fake,
    PINCER_SERVICE_SCOPE: "user",
    PINCER_HOME: home,
  }
  const run: Place["run"] = async (args, more = {}) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd: root,
      env: { ...env, ...more },
      stdio: ["ignore", "pipe", "pipe"],
    })
    const said = { out: "", err: "" }
    child.stdout.on("data", (chunk) => {
      said.out += chunk
    })
    child.stderr.on("data", (chunk) => {
      said.err += chunk
    })
    const [code] = await once(child, "close")
    return { code, ...said }
  }
  t.after(async () => {
    rmSync(join(fake, "broken"), { force: true })
    await run(["gateway", "uninstall", "--force"])
    await run(["gateway", "stop"])
    rmSync(root, { recursive: true, force: true })
  })
  const log = join(fake, "calls")
  return {
    root,
    home,
    unit: join(root, ".config", "systemd", "user", "pincer-gateway.service"),
    calls: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
    run,
  }
}

test("install --dry-run prints a unit that systemd understands, and changes nothing", { skip: LINUX }, async (t) => {
  const place = makePlace(t)
  const { code, out, err } = await place.run(["gateway", "install", "--dry-run", "--port", "18999"], {
    PINCER_GATEWAY_TOKEN: "top-secret-token",
    OPENAI_API_KEY: "sk-top-secret",
  })
  assert.equal(code, 0, err)
  assert.match(out, /^ExecStart=.*"gateway" "run" "--quiet" "--home" .*"--port" "18999"$/m)
  assert.doesNotMatch(out, /secret/)
  assert.match(err, /does not have these variables of this shell: OPENAI_API_KEY, PINCER_GATEWAY_TOKEN/)
  assert.doesNotMatch(err, /top-secret/)
  assert.equal(existsSync(place.unit), false)
  assert.deepEqual(place.calls(), [])
  const file = join(place.root, "pincer-gateway.service")
  writeFileSync(file, out)
  const verified = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" })
  if (verified.error) return t.diagnostic("NOT TESTED: systemd-analyze is not there")
  assert.equal(verified.stderr, "")
  assert.equal(verified.status, 0)
})

test("a service is installed, asked by start, stop and restart, and removed", { skip: LINUX }, async (t) => {
  const place = makePlace(t)
  const alone = JSON.parse((await place.run(["gateway", "start", "--json"])).out)
  const first = await place.run(["gateway", "install", "--json"])
  assert.equal(first.code, 0, first.err)
  const installed = JSON.parse(first.out)
  assert.equal(installed.status, "installed")
  assert.equal(installed.file, place.unit)
  assert.match(installed.advice.fix, /enable-linger/)
  const { pid } = installed.gateway
  assert.ok(pid > 0)
  assert.notEqual(pid, alone.pid, "a gateway in the background makes room")

  const again = JSON.parse((await place.run(["gateway", "install", "--json"])).out)
  assert.equal(again.status, "unchanged")
  assert.equal(again.gateway.pid, pid, "what runs as it should is left alone")

  const restarted = JSON.parse((await place.run(["gateway", "restart", "--json"])).out)
  assert.notEqual(restarted.pid, pid)
  assert.ok(place.calls().includes("systemctl --user restart pincer-gateway.service"))

  const refused = await place.run(["gateway", "restart", "--port", "19001"])
  assert.equal(refused.code, 1)
  assert.match(refused.err, /pincer gateway install --port/)

  const stopped = await place.run(["gateway", "stop"])
  assert.equal(stopped.code, 0, stopped.err)
  assert.ok(place.calls().includes("systemctl --user stop pincer-gateway.service"))
  assert.equal(existsSync(join(place.home, "gateway.json")), false)

  const started = await place.run(["gateway", "start", "--json"])
  assert.equal(started.code, 0, started.err)
  assert.ok(place.calls().includes("systemctl --user start pincer-gateway.service"))

  const removed = await place.run(["gateway", "uninstall"])
  assert.equal(removed.code, 0, removed.err)
  assert.equal(existsSync(place.unit), false)
  assert.equal(existsSync(join(place.home, "gateway.json")), false, "its gateway has stopped")
  assert.match((await place.run(["gateway", "uninstall"])).out, /No service is installed/)
})

test("a service that cannot start is told with its last words", { skip: LINUX }, async (t) => {
  const place = makePlace(t)
  writeFileSync(
    join(place.home, "pincer.json"),
    '{ "gateway": { "host": "203.0.113.9" }, "models": { "discover": false } }',
  )
  const { code, err } = await place.run(["gateway", "install"])
  assert.equal(code, 1)
  assert.match(err, /pincer-gateway.service does not start: failed/)
  assert.match(err, /203\.0\.113\.9/)
})

test("without a systemd that answers nothing is written, and start starts without it", { skip: LINUX }, async (t) => {
  const place = makePlace(t, { broken: "Failed to connect to bus: No medium found\n" })
  const { code, err } = await place.run(["gateway", "install"])
  assert.equal(code, 1)
  assert.match(err, /systemd does not answer for this user/)
  assert.equal(existsSync(place.unit), false)
})

test("a unit of somebody else's is neither replaced nor removed", { skip: LINUX }, async (t) => {
  const place = makePlace(t)
  mkdirSync(join(place.root, ".config", "systemd", "user"), { recursive: true })
  writeFileSync(place.unit, "[Service]\nExecStart=/bin/true\n")
  for (const verb of ["install", "uninstall"]) {
    const { code, err } = await place.run(["gateway", verb])
    assert.equal(code, 1)
    assert.match(err, /was not written by pincer gateway install/)
  }
  assert.match(readFileSync(place.unit, "utf8"), /bin\/true/)
})

test("the service of another home that has the same name is neither replaced nor removed", {
  skip: LINUX,
}, async (t) => {
  const place = makePlace(t)
  const first = await place.run(["gateway", "install", "--no-start"])
  assert.equal(first.code, 0, first.err)
  assert.equal(existsSync(join(place.home, "gateway.json")), false, "it was not to start")
  const text = readFileSync(place.unit, "utf8")
  const other = join(place.root, "elsewhere", ".pincer")
  for (const verb of [["install"], ["uninstall", "--user"]]) {
    const { code, err } = await place.run(["--home", other, "gateway", ...verb])
    assert.equal(code, 1)
    assert.match(err, /is the service of .*\.pincer: pass --home/)
  }
  assert.equal(readFileSync(place.unit, "utf8"), text)
  const status = JSON.parse((await place.run(["status", "--json"])).out)
  assert.deepEqual(
    [status.verdict, status.service.installed, status.service.supervisor.enabled],
    ["stopped", true, true],
  )
  writeFileSync(place.unit, text.replace("RestartSec=3", "RestartSec=1"))
  const drifted = await place.run(["status"])
  assert.match(drifted.out, /not up to date/)
  assert.match(drifted.out, /fix: pincer gateway install/)
})

test("each profile has a service of its own", { skip: LINUX }, async (t) => {
  const place = makePlace(t)
  const { out } = await place.run(["--profile", "work", "gateway", "install", "--dry-run", "--json"])
  const { name, text } = JSON.parse(out)
  assert.equal(name, "pincer-gateway-work.service")
  assert.ok(text.includes("/.pincer-work"))
})

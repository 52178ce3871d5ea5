import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { DAEMON_MEMORY } from "../daemon-memory.ts"
import { launchd } from "./launchd.ts"
import { launchdPlist } from "./launchd-plist.ts"
import { checkPlan, planIn, type ServicePlan, suffixOf } from "./plan.ts"
import { driftOf, type ServicePlace } from "./supervisor.ts"
import { systemd } from "./systemd.ts"
import { systemdUnit } from "./systemd-unit.ts"

const PLAN: ServicePlan = {
  scope: "user",
  suffix: "work",
  home: "/home/me/.pincer-work",
  port: "18790",
  node: process.execPath,
  program: "/opt/pincer/bin/pincer.js",
  path: "/usr/bin:/bin",
  userHome: "/home/me",
}

/** Values that a unit would understand as something else if they were not quoted. */
const ODD: ServicePlan = {
  ...PLAN,
  home: '/home/me/a "b" \\c %h $HOME $X 家--x',
  program: "/opt/%n <&> $$/pincer.js",
  path: "/bin:/with space/%u",
}

function directives(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => /^\w+=/.test(line))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]))
}

test("a systemd unit starts again what ends, gives turns time to end, and takes away rights that nothing needs", () => {
  const user = directives(systemdUnit(PLAN))
  assert.equal(
    user.get("ExecStart"),
    `"${process.execPath}" "/opt/pincer/bin/pincer.js" "gateway" "run" "--quiet" "--home" "/home/me/.pincer-work" "--port" "18790"`,
  )
  assert.deepEqual(
    ["Restart", "RestartSec", "KillMode", "UMask", "NoNewPrivileges", "WantedBy", "EnvironmentFile"].map((key) =>
      user.get(key),
    ),
    ["always", "3", "mixed", "0077", "yes", "default.target", "-/home/me/.pincer-work/service.env"],
  )
  // A user's own manager may not drop capabilities; what filters namespaces, mounts or /proc would take the sandbox away.
  const system = directives(systemdUnit({ ...PLAN, scope: "system", user: "me" }))
  assert.equal(user.has("CapabilityBoundingSet"), false)
  assert.equal(system.get("CapabilityBoundingSet"), "")
  assert.deepEqual([system.get("User"), system.get("WantedBy")], ["me", "multi-user.target"])
  for (const unit of [user, system])
    for (const harmful of [
      "RestrictNamespaces",
      "ProtectProc",
      "ProtectKernelTunables",
      "SystemCallFilter",
      "PrivateUsers",
    ])
      assert.equal(unit.has(harmful), false, harmful)
})

test("a gateway that is started by a unit has its allocator's settings, and bin/pincer.js does not start itself once more", () => {
  const [, ...lines] = systemdUnit(PLAN).matchAll(/^Environment=(.*)$/gm)
  assert.deepEqual(
    lines.map(([, line]) => line),
    [
      Object.entries(DAEMON_MEMORY)
        .map(([name, value]) => `"${name}=${value}"`)
        .join(" "),
    ],
  )
  const program = readFileSync(join(import.meta.dirname, "..", "..", "..", "bin", "pincer.js"), "utf8")
  for (const [name, value] of Object.entries(DAEMON_MEMORY)) {
    assert.ok(program.includes(`${name}: "${value}"`), name)
    assert.ok(program.includes(`${name}=${value}`), name)
  }
  assert.match(program, /isDaemon && process\.env\.MALLOC_MMAP_THRESHOLD_ === undefined && process\.execve/)
})

test("systemd itself finds nothing wrong with a unit of either scope", (t) => {
  if (spawnSync("systemd-analyze", ["--version"]).status !== 0) return t.skip("NOT TESTED: systemd-analyze is not here")
  const folder = mkdtempSync(join(tmpdir(), "pincer-verify-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const scope of ["user", "system"] as const) {
    const file = join(folder, `pincer-verify-${scope}.service`)
    writeFileSync(file, systemdUnit({ ...PLAN, program: process.execPath, home: folder, userHome: folder, scope }))
    const how = scope === "user" ? ["--user", "verify"] : ["verify"]
    const env = { ...process.env, XDG_RUNTIME_DIR: folder }
    const run = spawnSync("systemd-analyze", [...how, file], { encoding: "utf8", env, timeout: 20_000 })
    assert.deepEqual([run.status, run.stderr.split("\n").filter((line) => line.includes(file))], [0, []], run.stderr)
  }
})

test("whatever a path holds, systemd reads the same words again", () => {
  const exec = directives(systemdUnit(ODD)).get("ExecStart") ?? ""
  // systemd.service(5): quotes, then backslashes; %% and $$ stand for themselves.
  const words = [...exec.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((one) =>
    (one[1] ?? "").replace(/\\(.)/g, "$1").replaceAll("%%", "%").replaceAll("$$", "$"),
  )
  assert.deepEqual(words.slice(1, 7), [ODD.program, "gateway", "run", "--quiet", "--home", ODD.home])
  assert.doesNotMatch(exec.replaceAll("%%", ""), /%/)
  assert.doesNotMatch(exec.replaceAll("$$", ""), /\$/)
  assert.throws(() => checkPlan({ ...PLAN, home: "/a\nExecStartPre=/bin/evil" }), /control character/)
})

test("a property list says the same to launchd", (t) => {
  const script = "import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))"
  const read = spawnSync("python3", ["-c", script], { input: launchdPlist(ODD), encoding: "utf8" })
  if (read.error) return t.diagnostic("NOT TESTED: python3 is not there to read the property list")
  assert.equal(read.stderr, "")
  const list = JSON.parse(read.stdout)
  assert.equal(list.Label, "dev.pincer.gateway.work")
  assert.deepEqual(list.ProgramArguments.slice(1, 7), [ODD.program, "gateway", "run", "--quiet", "--home", ODD.home])
  assert.deepEqual(list.KeepAlive, { SuccessfulExit: false })
  assert.deepEqual(list.EnvironmentVariables, { HOME: ODD.userHome, PATH: ODD.path })
  assert.equal(list.Umask, 0o077)
  assert.equal(list.RunAtLoad, true)
})

test("the plan is found again in what was written from it, and a change by hand is noticed", () => {
  for (const render of [systemdUnit, launchdPlist])
    for (const plan of [PLAN, ODD]) {
      const text = render(plan)
      assert.deepEqual(planIn(text), plan)
      const here = { ...plan, program: process.execPath }
      const good = render(here)
      assert.equal(driftOf({ render }, good, here), undefined)
      assert.match(driftOf({ render }, good.replace("18790", "18791"), here) ?? "", /by hand/)
      assert.match(driftOf({ render }, good, { ...here, program: "/elsewhere" }) ?? "", /another Pincer/)
      assert.match(driftOf({ render }, text, here) ?? "", /not there/)
    }
  assert.equal(planIn("[Unit]\n"), undefined)
  assert.equal(planIn("# pincer-plan: {broken\n# pincer-plan: {}"), undefined)
})

test("each home has a name of its own, whoever asks", () => {
  assert.equal(suffixOf("/home/me/.pincer"), "")
  assert.equal(suffixOf("/root/.pincer-work"), "work")
  assert.match(suffixOf("/srv/gateway"), /^home-[0-9a-f]{8}$/)
  assert.notEqual(suffixOf("/srv/gateway"), suffixOf("/srv/gateway2"))
})

/** A program on PATH that answers by rules `when) text;; ` and writes down what it was asked. */
function fakeTool(t: TestContext, name: string, cases: string): { place: ServicePlace; calls(): string[] } {
  const root = mkdtempSync(join(tmpdir(), "pincer-tool-"))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, "bin"))
  const file = join(root, "bin", name)
  writeFileSync(file, `#!/bin/sh\necho "$@" >> "${root}/calls"\ncase "$*" in\n${cases}\nesac\n`)
  chmodSync(file, 0o755)
  const env = { PATH: `${join(root, "bin")}:/usr/bin:/bin` }
  return {
    place: { env, userHome: root, suffix: "", scope: "user", uid: 501, systemFolder: root },
    calls: () => readFileSync(join(root, "calls"), "utf8").trim().split("\n"),
  }
}

test("launchd is asked in its own words, for the user who is logged in", async (t) => {
  const { place, calls } = fakeTool(
    t,
    "launchctl",
    "'print gui/501/dev.pincer.gateway') printf 'state = running\\n\\tpid = 42\\n\\tlast exit code = 0\\n';; print-disabled*) echo '';;",
  )
  const job = launchd(place)
  assert.equal(job.file, join(place.userHome, "Library/LaunchAgents/dev.pincer.gateway.plist"))
  assert.deepEqual(await job.state(), { enabled: false, running: true, failed: false, pid: 42, words: "running" })
  await job.restart()
  await job.stop()
  assert.ok(calls().includes("kickstart -k gui/501/dev.pincer.gateway"))
  assert.equal(calls().at(-1), "bootout gui/501/dev.pincer.gateway")
})

test("a job that launchd does not know is loaded first, and stopping it is no error", async (t) => {
  const { place, calls } = fakeTool(
    t,
    "launchctl",
    "print*) exit 113;; bootout*) exit 3;; bootstrap*) exit 0;; kickstart*) echo 'Operation not permitted' >&2; exit 1;;",
  )
  const job = launchd({ ...place, scope: "system" })
  assert.equal((await job.state()).words, "not loaded")
  await job.stop()
  await assert.rejects(job.start(), /use sudo/)
  assert.ok(calls().includes(`bootstrap system ${join(place.userHome, "dev.pincer.gateway.plist")}`))
})

test("what systemd refuses is told with the next step", async (t) => {
  const refused = async (text: string) => {
    const { place } = fakeTool(t, "systemctl", `*) echo '${text}' >&2; exit 1;;`)
    return systemd(place).start()
  }
  await assert.rejects(refused("Failed to connect to bus: No medium found"), /pincer gateway start/)
  await assert.rejects(refused("Interactive authentication required."), /use sudo/)
  await assert.rejects(
    systemd({ ...fakeTool(t, "x", "").place, env: { PATH: "/nowhere" } }).state(),
    /cannot be run here/,
  )
})

// The macOS back end with the real package and a program in sandbox-exec's place: what is started, what is refused, and that a confinement
// which does not confine is refused. What macOS itself does is tried by `npm run test:macos`, on a Mac.
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { SeatbeltJudge } from "../../test/fakes/seatbelt-judge.ts"
import { AS_MAC, fakeExec, folder, holdingExec, installed, requestFor } from "../../test/fakes/seatbelt-room.ts"
import type { Confined } from "./sandbox.ts"
import { Seatbelt, type SeatbeltOptions } from "./seatbelt.ts"
import { installLine } from "./seatbelt-package.ts"

const noBubblewrap = spawnSync("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "true"]).status !== 0
const skip = noBubblewrap ? "SKIPPED: no bubblewrap here to stand for sandbox-exec, confinement was NOT tested" : false
/** Passes what is tried at the start, and confines nothing. */
const TRUSTED = 'case "$5" in *secret*) exit 0;; esac; shift 2; exec "$@"'

function backendOf(t: TestContext, options: SeatbeltOptions): Seatbelt {
  const backend = new Seatbelt({ uid: 501, writer: AS_MAC, ...options })
  t.after(() => backend.close())
  return backend
}

function start({ args, cwd, env, file }: Confined): { status: number | null; out: string } {
  const { status, stderr, stdout } = spawnSync(file, [...args], { cwd, env, encoding: "utf8" })
  return { status, out: stdout + stderr }
}

test("a sandbox-exec that does not confine, does not start, or is not there makes nothing run", async (t) => {
  for (const [script, why] of [
    ['shift 2; exec "$@"', /a file outside could be read/],
    ["echo broken >&2; exit 71", /broken/],
    ["exit 27", /a port of this machine could be reached/],
    ["exit 28", /could be moved away/],
    ["exit 29", /could be seen/],
    ["exit 30", /through a hard link/],
  ] as const) {
    const backend = backendOf(t, { sandboxExec: fakeExec(t, script) })
    const report = await backend.check()
    assert.deepEqual([report.available, report.backend, report.facts], [false, "seatbelt", []])
    assert.match(report.detail, why)
    await assert.rejects(backend.confine(requestFor("/tmp", "exit 3")), { code: "UNAVAILABLE" })
  }
  await assert.rejects(
    backendOf(t, { sandboxExec: "/nowhere/sandbox-exec" }).confine(requestFor("/tmp", "exit 3")),
    /is not there/,
  )
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith("pincer-seatbelt-")),
    [],
  )
})

test("never as root", async (t) => {
  const backend = backendOf(t, { sandboxExec: fakeExec(t, "exit 0"), uid: 0 })
  await assert.rejects(backend.confine(requestFor("/tmp", "exit 3")), /never root/)
})

test("without the package nothing runs, and the line that installs it is said; once it is there, commands run", async (t) => {
  const ran = join(folder(t, "ran"), "ran")
  const sandboxExec = fakeExec(t, `echo x >${ran}`)
  const backend = backendOf(t, { sandboxExec, writer: { ...AS_MAC, from: folder(t, "empty") } })
  const report = await backend.check()
  assert.deepEqual([report.available, report.install, report.facts], [false, installLine(), []])
  assert.match(report.detail, /sandbox-runtime 0\.0\.83 is needed and is not installed/)
  await assert.rejects(backend.confine(requestFor("/tmp", "exit 3")), (error: Error & { code?: string }) => {
    assert.equal(error.code, "UNAVAILABLE")
    assert.ok(error.message.includes(`nothing was run`) && error.message.includes(`"${installLine()}"`))
    return true
  })
  assert.equal(existsSync(ran), false, "sandbox-exec was not even started")
})

test("a package of another version, or one that writes other rules, makes nothing run", async (t) => {
  const ran = join(folder(t, "ran"), "ran")
  const sandboxExec = fakeExec(t, `echo x >${ran}`)
  const wraps = (rules: string) =>
    `export const SandboxManager = { wrapWithSandbox: async () => ${JSON.stringify(`env A=1 /usr/bin/sandbox-exec -p '${rules}' /bin/sh -c true`)} }`
  for (const [writer, why] of [
    [installed(t, wraps("(version 1)"), "0.1.0"), /is there in version 0\.1\.0/],
    [installed(t, wraps("(version 1)(allow default)")), /rules of .* are not used: they do not deny first/],
    [installed(t, wraps("(version 1)(deny default)(allow network*)")), /"network\*" is allowed/],
    [installed(t, wraps("(version 1)(deny default)")), /was asked and is not allowed/],
  ] as const)
    await assert.rejects(backendOf(t, { sandboxExec, writer }).confine(requestFor("/tmp", "exit 3")), {
      code: "UNAVAILABLE",
      message: why,
    })
  assert.equal(existsSync(ran), false)
})

test("a program is started through limits and rules, with a private folder and the way out, all gone after it", async (t) => {
  const backend = backendOf(t, { sandboxExec: fakeExec(t, TRUSTED) })
  const given = requestFor(folder(t, "work"), "exit 3", { network: [{ host: "example.com" }] })
  await assert.rejects(backend.confine(given), /nobody to decide/)
  const confined = await backend.confine({ ...given, egress: { sessionKey: "main", saw: () => undefined } })
  assert.deepEqual(confined.args.slice(2, 6), ["sh", "60", "1954", "256"])
  const port = /"localhost:(\d+)"/.exec(confined.args[8]!)![1]
  assert.equal(confined.env["http_proxy"], `http://127.0.0.1:${port}`)
  assert.deepEqual([confined.env["no_proxy"], confined.env["A"]], ["", "b"])
  // Nothing of the environment that the package would have set: no proxies with passwords, no shared folder.
  const own = ["PATH", "A", "TMPDIR", "NODE_USE_ENV_PROXY"]
  assert.deepEqual(
    Object.keys(confined.env).filter((name) => !/_proxy$/i.test(name) && !own.includes(name)),
    [],
  )
  assert.ok(
    !confined.args[8]!.includes(Buffer.from("exit 3").toString("base64").slice(0, 7)),
    "the command is in no log",
  )
  const temporary = confined.env["TMPDIR"]!
  assert.ok(existsSync(temporary))
  assert.equal(start(confined).status, 3)
  await confined.close()
  assert.equal(existsSync(temporary), false)
})

test("held by bubblewrap, the rules pass what is tried at the start and do to programs what a sandbox does", {
  skip,
}, async (t) => {
  const backend = backendOf(t, { sandboxExec: holdingExec(t) })
  const report = await backend.check()
  assert.equal(report.available, true, report.detail)
  assert.deepEqual(await backend.check(), report)
  const [work, outside] = [folder(t, "工作 'x'"), folder(t, "outside")]
  writeFileSync(join(outside, "secret"), "outside")
  mkdirSync(join(work, ".git/hooks"), { recursive: true })
  mkdirSync(join(work, ".ssh"))
  writeFileSync(join(work, ".ssh/key"), "keys")
  writeFileSync(join(work, ".git/config"), "own\n")
  symlinkSync(outside, join(work, "link"))
  const script = `echo made >made; cat made; cat ${outside}/secret link/secret .ssh/key; echo bad >.git/config; cat .git/config
    echo bad >.git/hooks/pre-commit; echo x >"$TMPDIR/t" && cat "$TMPDIR/t"; exit 7`
  const confined = await backend.confine(requestFor(work, script))
  const { out, status } = start(confined)
  await confined.close()
  assert.equal(status, 7)
  assert.match(out, /^made\nown\nx\n/)
  assert.doesNotMatch(out, /^(outside|keys|bad)$/m)
  assert.equal(readFileSync(join(work, ".git/config"), "utf8"), "own\n")
  assert.deepEqual(readdirSync(join(work, ".git/hooks")), [])
  const reading = await backend.confine(requestFor(work, "echo x >made; cat made", { workspace: "read-only" }))
  assert.match(start(reading).out, /^made\n|Read-only/)
  await reading.close()
  assert.equal(readFileSync(join(work, "made"), "utf8"), "made\n")
})

test("tools of the search path outside of the system can be read, a home and Pincer's own folder never", async (t) => {
  const place = folder(t, "home")
  for (const name of ["tools/bin", "tools/lib", "own/bin", "plain"]) mkdirSync(join(place, name), { recursive: true })
  const path = [
    "/usr/bin",
    join(place, "tools/bin"),
    join(place, "own/bin"),
    join(place, "plain"),
    "/nowhere/bin",
  ].join(":")
  const backend = backendOf(t, { sandboxExec: fakeExec(t, TRUSTED), path })
  const confined = await backend.confine({ ...requestFor(folder(t, "work"), "true"), hidden: [join(place, "own")] })
  const judge = new SeatbeltJudge(confined.args[8]!)
  await confined.close()
  for (const name of ["tools/bin/node", "tools/lib/node_modules"])
    assert.ok(judge.canRead(join(place, name)) && !judge.canWrite(join(place, name)), name)
  for (const name of ["own/bin/x", "plain/x", "tools/secret"]) assert.ok(!judge.canRead(join(place, name)), name)
})

test("a .git that is a link is refused where it could be written", async (t) => {
  const backend = backendOf(t, { sandboxExec: fakeExec(t, TRUSTED) })
  const work = folder(t, "work")
  symlinkSync(folder(t, "elsewhere"), join(work, ".git"))
  await assert.rejects(backend.confine(requestFor(work, "true")), { code: "INVALID_PARAMS" })
})

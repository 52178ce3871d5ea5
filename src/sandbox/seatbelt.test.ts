// The rules that are written for macOS, and the refusal of a confinement that does not confine. On macOS itself the last test runs the
// real thing; elsewhere it is skipped.
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import type { ConfineRequest, SandboxProfile } from "./sandbox.ts"
import { Seatbelt } from "./seatbelt.ts"
import { type SeatbeltLayout, seatbeltRules } from "./seatbelt-rules.ts"

const limits = { processes: 64, memoryBytes: 2 ** 30, cpuSeconds: 60, fileBytes: 1_000_000, openFiles: 256 }

function rulesOf(changes: Partial<SeatbeltLayout> = {}): string[] {
  const layout: SeatbeltLayout = {
    profile: { workspace: "read-write", read: [], write: [], loopbackPorts: [] },
    workspace: "/Users/me/work",
    hidden: ["/Users/me/.pincer", "/Users/me/work/keys/secret"],
    temporary: "/private/var/folders/x/T/pincer-tmp-1",
    git: "none",
    egressPort: undefined,
    ...changes,
  }
  return seatbeltRules(layout).trim().split("\n")
}

function rule(rules: readonly string[], start: string): string {
  return rules.find((one) => one.startsWith(start)) ?? ""
}

test("everything is denied first, and nothing is allowed without saying to what", () => {
  const rules = rulesOf()
  assert.deepEqual(rules.slice(0, 2), ["(version 1)", "(deny default)"])
  const bare = rules.filter((one) => /^\(allow [^ )]+\)$/.test(one))
  assert.deepEqual(bare, [
    "(allow process-exec)",
    "(allow process-fork)",
    "(allow sysctl-read)",
    "(allow ipc-posix-sem)",
  ])
})

test("files: the workspace and the private folder; not the home, not the shared temporary folders, not the system for writing", () => {
  const rules = rulesOf()
  const read = rule(rules, "(allow file-read* ")
  const write = rule(rules, "(allow file-write* ")
  assert.ok(read.includes('(subpath "/Users/me/work")') && write.includes('(subpath "/Users/me/work")'))
  for (const path of [
    "/",
    "/Users",
    "/Users/me",
    "/private",
    "/private/tmp",
    "/private/var",
    "/private/etc",
    "/dev",
    "/Volumes",
    "/Library",
  ])
    assert.ok(!read.includes(`(subpath "${path}")`) && !write.includes(`(subpath "${path}")`), path)
  assert.deepEqual(write.match(/\(subpath [^)]*\)/g), [
    '(subpath "/private/var/folders/x/T/pincer-tmp-1")',
    '(subpath "/Users/me/work")',
  ])
  // Where services keep their data.
  for (const path of ["/usr/local", "/usr/local/var", "/opt/homebrew", "/opt/homebrew/var", "/usr", "/private/var/db"])
    assert.ok(!read.includes(`"${path}"`), path)
  assert.doesNotMatch(read, /Keychains|\.ssh/)
})

test("what git obeys is read-only and .git stays where it is, after the workspace was opened", () => {
  const rules = rulesOf({ git: "folder" })
  const closed = rule(rules, "(deny file-write* ")
  for (const path of ['subpath "/Users/me/work/.git/hooks', 'literal "/Users/me/work/.git/config', '.git/commondir"'])
    assert.ok(closed.includes(path), path)
  assert.ok(rules.includes('(deny file-write-unlink (literal "/Users/me/work/.git"))'))
  assert.ok(rules.indexOf(closed) > rules.indexOf(rule(rules, "(allow file-write* ")), "the last rule decides")
  assert.ok(rulesOf({ git: "file" }).includes('(deny file-write* (literal "/Users/me/work/.git"))'))
  assert.doesNotMatch(rulesOf().join(), /\.git/)
})

test("folders above are seen by name and not listed", () => {
  const rules = rulesOf()
  assert.ok(rule(rules, "(allow file-read-metadata ").includes('(literal "/Users/me")'))
  assert.ok(!rule(rules, "(allow file-read* ").includes('(literal "/Users/me")'))
})

test("a read-only workspace is in no write rule; more paths are opened as the profile says", () => {
  const profile = { workspace: "read-only", read: ["/data/in"], write: ["/data/out"], loopbackPorts: [] } as const
  const rules = rulesOf({ profile })
  const [read, write] = [rule(rules, "(allow file-read* "), rule(rules, "(allow file-write* ")]
  assert.ok(read.includes('"/Users/me/work"') && !write.includes('"/Users/me/work"'))
  assert.ok(read.includes('"/data/in"') && !write.includes('"/data/in"'))
  assert.ok(read.includes('"/data/out"') && write.includes('"/data/out"'))
})

test("hidden paths are denied after all that is allowed, and cannot be moved out of the rule", () => {
  const rules = rulesOf()
  const hidden = rules.findIndex((one) => one.startsWith("(deny file* "))
  assert.ok(hidden > rules.findLastIndex((one) => one.startsWith("(allow ")))
  assert.ok(
    rules[hidden]!.includes('(subpath "/Users/me/.pincer")') &&
      rules[hidden]!.includes('(subpath "/Users/me/work/keys/secret")'),
  )
  assert.ok(rule(rules, "(deny file-write-unlink ").includes('(literal "/Users/me/work/keys")'))
})

test("network: none; with a way out only its port; loopback ports only when listed", () => {
  assert.deepEqual(
    rulesOf().filter((one) => one.includes("network")),
    ["(deny network*)"],
  )
  const profile = { workspace: "read-write", read: [], write: [], loopbackPorts: [5432] } as const
  assert.deepEqual(
    rulesOf({ profile, egressPort: 40_000 }).filter((one) => one.includes("network")),
    ["(deny network*)", '(allow network-outbound (remote tcp "localhost:5432") (remote tcp "localhost:40000"))'],
  )
  for (const one of rulesOf({ egressPort: 40_000 }))
    assert.doesNotMatch(one, /unix|network-bind|network-inbound|mDNSResponder|trustd/)
})

test("a path cannot write rules of its own", () => {
  const rules = rulesOf({ workspace: '/Users/me/a") (allow default) (subpath "\\' })
  assert.ok(rule(rules, "(allow file-write* ").endsWith('(literal "/dev/dtracehelper"))'))
  assert.ok(rules.join("\n").includes('(subpath "/Users/me/a\\") (allow default) (subpath \\"\\\\")'))
  assert.throws(() => rulesOf({ workspace: "/Users/me/a\n(allow default)" }), { code: "INVALID_PARAMS" })
})

/** Stands for sandbox-exec: takes its arguments, and confines nothing or refuses to start. */
function fakeExec(t: TestContext, script: string): string {
  const folder = mkdtempSync(join(tmpdir(), "pincer-fake-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, "sandbox-exec")
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}

function request(workspace: string, changes: Partial<SandboxProfile> = {}): ConfineRequest {
  const profile: SandboxProfile = {
    name: "mine",
    workspace: "read-write",
    read: [],
    write: [],
    network: [],
    loopbackPorts: [],
    limits,
    ...changes,
  }
  return {
    program: { file: "/bin/sh", args: ["-c", "exit 3"], cwd: workspace, env: { A: "b" } },
    workspace,
    profile,
    hidden: [],
  }
}

test("a sandbox-exec that does not confine, does not start, or is not there makes nothing run", async (t) => {
  for (const [script, why] of [
    ['shift 2; exec "$@"', /a file outside could be read/],
    ["echo broken >&2; exit 71", /broken/],
    ["exit 27", /a port of this machine could be reached/],
  ] as const) {
    const backend = new Seatbelt({ sandboxExec: fakeExec(t, script), uid: 501 })
    const report = await backend.check()
    assert.deepEqual([report.available, report.backend, report.facts], [false, "seatbelt", []])
    assert.match(report.detail, why)
    await assert.rejects(backend.confine(request("/tmp")), { code: "UNAVAILABLE" })
  }
  const missing = new Seatbelt({ sandboxExec: "/nowhere/sandbox-exec", uid: 501 })
  await assert.rejects(missing.confine(request("/tmp")), /is not there/)
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith("pincer-seatbelt-")),
    [],
  )
})

test("never as root", async (t) => {
  const backend = new Seatbelt({ sandboxExec: fakeExec(t, "exit 0"), uid: 0 })
  await assert.rejects(backend.confine(request("/tmp")), /never root/)
})

test("a program is started through limits and rules, with a private folder and the way out, all gone after it", async (t) => {
  const backend = new Seatbelt({
    sandboxExec: fakeExec(t, 'case "$5" in *secret*) exit 0;; esac; shift 2; exec "$@"'),
    uid: 501,
  })
  const given = request(realpathSync(tmpdir()), { network: [{ host: "example.com" }] })
  await assert.rejects(backend.confine(given), /nobody to decide/)
  const confined = await backend.confine({ ...given, egress: { sessionKey: "main", saw: () => undefined } })
  assert.deepEqual(confined.args.slice(2, 6), ["sh", "60", "1954", "256"])
  const port = /"localhost:(\d+)"/.exec(confined.args[8]!)![1]
  assert.equal(confined.env["http_proxy"], `http://127.0.0.1:${port}`)
  assert.deepEqual([confined.env["no_proxy"], confined.env["A"]], ["", "b"])
  const temporary = confined.env["TMPDIR"]!
  assert.ok(existsSync(temporary))
  const { cwd, env, file } = confined
  assert.equal(spawnSync(file, confined.args, { cwd, env }).status, 3)
  await confined.close()
  assert.equal(existsSync(temporary), false)
})

test("on macOS: the real thing confines", {
  skip: process.platform === "darwin" ? false : "SKIPPED: not macOS, seatbelt was NOT run",
}, async () => {
  const report = await new Seatbelt().check()
  assert.equal(report.available, true, report.detail)
})

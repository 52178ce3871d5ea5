// What a confined program cannot do, tried for real. Run as whoever runs the tests, and once more as an ordinary user when that is root.
import assert from "node:assert/strict"
import { execFile, spawn } from "node:child_process"
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { isRoot, PATH, report, room, SECRET, skip, USER } from "../../test/fakes/confined-room.ts"
import { openSandbox } from "./index.ts"

test("there is no network: not the loopback of the machine, no abstract socket, no vsock", { skip }, async (t) => {
  const { node } = room(t)
  const seen: string[] = []
  const tcp = createServer((socket) => void socket.end(void seen.push("tcp"))).listen(0, "127.0.0.1")
  const abstract = createServer((socket) => void socket.end(void seen.push("abstract"))).listen(
    `\0pincer-${process.pid}-${isRoot}`,
  )
  t.after(() => void [tcp.close(), abstract.close()])
  await Promise.all(
    [tcp, abstract].map((one) => one.listening || new Promise((resolve) => one.once("listening", resolve))),
  )
  const address = tcp.address()
  const port = typeof address === "object" && address ? address.port : 0
  const script = `
    const net = require("node:net")
    for (const to of [{ port: ${port}, host: "127.0.0.1" }, { port: 53, host: "1.1.1.1" }, { path: "\\0pincer-${process.pid}-${isRoot}" }])
      net.connect(to).on("connect", () => console.log("CONNECTED", to)).on("error", (error) => console.log(error.code))
    console.log(Object.values(require("node:os").networkInterfaces()).flat().filter((one) => !one.internal).length)`
  const run = await node(script)
  assert.ok(!run.output.includes("CONNECTED"), run.output)
  assert.match(run.output, /ECONNREFUSED[\s\S]*(?:ENETUNREACH|ECONNREFUSED)/)
  assert.deepEqual(seen, [])
})

test("a profile with network and nobody to decide it does not start", { skip }, async (t) => {
  const { sh } = room(t)
  await assert.rejects(sh("true", { profile: { network: [{ host: "*" }] } }), { code: "UNAVAILABLE" })
})

test("no privileges: no capabilities, no new ones, nothing mounted, no other name space", { skip }, async (t) => {
  const { sh } = room(t)
  const run = await sh(
    "id -u; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; mount -t tmpfs x /tmp; umount /usr; unshare -U true; unshare -m true; nsenter -t 1 -m true; mknod d b 254 0; /usr/sbin/chroot / true; echo END",
  )
  assert.match(run.output, /^END$/m)
  assert.notEqual(run.output.split("\n")[0], "0")
  assert.equal(run.output.match(/^Cap\w+:\s+0{16}$/gm)?.length, 5, run.output)
  assert.match(run.output, /NoNewPrivs:\s+1/)
  assert.match(run.output, /Seccomp:\s+2/)
  assert.equal(run.output.match(/^unshare: unshare failed: Operation not permitted$/gm)?.length, 2, run.output)
  for (const tool of ["mount", "umount", "unshare", "nsenter", "mknod", "chroot"])
    assert.match(run.output, new RegExp(`${tool}: .*(?:not permitted|denied|superuser|failed|cannot)`, "i"))
})

test("the kernel cannot be steered through /proc, and its keys and logs are not seen", { skip }, async (t) => {
  const { sh } = room(t)
  const before = readFileSync("/proc/sys/vm/swappiness", "utf8")
  const run = await sh(
    "for f in /proc/sys/vm/swappiness /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/default_smp_affinity; do echo 1 > $f && echo WROTE $f; done; for f in /proc/kcore /proc/kmsg /proc/keys /proc/timer_list; do head -c 10 $f | od -c | head -1; done; grep -E ' /proc/sys ro,' /proc/self/mountinfo | tail -1",
  )
  assert.ok(!run.output.includes("WROTE"), run.output)
  assert.match(run.output, / \/proc\/sys ro,/)
  assert.ok(!/^0000000 /m.test(run.output), run.output)
  assert.equal(readFileSync("/proc/sys/vm/swappiness", "utf8"), before)
})

test("processes outside are neither seen nor signalled", { skip }, async (t) => {
  const { sh } = room(t)
  const victim = spawn("/bin/sleep", ["600"], { stdio: "ignore" })
  t.after(() => victim.kill("SIGKILL"))
  const run = await sh(`exec 2>&1; kill -9 ${victim.pid}; kill -9 -1; ls -d /proc/[0-9]* | wc -l`)
  assert.ok(Number(run.output.trim().split("\n").at(-1)) < 12 || run.exitCode !== 0, run.output)
  assert.equal(victim.exitCode, null)
  assert.equal(victim.signalCode, null)
  process.kill(victim.pid!, 0)
})

test("set-uid programs give nothing", { skip }, async (t) => {
  const { sh, workspace } = room(t)
  writeFileSync(join(workspace, "suid"), readFileSync("/usr/bin/id"))
  chmodSync(join(workspace, "suid"), 0o6755)
  const run = await sh("./suid -u; grep nosuid /proc/self/mountinfo | grep -c ' /usr '")
  assert.notEqual(run.output.split("\n")[0], "0")
  assert.match(run.output, /[1-9]$/)
})

test("the environment holds what was given, and nothing of the daemon", { skip }, async (t) => {
  const { sh } = room(t)
  process.env["PINCER_TEST_CANARY"] = SECRET
  t.after(() => delete process.env["PINCER_TEST_CANARY"])
  const run = await sh("tr '\\0' '\\n' < /proc/self/environ; cat /proc/1/environ", { env: { GIVEN: "a b\nc='d'" } })
  assert.ok(!run.output.includes(SECRET))
  const names = [...run.output.matchAll(/^(\w+)=/gm)].map((match) => match[1]!).sort()
  assert.deepEqual([...new Set(names)], ["GIVEN", "HOME", "PATH", "PWD", "TMPDIR", "c"])
  assert.match(run.output, /GIVEN=a b\nc='d'/)
})

test("what the environment holds is on no command line that others can read", { skip }, async (t) => {
  const { sandbox, workspace } = room(t)
  const program = { file: "/bin/sh", args: ["-c", "true"], cwd: workspace, env: { PATH, KEY: SECRET } }
  const confined = await sandbox.confine({ program, workspace, profile: sandbox.profile() })
  t.after(() => confined.close())
  assert.ok(!JSON.stringify([confined.file, confined.args, confined.env]).includes(SECRET))
})

test("a variable that makes programs load code takes effect only inside", { skip }, async (t) => {
  const { sh, outside } = room(t)
  const run = await sh("echo ran", {
    env: {
      LD_PRELOAD: `${outside}/evil.so`,
      LD_DEBUG: "files",
      LD_DEBUG_OUTPUT: `${outside}/trace`,
      BASH_ENV: `${outside}/x`,
    },
  })
  assert.match(run.output, /ran/)
  assert.deepEqual(readdirSync(outside), ["secret.txt"])
})

test("no file that the daemon has open is passed on", { skip }, async (t) => {
  const { sh } = room(t)
  const run = await sh("ls -l /proc/self/fd | grep -vE ' [012] -> (socket|pipe)| -> /proc/[0-9]+/fd$|^total' ; true")
  assert.equal(run.output, "")
})

test("the terminal cannot be written into: there is none, and pushing characters is refused", { skip }, async (t) => {
  const { sh } = room(t)
  const run = await sh("exec 2>&1; echo evil > /dev/tty; tty; ps -o tty= -p $$ 2>/dev/null; echo END")
  assert.match(run.output, /No such device or address[\s\S]*not a tty[\s\S]*END$/)
})

test("a working directory outside, a path through a link and a NUL are refused with a sentence", {
  skip,
}, async (t) => {
  const { sandbox, workspace, outside } = room(t)
  const profile = sandbox.profile()
  const program = { file: "/bin/sh", args: ["-c", "true"], cwd: workspace, env: { PATH } }
  const refused = (change: object, says: RegExp) =>
    assert.rejects(sandbox.confine({ program: { ...program, ...change }, workspace, profile }), says)
  await refused({ cwd: outside }, /working directory .* is not in the workspace/)
  await refused({ cwd: join(workspace, "absent") }, /working directory/)
  await refused({ args: ["-c", "a\0b"] }, /NUL/)
  await refused({ env: { "A=B": "x" } }, /no name of an environment variable/)
  await refused({ file: "/opt/absent/program" }, /cannot be seen in the sandbox/)
  await assert.rejects(
    sandbox.confine({ program: { ...program, cwd: "/" }, workspace: "/", profile }),
    /workspace of a sandbox/,
  )
})

test("a bubblewrap that is missing, or goes missing, stops everything with the command that installs it", async (t) => {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "sandbox-gone-")))
  t.after(() => rmSync(top, { recursive: true, force: true }))
  const bwrap = join(top, "bwrap")
  const open = () => openSandbox({ profile: "workspace", profiles: {}, uid: USER, bwrap }, { path: PATH, hidden: [] })
  const program = { file: "/bin/sh", args: ["-c", "true"], cwd: top, env: { PATH } }
  const never = open()
  t.after(() => never.close())
  assert.equal((await never.report()).available, false)
  await assert.rejects(never.confine({ program, workspace: top, profile: never.profile() }), {
    code: "UNAVAILABLE",
    message: /nothing was run: .*bwrap is not installed: install it with ".*bubblewrap/,
  })
  if (!report.available || !existsSync("/usr/bin/bwrap")) return
  symlinkSync("/usr/bin/bwrap", bwrap)
  const lost = open()
  t.after(() => lost.close())
  assert.equal((await lost.report()).available, true)
  rmSync(bwrap)
  await assert.rejects(lost.confine({ program, workspace: top, profile: lost.profile() }), {
    code: "UNAVAILABLE",
    message: /is not there any more: install it with/,
  })
})

test("a bubblewrap that cannot confine stops everything and says what it said", async (t) => {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "sandbox-broken-")))
  t.after(() => rmSync(top, { recursive: true, force: true }))
  const bwrap = join(top, "bwrap")
  writeFileSync(bwrap, "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n", { mode: 0o755 })
  const sandbox = openSandbox({ profile: "workspace", profiles: {}, uid: USER, bwrap }, { path: PATH, hidden: [] })
  t.after(() => sandbox.close())
  const program = { file: "/bin/sh", args: ["-c", "true"], cwd: top, env: { PATH } }
  await assert.rejects(sandbox.confine({ program, workspace: top, profile: sandbox.profile() }), {
    code: "UNAVAILABLE",
    message: /nothing was run: .*No permissions to create new namespace/,
  })
})

test("root's own folder is read, not written, and the person is told what to do", {
  skip: isRoot ? skip : "only for root",
}, async (t) => {
  const { sandbox } = room(t)
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "sandbox-root-")))
  t.after(() => rmSync(workspace, { recursive: true, force: true }))
  chmodSync(workspace, 0o755)
  const program = { file: "/bin/sh", args: ["-c", "id -u; touch x"], cwd: workspace, env: { PATH } }
  const confined = await sandbox.confine({ program, workspace, profile: sandbox.profile() })
  t.after(() => confined.close())
  assert.match(confined.note ?? "", /can read it but not write it.*chown -R 65534/)
  assert.equal(sandbox.ownerFor(workspace), undefined)
  sandbox.handOver(workspace)
  assert.deepEqual(sandbox.ownerFor(workspace), { uid: USER, gid: USER })
  const after = await sandbox.confine({ program, workspace, profile: sandbox.profile() })
  t.after(() => after.close())
  assert.equal(after.note, undefined)
})

test("handing a folder over follows no link and takes no second name of a file", {
  skip: isRoot ? false : "only for root",
}, (t) => {
  const { sandbox, outside } = room(t)
  const folder = mkdtempSync(join(tmpdir(), "sandbox-hand-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(join(outside, "secret.txt"), join(folder, "link"))
  linkSync(join(outside, "secret.txt"), join(folder, "hard"))
  writeFileSync(join(folder, "plain"), "")
  sandbox.handOver(folder)
  assert.equal(statSync(join(outside, "secret.txt")).uid, 0)
  assert.equal(statSync(join(folder, "plain")).uid, USER)
})

test("all of this holds for an ordinary user as well", { skip: isRoot ? skip : "already one" }, async () => {
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  const args = [
    "--reuid",
    "1000",
    "--regid",
    "1000",
    "--clear-groups",
    process.execPath,
    "--test",
    ...["bubblewrap", "bubblewrap-files", "bubblewrap-limits"].map((name) =>
      join(import.meta.dirname, `${name}.test.ts`),
    ),
  ]
  const { promise, resolve } = Promise.withResolvers<{ failed: boolean; out: string }>()
  execFile("setpriv", args, { env: { ...env, HOME: "/tmp" }, cwd: "/", maxBuffer: 1e7 }, (error, out, err) =>
    resolve({ failed: error !== null, out: out + err }),
  )
  const { failed, out } = await promise
  assert.ok(!failed, out)
  assert.match(out, /^. pass [2-9]\d$/m)
})

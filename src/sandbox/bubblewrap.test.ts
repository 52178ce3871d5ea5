// What a confined program cannot do, tried for real. Run as whoever runs the tests, and once more as an ordinary user when that is root.
import assert from "node:assert/strict"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { after, type TestContext, test } from "node:test"
import { PincerError } from "../base/errors.ts"
import { type RunResult, runProgram } from "../base/process.ts"
import { openSandbox, type Sandbox } from "./index.ts"
import { DEFAULT_LIMITS } from "./profile.ts"
import type { SandboxLimits, SandboxProfile } from "./sandbox.ts"

const PATH = "/usr/local/bin:/usr/bin:/bin"
const USER = 65_534
const isRoot = process.getuid?.() === 0
const NODE_FOLDER = dirname(process.execPath)
const SECRET = "canary-8d1f0c"

const probe = openSandbox({ profile: "workspace", profiles: {}, uid: USER }, { path: PATH, hidden: [] })
const report = await probe.report()
after(() => probe.close())
const skip = report.available ? false : `NOT TESTED, no sandbox here: ${report.detail} ${report.install ?? ""}`

interface Room {
  sandbox: Sandbox
  workspace: string
  /** Beside the workspace; holds secret.txt. */
  outside: string
  sh(script: string, how?: How): Promise<RunResult>
  node(script: string, how?: How): Promise<RunResult>
}

interface How {
  profile?: Partial<SandboxProfile>
  limits?: Partial<SandboxLimits>
  env?: Record<string, string>
  signal?: AbortSignal
}

function room(t: TestContext, hidden: string[] = []): Room {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "sandbox-test-")))
  chmodSync(top, 0o755)
  const [workspace, outside] = [join(top, "work"), join(top, "outside")]
  mkdirSync(workspace)
  mkdirSync(outside)
  writeFileSync(join(outside, "secret.txt"), SECRET)
  writeFileSync(join(workspace, "mine.txt"), "mine")
  const own =
    hidden.length === 0
      ? undefined
      : openSandbox({ profile: "workspace", profiles: {}, uid: USER }, { path: PATH, hidden })
  const sandbox = own ?? probe
  sandbox.handOver(workspace)
  t.after(() => {
    own?.close()
    rmSync(top, { recursive: true, force: true })
  })
  const run = async (file: string, args: string[], how: How = {}) => {
    const base = sandbox.profile()
    const profile = { ...base, ...how.profile, limits: { ...base.limits, ...how.limits } }
    const program = { file, args, cwd: workspace, env: { PATH, ...how.env } }
    const confined = await sandbox.confine({ program, workspace, profile })
    try {
      const run = await runProgram(confined.file, confined.args, {
        cwd: confined.cwd,
        env: { ...confined.env },
        signal: how.signal ?? new AbortController().signal,
        timeoutMs: 60_000,
        maxChars: 100_000,
      })
      return { ...run, output: run.output.trim() }
    } finally {
      await confined.close()
    }
  }
  return {
    sandbox,
    workspace,
    outside,
    sh: (script, how) => run("/bin/sh", ["-c", script], how),
    node: (script, how) =>
      run(process.execPath, ["-e", script], { ...how, profile: { read: [NODE_FOLDER], ...how?.profile } }),
  }
}

/** Processes of this machine whose whole command line this is. */
function running(text: string): number[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => commandLine(pid) === text)
    .map(Number)
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim()
  } catch {
    // Ended meanwhile.
    return ""
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10))
}

test("a confined command reads and writes its workspace", { skip }, async (t) => {
  const { sh, workspace } = room(t)
  const run = await sh("cat mine.txt; echo new > new.txt; mkdir a; mv new.txt a/; pwd")
  assert.equal(run.exitCode, 0, run.output)
  assert.equal(run.output.trim(), `mine${workspace}`)
  assert.equal(readFileSync(join(workspace, "a/new.txt"), "utf8"), "new\n")
})

test("a read-only workspace cannot be written", { skip }, async (t) => {
  const { sh, workspace } = room(t)
  const run = await sh("cat mine.txt; echo x > new.txt; echo x >> mine.txt; rm mine.txt", {
    profile: { workspace: "read-only" },
  })
  assert.match(run.output, /^mine/)
  assert.match(run.output, /Read-only file system/)
  assert.deepEqual(readdirSync(workspace), ["mine.txt"])
})

test("nothing outside of the workspace is read or written, whatever way leads there", { skip }, async (t) => {
  const { sh, workspace, outside } = room(t)
  symlinkSync(outside, join(workspace, "link"))
  symlinkSync(join(outside, "secret.txt"), join(workspace, "file-link"))
  const ways = [
    `${outside}/secret.txt`,
    "../outside/secret.txt",
    "link/secret.txt",
    "file-link",
    `/proc/1/root${outside}/secret.txt`,
    `/proc/self/root${outside}/secret.txt`,
    "/proc/self/cwd/../outside/secret.txt",
    `/proc/1/cwd${outside}/secret.txt`,
    `/proc/${process.pid}/root${outside}/secret.txt`,
  ]
  const reads = ways.map((way) => `cat ${way}`).join("; ")
  const writes = ways.map((way) => `echo gone > ${way}`).join("; ")
  const run = await sh(`${reads}; ${writes}; ln ${outside}/secret.txt hard; cat hard; ls ${outside} ..`)
  assert.ok(!run.output.includes(SECRET), run.output)
  assert.equal(readFileSync(join(outside, "secret.txt"), "utf8"), SECRET)
  assert.deepEqual(readdirSync(outside), ["secret.txt"])
})

test("the machine's accounts, keys and homes are absent", { skip }, async (t) => {
  const { sh } = room(t)
  const run = await sh(
    "cat /etc/shadow /etc/sudoers /etc/machine-id /root/.ssh/* /root/.bashrc; ls -d /home/* /var/log /var/lib /run/* /sys /boot /mnt; grep -c . /etc/passwd",
  )
  assert.match(run.output, /\n2$/)
  assert.ok(!/^\/(?:home|var|run|sys|boot|mnt)/m.test(run.output), run.output)
  assert.ok(!/root:[^:]*:\d+:\d+:/.test(run.output))
})

test("what must stay hidden is hidden, also inside of the workspace", { skip }, async (t) => {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "sandbox-hidden-")))
  t.after(() => rmSync(top, { recursive: true, force: true }))
  const { sh, workspace } = room(t)
  const hiding = room(t, [join(workspace, "home"), join(workspace, "token")])
  mkdirSync(join(workspace, "home"))
  mkdirSync(join(workspace, ".ssh"))
  for (const name of ["home/pincer.json", "token", ".ssh/id"]) writeFileSync(join(workspace, name), SECRET)
  chmodSync(workspace, 0o755)
  assert.match((await sh("cat home/pincer.json token")).output, new RegExp(SECRET))
  const program = {
    file: "/bin/sh",
    args: ["-c", "cat home/* token .ssh/*; mv home h; mv .ssh s; ls -A home .ssh h s"],
    cwd: workspace,
    env: { PATH },
  }
  const confined = await hiding.sandbox.confine({ program, workspace, profile: hiding.sandbox.profile() })
  const run = await runProgram(confined.file, confined.args, {
    cwd: "/",
    env: { ...confined.env },
    signal: new AbortController().signal,
    timeoutMs: 60_000,
    maxChars: 10_000,
  })
  await confined.close()
  assert.ok(!run.output.includes(SECRET), run.output)
  assert.equal(readFileSync(join(workspace, ".ssh/id"), "utf8"), SECRET)
})

test("hooks and configuration of git cannot be planted, also not by moving .git away", { skip }, async (t) => {
  const { sh, workspace } = room(t)
  mkdirSync(join(workspace, ".git/hooks"), { recursive: true })
  writeFileSync(join(workspace, ".git/config"), "[core]\n")
  writeFileSync(join(workspace, ".git/HEAD"), "ref: refs/heads/main\n")
  const { sandbox } = room(t)
  if (isRoot) sandbox.handOver(join(workspace, ".git"))
  const run = await sh(
    "cat .git/config; echo evil > .git/hooks/pre-commit; echo evil >> .git/config; rm -f .git/config; mv .git old; mv .git/hooks .git/h; rm -rf .git/hooks; echo ok > .git/index; cat .git/index",
  )
  assert.match(run.output, /^\[core\]/)
  assert.match(run.output, /ok$/)
  assert.equal(readFileSync(join(workspace, ".git/config"), "utf8"), "[core]\n")
  assert.deepEqual(readdirSync(join(workspace, ".git/hooks")), [])
})

test("a .git that leads elsewhere is not followed into the sandbox", { skip }, async (t) => {
  const { sh, workspace, outside } = room(t)
  mkdirSync(join(workspace, ".git"))
  symlinkSync(outside, join(workspace, ".git/hooks"))
  symlinkSync(join(outside, "secret.txt"), join(workspace, ".git/config"))
  const run = await sh("cat .git/hooks/secret.txt .git/config")
  assert.ok(!run.output.includes(SECRET), run.output)
})

test("a workspace that was swapped for a link is refused", { skip }, async (t) => {
  const { sh, workspace, outside } = room(t)
  renameSync(workspace, `${workspace}-old`)
  symlinkSync(outside, workspace)
  await assert.rejects(sh("cat secret.txt"), (error) => error instanceof PincerError && /link/.test(error.message))
})

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

test("a fork bomb is bounded, and gone with its command", { skip }, async (t) => {
  const { sh } = room(t)
  const mark = `61${process.pid}.5`
  const run = await sh(`i=0; while [ $i -lt 400 ]; do sleep ${mark} & i=$((i+1)); done; echo ALL`, {
    limits: { processes: 64 },
  })
  assert.ok(!run.output.includes("ALL"), run.output)
  assert.match(run.output, /fork/i)
  await until(() => running(`sleep ${mark}`).length === 0)
})

test("a command that takes too much memory fails", { skip }, async (t) => {
  const { node } = room(t)
  const run = await node(
    "const all = []; for (let i = 0; i < 64; i++) all.push(Buffer.alloc(1 << 26, 1)); console.log('EVERY' + 'THING')",
    {
      limits: { memoryBytes: 1024 ** 3 },
    },
  )
  assert.ok(!run.output.includes("EVERYTHING"), run.output)
  assert.notEqual(run.exitCode, 0)
})

test("a file that grows too big is cut off", { skip }, async (t) => {
  const { sh, workspace } = room(t)
  const run = await sh("dd if=/dev/zero of=big bs=65536 count=64; echo END", { limits: { fileBytes: 1024 ** 2 } })
  assert.match(run.output, /^END$/m)
  assert.ok(statSync(join(workspace, "big")).size <= 1024 ** 2)
})

test("a command that takes too much CPU time is ended", { skip }, async (t) => {
  const { sh } = room(t)
  const run = await sh("while :; do :; done", { limits: { cpuSeconds: 1 } })
  assert.notEqual(run.exitCode, 0)
  assert.equal(run.timedOut, false)
})

test("what a command leaves in the background ends with it", { skip }, async (t) => {
  const { sh } = room(t)
  const mark = `62${process.pid}.5`
  const run = await sh(
    `setsid sleep ${mark} & nohup sleep ${mark} >/dev/null 2>&1 & ( ( sleep ${mark} & ) & ); sleep 0.1; ls /proc | grep -c '^[0-9]'`,
  )
  assert.equal(run.exitCode, 0, run.output)
  await until(() => running(`sleep ${mark}`).length === 0)
})

test("canceling ends everything inside", { skip }, async (t) => {
  const { sh } = room(t)
  const mark = `63${process.pid}.5`
  const stop = new AbortController()
  const run = sh(`trap '' TERM; setsid sleep ${mark} & sleep ${mark}`, { signal: stop.signal })
  await until(() => running(`sleep ${mark}`).length >= 2)
  stop.abort()
  assert.equal((await run).canceled, true)
  await until(() => running(`sleep ${mark}`).length === 0)
})

test("when the daemon is killed, its commands go with it", { skip }, async (t) => {
  const { sandbox, workspace } = room(t)
  const mark = `64${process.pid}.5`
  const program = {
    file: "/bin/sh",
    args: ["-c", `setsid sleep ${mark} & sleep ${mark}`],
    cwd: workspace,
    env: { PATH },
  }
  const profile = sandbox.profile()
  const daemon: ChildProcess = spawn(
    process.execPath,
    [join(import.meta.dirname, "../../test/fakes/confined-sleep.ts")],
    {
      stdio: ["pipe", "inherit", "inherit"],
    },
  )
  daemon.stdin!.end(JSON.stringify({ program, workspace, profile, uid: USER, path: PATH }))
  await until(() => running(`sleep ${mark}`).length >= 2)
  daemon.kill("SIGKILL")
  await until(() => running(`sleep ${mark}`).length === 0)
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
    import.meta.filename,
  ]
  const { promise, resolve } = Promise.withResolvers<{ failed: boolean; out: string }>()
  execFile("setpriv", args, { env: { ...env, HOME: "/tmp" }, cwd: "/", maxBuffer: 1e7 }, (error, out, err) =>
    resolve({ failed: error !== null, out: out + err }),
  )
  const { failed, out } = await promise
  assert.ok(!failed, out)
  assert.match(out, /^. pass [2-9]\d$/m)
})

test("the default limits let Node and its WebAssembly run", { skip }, async (t) => {
  const { node } = room(t)
  const run = await node("new WebAssembly.Memory({ initial: 10, maximum: 1000 }); console.log('fine')", {
    limits: DEFAULT_LIMITS,
  })
  assert.equal(run.output.trim(), "fine")
})

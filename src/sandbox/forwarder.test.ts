// The forwarder inside a real, empty network namespace, with curl and Node as clients; as the user that runs the tests and, for root,
// as an ordinary user too.
import assert from "node:assert/strict"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { type EgressRequest, openEgress } from "./egress.ts"
import { forwardedProgram, proxyEnvironment } from "./forwarder-program.ts"
import { openSandbox } from "./index.ts"
import type { EgressAttempt, Program } from "./sandbox.ts"

const ORDINARY = 65_534
const isRoot = process.getuid?.() === 0

function works(file: string, args: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: "ignore" }).status === 0
}

const base = ["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
const roots = ["lib", "lib64", "bin", "sbin"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`])
const confines = works("bwrap", [...base, ...roots, "--", "/bin/sh", "-c", "exit 0"])
const skip = confines ? false : "SKIPPED: bwrap is missing or may make no namespaces here: the forwarder was NOT tested"
const skipCurl = skip || (works("curl", ["--version"]) ? false : "SKIPPED: curl is not installed")
const users = isRoot && works("setpriv", ["--version"]) ? ["root", "ordinary"] : ["own"]

interface Ran {
  code: number | null
  signal: string | null
  out: string
}

interface Sandbox {
  child: ChildProcess
  ended: Promise<Ran>
}

function sandboxed(program: Program, user: string, bind: readonly { from: string; to: string }[]): Sandbox {
  const drop = user === "ordinary" ? ["setpriv", `--reuid=${ORDINARY}`, `--regid=${ORDINARY}`, "--clear-groups"] : []
  const binds = bind.flatMap(({ from, to }) => ["--ro-bind", from, to])
  const argv = [...drop, "bwrap", ...base, ...roots, "--tmpfs", "/tmp", ...binds, "--", program.file, ...program.args]
  const child = spawn(argv[0]!, argv.slice(1), { env: program.env, cwd: "/", stdio: ["ignore", "pipe", "pipe"] })
  let out = ""
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding("utf8").on("data", (text) => (out += text))
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, out }))
  return { child, ended }
}

interface Verdict extends EgressAttempt {
  verdict: string
}

async function way(t: TestContext, user: string, given: Partial<EgressRequest["profile"]> = {}) {
  const server = createServer((req, res) => res.end(`hello ${req.url} of ${req.headers.host}\n`)).listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const seen: Verdict[] = []
  const loopbackPorts = given.loopbackPorts ?? [port]
  const egress = await openEgress({
    profile: { name: "mine", network: given.network ?? [{ host: "example.com" }], loopbackPorts },
    gate: { sessionKey: "main", saw: (attempt, verdict) => void seen.push({ ...attempt, verdict }) },
    lookup: async () => ["93.184.216.34"],
    connect: () => connect({ host: "127.0.0.1", port, allowHalfOpen: true }),
    ...(user === "ordinary" ? { owner: { uid: ORDINARY, gid: ORDINARY } } : {}),
  })
  t.after(() => egress.close())
  const start = (file: string, args: readonly string[], env: Record<string, string> = {}) => {
    const program = { file, args, cwd: "/", env: { PATH: "/usr/bin:/bin", ...env } }
    const forwarded = forwardedProgram(program, egress, loopbackPorts)
    return sandboxed(forwarded.program, user, forwarded.bind)
  }
  const sh = (script: string, env?: Record<string, string>) => start("/bin/sh", ["-c", script], env).ended
  return { port, seen, egress, start, sh }
}

for (const user of users) {
  test(`an allowed host is reached from an empty network, others are refused (${user})`, {
    skip: skipCurl,
  }, async (t) => {
    const { sh, seen } = await way(t, user)
    assert.match((await sh("curl -sS http://example.com/a")).out, /^hello \/a of example\.com/)
    assert.match((await sh("curl -sS -p http://example.com/b")).out, /^hello \/b/)
    const socks = await sh("curl -sS --proxy socks5h://127.0.0.1:3128 http://example.com/c")
    assert.match(socks.out, /^hello \/c/)
    assert.match((await sh("curl -sS http://evil.example/")).out, /^evil\.example:80 is in no network rule/)
    assert.match((await sh("curl -sS https://evil.example/")).out, /403/)
    assert.match((await sh("curl -sS http://169.254.169.254/latest/")).out, /private or local/)
    assert.deepEqual(
      seen.map((one) => one.verdict),
      ["allow", "allow", "allow", "deny", "deny", "deny"],
    )
  })

  test(`around the proxy there is nothing (${user})`, { skip: skipCurl }, async (t) => {
    const { sh, seen } = await way(t, user)
    const direct = await sh(
      "curl -sS --noproxy '*' --max-time 5 http://1.1.1.1/; ls /sys/class/net /proc/net/dev; cat /proc/net/dev",
    )
    assert.match(direct.out, /curl: \(7\)/)
    assert.doesNotMatch(direct.out, /eth0|wlan|ens/)
    assert.deepEqual(seen, [])
  })

  test(`a listed loopback port is reached with and without the proxy, another is not (${user})`, {
    skip: skipCurl,
  }, async (t) => {
    const { sh, port, seen } = await way(t, user)
    assert.match((await sh(`curl -sS http://127.0.0.1:${port}/a`)).out, /^hello \/a/)
    assert.match((await sh(`curl -sS --noproxy '*' http://127.0.0.1:${port}/b`)).out, /^hello \/b/)
    assert.match((await sh(`curl -sS --noproxy '*' http://localhost:${port}/c`)).out, /^hello \/c/)
    const other = await way(t, user, { loopbackPorts: [] })
    assert.match((await other.sh(`curl -sS http://127.0.0.1:${other.port}/`)).out, /loopbackPorts/)
    assert.match((await other.sh(`curl -sS --noproxy '*' http://127.0.0.1:${other.port}/`)).out, /curl: \(7\)/)
    assert.deepEqual(
      new Set(seen.map((one) => `${one.verdict} ${one.host} ${one.port}`)),
      new Set([`allow 127.0.0.1 ${port}`]),
    )
  })

  test(`Node's own fetch goes the same way (${user})`, { skip }, async (t) => {
    const { start } = await way(t, user)
    const script =
      "fetch('http://example.com/n').then(r => r.text()).then(console.log, e => console.log('failed', e.cause ?? e))"
    const { out } = await start("/run/pincer/node", ["--no-warnings", "-e", script]).ended
    assert.match(out, /^hello \/n of example\.com/)
  })
}

test("it ends as the program ends: its code, its signal, and when it cannot be started", { skip }, async (t) => {
  const { start, sh } = await way(t, users[0]!)
  assert.equal((await sh("exit 7")).code, 7)
  assert.equal((await sh("exit 0")).code, 0)
  assert.equal((await sh("kill -KILL $$")).code, 137)
  assert.equal((await sh("kill -TERM $$")).code, 143)
  const missing = await start("/nowhere/at-all", []).ended
  assert.deepEqual([missing.code, /pincer: \/nowhere\/at-all could not be started/.test(missing.out)], [127, true])
  assert.equal((await start("/usr", []).ended).code, 126)
})

test("a signal reaches the program, and everything ends when the sandbox is killed", { skip }, async (t) => {
  const { start, sh } = await way(t, users[0]!)
  const passed = await sh("trap 'echo caught; exit 3' TERM; kill -TERM $PPID; while :; do sleep 0.01; done")
  assert.deepEqual([passed.code, passed.out], [3, "caught\n"])
  const { child, ended } = start("/bin/sh", ["-c", "echo up; while :; do sleep 1; done"])
  await once(child.stdout!, "data")
  child.kill("SIGKILL")
  assert.equal((await ended).signal, "SIGKILL")
})

test("the program sees its own environment and the proxy, and nothing secret; NO_PROXY is empty", {
  skip,
}, async (t) => {
  const { egress, sh } = await way(t, users[0]!)
  const { out } = await sh("env; tr '\\0' ' ' </proc/$PPID/cmdline", {
    NODE_OPTIONS: "--no-such-option",
    NO_PROXY: "*",
    A: "b",
  })
  const lines = out.split("\n")
  for (const [name, value] of Object.entries({ ...proxyEnvironment(3128), NODE_OPTIONS: "--no-such-option", A: "b" }))
    assert.ok(lines.includes(`${name}=${value}`), `${name}=${value} in\n${out}`)
  assert.ok(lines.includes("NO_PROXY=") && lines.includes("no_proxy="))
  assert.ok(!out.includes(egress.socketPath) && !out.includes("PINCER_KEPT_"))
  assert.doesNotMatch(out, /\/\/[^/\s]*@|token|secret|password/i)
})

test("the proxy's port gives way to a service of the user; low ports are left to the proxy", () => {
  const program = { file: "/bin/true", args: [], cwd: "/", env: {} }
  const forwarded = forwardedProgram(program, { socketPath: "/x/out" }, [3128, 3129, 80])
  assert.equal(forwarded.env["http_proxy"], "http://127.0.0.1:3130")
  const task = forwarded.program.args.find((one) => one.startsWith("{"))!
  assert.deepEqual(JSON.parse(task), { socket: "/run/pincer/out", port: 3130, forward: [3128, 3129] })
})

test("it imports nothing but Node's own, so that one file is all that is bound in", () => {
  const source = readFileSync(new URL("./forwarder.ts", import.meta.url), "utf8")
  for (const [, from] of source.matchAll(/from "([^"]+)"/g)) assert.match(from!, /^node:(child_process|net|os|tty)$/)
})

test("through the whole sandbox, with its limits: a listed port answers, the rest is refused and recorded", {
  skip: skipCurl,
}, async (t) => {
  const { port } = await way(t, users[0]!)
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "pincer-ws-")))
  chmodSync(workspace, 0o755)
  const profiles = { mine: { extends: "workspace+net", loopbackPorts: [port] } }
  const sandbox = openSandbox({ profile: "mine", profiles, uid: ORDINARY }, { path: "/usr/bin:/bin", hidden: [] })
  t.after(() => {
    sandbox.close()
    rmSync(workspace, { recursive: true })
  })
  const seen: string[] = []
  const saw = ({ host }: EgressAttempt, verdict: string) => void seen.push(`${verdict} ${host}`)
  const script = `curl -sS http://127.0.0.1:${port}/a; curl -sS --noproxy '*' http://127.0.0.1:${port}/b; curl -sS http://10.0.0.1/`
  const program = { file: "/bin/sh", args: ["-c", script], cwd: workspace, env: { PATH: "/usr/bin:/bin" } }
  const egress = { sessionKey: "main", saw }
  const confined = await sandbox.confine({ program, workspace, profile: sandbox.profile(), egress })
  const { cwd, env } = confined
  const child = spawn(confined.file, confined.args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] })
  let out = ""
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (out += text))
  await once(child, "close")
  await confined.close()
  assert.match(out, /^hello \/a of .*\nhello \/b of .*\n10\.0\.0\.1:80 is a private/)
  assert.deepEqual(seen, ["allow 127.0.0.1", "allow 127.0.0.1", "deny 10.0.0.1"])
})

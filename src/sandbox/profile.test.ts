import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { homedir, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { type TestContext, test } from "node:test"
import { EgressRules } from "./egress-rules.ts"
import { BUILT_IN, DEFAULT_LIMITS, findProfile, narrow, type ProfileSettings } from "./profile.ts"
import type { SandboxProfile } from "./sandbox.ts"

function folder(t: TestContext): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "profile-")))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const custom = (settings: ProfileSettings, closed: string[] = []) => findProfile("mine", { mine: settings }, closed)

test("the built-in profiles: one reads, one writes, one reaches public hosts", () => {
  assert.deepEqual(
    BUILT_IN.map(({ name, workspace, network }) => [name, workspace, network.length]),
    [
      ["read-only", "read-only", 0],
      ["workspace", "read-write", 0],
      ["workspace+net", "read-write", 1],
    ],
  )
})

test("a custom profile is the one that it extends, changed", (t) => {
  const place = folder(t)
  const profile = custom({
    extends: "read-only",
    read: [place],
    network: ["example.com:8443"],
    limits: { processes: 9 },
  })
  assert.equal(profile.workspace, "read-only")
  assert.deepEqual(profile.read, [place])
  assert.deepEqual(profile.network, [{ host: "example.com", ports: [8443] }])
  assert.deepEqual(profile.limits, { ...DEFAULT_LIMITS, processes: 9 })
})

test("an unknown profile, and one that extends itself, are refused with their names", () => {
  assert.throws(() => findProfile("nope", {}, []), {
    code: "NOT_FOUND",
    message: /"nope": there are read-only, workspace/,
  })
  assert.throws(() => findProfile("a", { a: { extends: "b" }, b: { extends: "a" } }, []), /a -> b -> a/)
})

test("what would open the sandbox is refused when the profile is read", (t) => {
  const top = folder(t)
  const home = join(top, "pincer")
  mkdirSync(join(top, "somebody/.ssh"), { recursive: true })
  mkdirSync(join(top, ".aws"))
  mkdirSync(home)
  const paths = [
    ...["/", "/proc", "/proc/1/root", "/sys", "/dev", "/dev/shm", "/run", "/run/docker.sock", "/var/run/docker.sock"],
    ...["/run/user/1000/bus", "/run/podman/podman.sock", "/tmp/ssh-abc/agent.12", "/var/lib/docker", "/tmp", "/var"],
    ...["/etc", "/etc/shadow", "/etc/ssh", "/etc/ssl", "/home", "/usr", "/boot", homedir(), dirname(homedir())],
    ...[join(homedir(), ".ssh"), join(homedir(), ".config/gcloud/x"), "/home/x/.kube", "/home/x/.mozilla/firefox"],
    ...[
      join(top, "somebody"),
      join(top, "somebody/.ssh/id"),
      home,
      join(home, "pincer.json"),
      top,
      "relative",
      "/a/../b",
    ],
  ]
  for (const path of paths)
    for (const settings of [{ read: [path] }, { write: [path] }])
      assert.throws(() => custom(settings, [home]), { code: "INVALID_PARAMS", message: /may not contain/ }, path)
  for (const path of ["/usr/local/bin", "/etc/cron.d", "/root/bin"])
    assert.throws(
      () => custom({ write: [path] }),
      /runs outside of the sandbox later|whole home|cannot be looked at/,
      path,
    )
})

test("a link is judged by where it leads, also when its end does not exist yet", (t) => {
  const top = folder(t)
  mkdirSync(join(top, "secret"))
  for (const [name, to] of [
    ["root", "/"],
    ["run", "/run"],
    ["home", homedir()],
    ["hidden", join(top, "secret")],
  ] as const)
    symlinkSync(to, join(top, name))
  const closed = [join(top, "secret")]
  for (const path of ["root", "run", "home", "hidden", "hidden/absent", "root/proc", "run/x.pid"])
    assert.throws(() => custom({ read: [join(top, path)] }, closed), { code: "INVALID_PARAMS" }, path)
})

test("a socket is refused whatever it is called", async (t) => {
  const top = folder(t)
  const server = createServer().listen(join(top, "plain"))
  t.after(() => server.close())
  await new Promise((resolve) => server.once("listening", resolve))
  assert.throws(() => custom({ read: [join(top, "plain")] }), /socket/)
})

test("a path that is to be read only may not lie in one that can be written", (t) => {
  const top = folder(t)
  writeFileSync(join(top, "x"), "")
  assert.throws(() => custom({ write: [top], read: [join(top, "x")] }), /is to be read only, and can be written/)
})

test("a network rule that means nothing is refused when the profile is read", () => {
  for (const rule of ["http://x.com", "a b", "*.*.com", "x.com:99999", "*.10.0.0.1", ""])
    assert.throws(() => custom({ network: [rule] }), { code: "INVALID_PARAMS" }, rule)
})

/** A small generator of its own, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const HOSTS = [
  ...["*", "*.example.com", "*.a.example.com", "example.com", "a.example.com", "b.a.example.com", "other.org"],
  ...["10.0.0.1", "127.0.0.1", "8.8.8.8", "::1", "2606:4700::1111", "localhost", "x.localhost", "0x7f.1"],
]
const PATHS = ["/d", "/d/e", "/d/e/f", "/de", "/x", "/x/y"]
const PORTS = [80, 443, 8080, 22]

function anyProfile(next: () => number): SandboxProfile {
  const some = <T>(items: readonly T[], odds = 0.4) => items.filter(() => next() < odds)
  const count = () => 1 + Math.floor(next() * 1000)
  return {
    name: `p${count()}`,
    workspace: next() < 0.5 ? "read-only" : "read-write",
    read: some(PATHS),
    write: some(PATHS, 0.2),
    network: some(HOSTS).map((host) => (next() < 0.5 ? { host } : { host, ports: some(PORTS, 0.5) })),
    loopbackPorts: some(PORTS),
    limits: { processes: count(), memoryBytes: count(), cpuSeconds: count(), fileBytes: count(), openFiles: count() },
  }
}

const within = (list: readonly string[], path: string) => list.some((one) => path === one || path.startsWith(`${one}/`))

test("narrow() allows nothing that one of the two does not allow", () => {
  const next = random(20_260_101)
  for (let round = 0; round < 3_000; round++) {
    const [a, b] = [anyProfile(next), anyProfile(next)]
    const both = narrow(a, b)
    for (const one of [a, b]) {
      if (one.workspace === "read-only") assert.equal(both.workspace, "read-only")
      for (const path of PATHS.map((each) => `${each}/deep`)) {
        if (within(both.write, path)) assert.ok(within(one.write, path), `${round}: writes ${path}`)
        if (within([...both.read, ...both.write], path))
          assert.ok(within([...one.read, ...one.write], path), `${round}`)
      }
      for (const [key, value] of Object.entries(one.limits))
        assert.ok(Object.entries(both.limits).some(([name, least]) => name === key && least <= value))
      noWider(new EgressRules(both), new EgressRules(one), round)
    }
  }
})

const ASKED = [...HOSTS.filter((host) => !host.includes("*")), "z.example.com", "z.a.example.com", "evil.com"].filter(
  (host) => host !== "0x7f.1",
)

function noWider(both: EgressRules, one: EgressRules, round: number): void {
  for (const host of ASKED)
    for (const port of PORTS) {
      if (both.judgeHost(host, port).verdict === "deny") continue
      assert.equal(one.judgeHost(host, port).verdict, "allow", `${round}: reaches ${host}:${port}`)
      for (const address of ["10.0.0.1", "127.0.0.1", "8.8.8.8", "::1"])
        if (both.judgeAddresses(host, port, [address]) === undefined)
          assert.equal(one.judgeAddresses(host, port, [address]), undefined, `${round}: ${host} as ${address}`)
    }
}

test("narrow() of a profile and itself allows the same", () => {
  const next = random(7)
  for (let round = 0; round < 300; round++) {
    const a = anyProfile(next)
    const both = narrow(a, a)
    assert.equal(both.name, a.name)
    for (const path of PATHS) {
      assert.equal(within(both.write, path), within(a.write, path))
      assert.equal(within([...both.read, ...both.write], path), within([...a.read, ...a.write], path))
    }
    for (const host of ASKED)
      for (const port of PORTS)
        assert.equal(
          new EgressRules(both).judgeHost(host, port).verdict,
          new EgressRules(a).judgeHost(host, port).verdict,
        )
  }
})

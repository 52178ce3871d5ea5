// What a confined program on macOS may do, by the rules that the real package writes for each profile and the guards after them; judged by
// their meaning, not their wording. That macOS holds them is not tested here.
import assert from "node:assert/strict"
import { after, test } from "node:test"
import { SeatbeltJudge } from "../../test/fakes/seatbelt-judge.ts"
import { AS_MAC } from "../../test/fakes/seatbelt-room.ts"
import { faultOf } from "./seatbelt-check.ts"
import { RuleWriter } from "./seatbelt-package.ts"
import { askedOf, guardsOf, type SeatbeltLayout } from "./seatbelt-rules.ts"

const writer = new RuleWriter(AS_MAC)
after(() => writer.close())

const WORK = "/Users/me/work"
const TEMPORARY = "/private/var/folders/x/T/pincer-tmp-1"
const closed = { read: [], write: [], loopbackPorts: [] }

function layoutOf(changes: Partial<SeatbeltLayout> = {}): SeatbeltLayout {
  return {
    profile: { workspace: "read-write", ...closed },
    workspace: WORK,
    hidden: ["/Users/me/.pincer", "/Users/me/work/keys/secret"],
    temporary: TEMPORARY,
    git: "none",
    egressPort: undefined,
    system: ["/usr/lib", "/System", "/dev/null", "/dev/urandom"],
    ...changes,
  }
}

async function judgeOf(changes: Partial<SeatbeltLayout> = {}): Promise<SeatbeltJudge> {
  const layout = layoutOf(changes)
  const asked = askedOf(layout)
  const said = await writer.rulesFor(asked)
  assert.ok(said.type === "rules", said.type === "fault" ? said.fault : "")
  assert.equal(faultOf(said.rules, asked), undefined)
  return new SeatbeltJudge(said.rules + guardsOf(layout))
}

const OUTSIDE = [
  ...["/Users/me/.ssh/id_ed25519", "/Users/me/Library/Keychains/login.keychain-db", "/Users/me/other/file"],
  ...[
    "/Users/me/workshop/file",
    "/private/tmp/file",
    "/private/var/db/file",
    "/private/etc/sudoers",
    "/Volumes/disk/file",
  ],
  ...["/private/tmp/claude/file", "/tmp/claude/file", "/usr/local/var/data", "/Users/me/.claude/debug/log"],
  ...["/Users/me/.npm/_logs/x", "/private/var/folders/x/T/pincer-tmp-2/file", "/dev/disk0"],
]

for (const [name, profile] of [
  ["read-only", { workspace: "read-only", ...closed }],
  ["workspace", { workspace: "read-write", ...closed }],
  ["custom", { workspace: "read-write", read: ["/data/in"], write: ["/data/out"], loopbackPorts: [5432] }],
] as const)
  test(`profile ${name}: what it names can be read and written, and nothing else can be read, written, moved or seen`, async () => {
    const judge = await judgeOf({ profile, egressPort: name === "custom" ? 40_000 : undefined })
    const isWritable = profile.workspace === "read-write"
    assert.deepEqual([judge.canRead(`${WORK}/a/b`), judge.canWrite(`${WORK}/a/b`)], [true, isWritable])
    assert.equal(judge.canMove(`${WORK}/a/b`), isWritable)
    assert.ok(judge.canRead(`${TEMPORARY}/x`) && judge.canWrite(`${TEMPORARY}/x`) && judge.canMove(`${TEMPORARY}/x`))
    assert.ok(judge.canRead("/usr/lib/libSystem.dylib") && !judge.canWrite("/usr/lib/libSystem.dylib"))
    assert.ok(judge.canRead("/dev/null") && judge.allows({ operation: "file-write-data", path: "/dev/null" }))
    for (const path of OUTSIDE) {
      assert.ok(!judge.canRead(path) && !judge.canWrite(path) && !judge.canMove(path), path)
      assert.ok(!judge.canSee(path) && !judge.canSee(path, true), path)
    }
    assert.deepEqual([judge.canRead("/data/in/x"), judge.canWrite("/data/in/x")], [name === "custom", false])
    assert.deepEqual([judge.canRead("/data/out/x"), judge.canWrite("/data/out/x")], Array(2).fill(name === "custom"))
  })

test("folders above what is open are seen by name and not listed", async () => {
  const judge = await judgeOf()
  for (const path of ["/Users/me", "/Users", "/usr", "/"]) assert.ok(judge.canSee(path, true), path)
  for (const path of ["/Users/me", "/Users", "/private"]) assert.ok(!judge.canRead(path), path)
  for (const path of ["/etc", "/tmp", "/var"]) assert.ok(judge.canSee(path) && !judge.canRead(path), path)
})

test("what is hidden in the workspace is not read, written, made, seen, nor moved with the folder above it", async () => {
  const judge = await judgeOf()
  for (const path of ["/Users/me/work/keys/secret", "/Users/me/work/keys/secret/deep"])
    assert.ok(!judge.canRead(path) && !judge.canWrite(path) && !judge.canMove(path) && !judge.canSee(path, true), path)
  for (const path of ["/Users/me/work/keys", WORK]) assert.ok(!judge.canMove(path), path)
  assert.ok(judge.canRead("/Users/me/work/keys/other") && judge.canWrite("/Users/me/work/keys/other"))
})

test("a workspace in Pincer's own folder is open, and its surroundings are not", async () => {
  const judge = await judgeOf({ workspace: "/Users/me/.pincer/workspace", hidden: ["/Users/me/.pincer"] })
  assert.ok(judge.canRead("/Users/me/.pincer/workspace/a") && judge.canWrite("/Users/me/.pincer/workspace/a"))
  assert.ok(judge.canSee("/Users/me/.pincer", true) && !judge.canRead("/Users/me/.pincer"))
  for (const path of ["/Users/me/.pincer/pincer.db", "/Users/me/.pincer/workspaces/a"])
    assert.ok(!judge.canRead(path) && !judge.canWrite(path) && !judge.canSee(path), path)
  // Profiles that open a folder around it are refused before; here it would stay closed even so.
  const profile = { workspace: "read-write", read: [], write: ["/Users/me"], loopbackPorts: [] } as const
  const wide = await judgeOf({ profile, workspace: "/Users/me/.pincer/workspace", hidden: ["/Users/me/.pincer"] })
  assert.ok(wide.canWrite("/Users/me/.pincer/workspace/a") && wide.canWrite("/Users/me/other"))
  for (const path of ["/Users/me/.pincer/pincer.db", "/Users/me/.pincer/workspaces/a"])
    assert.ok(!wide.canRead(path) && !wide.canWrite(path) && !wide.canMove(path), path)
})

test("what git obeys is read and not changed, made or moved away; a repository in the workspace can be made", async () => {
  const judge = await judgeOf({ git: "folder" })
  for (const name of ["hooks/pre-commit", "hooks", "config", "modules/a/config", "commondir", "config.worktree"]) {
    const path = `${WORK}/.git/${name}`
    assert.ok(judge.canRead(path) && !judge.canWrite(path) && !judge.canMove(path), path)
  }
  assert.ok(!judge.canMove(`${WORK}/.git`) && judge.canWrite(`${WORK}/.git/objects/ab`))
  assert.ok(judge.canWrite(`${WORK}/clone/.git/config`) && judge.canWrite(`${WORK}/clone/.git/hooks/a`))
  const file = await judgeOf({ git: "file" })
  assert.ok(file.canRead(`${WORK}/.git`) && !file.canWrite(`${WORK}/.git`) && !file.canMove(`${WORK}/.git`))
})

test("a read-only workspace stays so inside a folder that can be written", async () => {
  const profile = { workspace: "read-only", read: [], write: ["/Users/me"], loopbackPorts: [] } as const
  const judge = await judgeOf({ profile, hidden: [] })
  assert.ok(judge.canRead(`${WORK}/a`) && !judge.canWrite(`${WORK}/a`) && !judge.canMove(`${WORK}/a`))
  assert.ok(judge.canWrite("/Users/me/other"))
})

test("network: none; with a way out only its port; loopback ports only when listed; nobody is listened for", async () => {
  const places = ["localhost:40000", "localhost:5432", "localhost:1", "localhost:*", "*:443", "*:*"]
  const listen = { operation: "network-bind", remote: "localhost:40000" }
  const none = await judgeOf()
  for (const place of places) assert.ok(!none.canConnect(place), place)
  const profile = { workspace: "read-write", read: [], write: [], loopbackPorts: [5432] } as const
  const judge = await judgeOf({ profile, egressPort: 40_000 })
  assert.deepEqual(
    places.filter((place) => judge.canConnect(place)),
    ["localhost:40000", "localhost:5432"],
  )
  for (const one of [none, judge]) {
    assert.ok(!one.allows(listen) && !one.allows({ ...listen, operation: "network-inbound" }))
    assert.ok(!one.allows({ operation: "system-socket" }))
  }
})

test("no way to keys, other programs, their memory, screens, settings and notifications", async () => {
  const judge = await judgeOf()
  for (const service of [
    ...["com.apple.SecurityServer", "com.apple.securityd.xpc", "com.apple.trustd.agent", "com.apple.lsd.mapdb"],
    ...["com.apple.coreservices.launchservicesd", "com.apple.coreservices.appleevents", "com.apple.cfprefsd.daemon"],
    ...[
      "com.apple.mDNSResponder",
      "com.apple.PowerManagement.control",
      "com.apple.pasteboard.1",
      "com.apple.windowserver",
    ],
  ])
    assert.ok(!judge.allows({ operation: "mach-lookup", service }), service)
  assert.ok(judge.allows({ operation: "mach-lookup", service: "com.apple.system.opendirectoryd.libinfo" }))
  for (const operation of [
    ...["mach-priv-task-port", "ipc-posix-shm", "iokit-open", "user-preference-read", "distributed-notification-post"],
    ...["sysctl-write", "appleevent-send", "lsopen", "job-creation", "mach-register", "system-privilege"],
  ])
    assert.ok(!judge.allows({ operation }), operation)
  assert.ok(judge.allows({ operation: "process-exec" }) && judge.allows({ operation: "process-fork" }))
})

test("the package alone would leave these open: the guards are needed", async () => {
  const said = await writer.rulesFor({ read: [WORK], write: [WORK], denyRead: ["/"], denyWrite: [] })
  assert.ok(said.type === "rules")
  const judge = new SeatbeltJudge(said.rules)
  for (const service of [
    "com.apple.SecurityServer",
    "com.apple.securityd.xpc",
    "com.apple.coreservices.launchservicesd",
  ])
    assert.ok(judge.allows({ operation: "mach-lookup", service }), service)
  for (const operation of ["ipc-posix-shm", "iokit-open", "user-preference-read", "distributed-notification-post"])
    assert.ok(judge.allows({ operation }), operation)
  assert.ok(judge.canSee("/Users/me/.ssh", true) && judge.canWrite("/private/tmp/claude/x"))
})

test("a path is a path, whatever it is called; one that cannot be written into rules is refused", async () => {
  for (const name of [
    ...['a") (allow default) (subpath "', "it's (all) of; it", "工作区 é", "a\\b", "[x]*?", "$(id) `id`", "#!^$|.+{}"],
    ...["~", "-p", " ", "a'\"'\"'b", "\u{1f980}"],
  ]) {
    const workspace = `/Users/me/${name}`
    const judge = await judgeOf({ workspace, hidden: [`${workspace}/${name}`] })
    assert.ok(judge.canRead(`${workspace}/a`) && judge.canWrite(`${workspace}/a`), name)
    assert.ok(!judge.canRead(`${workspace}/${name}/a`) && !judge.canSee(`${workspace}/${name}`, true), name)
    for (const path of OUTSIDE) assert.ok(!judge.canRead(path) && !judge.canWrite(path), name)
  }
  for (const name of ["a\n(allow default)", "a\tb", "a\u0000b", "a\u0085b", "\ud800", "x".repeat(900)])
    for (const changes of [{ workspace: `/Users/me/${name}` }, { hidden: [`/Users/me/work/${name}`] }])
      assert.throws(() => askedOf(layoutOf(changes)), {
        code: "INVALID_PARAMS",
        message: /cannot be confined on macOS/,
      })
  assert.throws(() => askedOf(layoutOf({ workspace: "/private/tmp/claude/x" })), /shared by other sandboxes/)
})

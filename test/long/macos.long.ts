// The sandbox of a real Mac, for whoever has one: npm run test:macos. Everywhere else it says that nothing was tested. What it starts is held
// by the system's own sandbox-exec; it needs no root, writes into temporary folders only and asks nothing of the network outside.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { createServer as createWeb } from "node:http"
import { type AddressInfo, createServer } from "node:net"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { backendOf } from "../../src/sandbox/index.ts"
import type { ConfineRequest, EgressAttempt, SandboxBackend, SandboxProfile } from "../../src/sandbox/sandbox.ts"
import { requestFor } from "../fakes/seatbelt-room.ts"

const isMac = process.platform === "darwin"
const skip = isMac ? false : "SKIPPED: not macOS, its sandbox was NOT tested"
if (!isMac)
  process.stderr.write(`\n*** NOT TESTED: this is ${process.platform}, and macOS's sandbox runs on a Mac only ***\n\n`)

const settings = { profile: "workspace", profiles: {}, uid: 65_534 }

function opened(t: TestContext): SandboxBackend {
  const backend = backendOf(settings, { path: "/usr/bin:/bin", hidden: [] })
  t.after(() => backend.close())
  return backend
}

function folder(t: TestContext, name: string): string {
  const made = realpathSync.native(mkdtempSync(join(tmpdir(), `pincer-${name}-`)))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

async function run(backend: SandboxBackend, request: ConfineRequest): Promise<{ code: number | null; out: string }> {
  const confined = await backend.confine(request)
  try {
    const { args, cwd, env, file } = confined
    const child = spawn(file, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true, timeout: 60_000 })
    let out = ""
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (out += text))
    const [code] = (await once(child, "close")) as [number | null]
    return { code, out }
  } finally {
    await confined.close()
  }
}

function scriptIn(
  work: string,
  script: string,
  profile: Partial<SandboxProfile> = {},
  hidden: string[] = [],
): ConfineRequest {
  const heard: EgressAttempt[] = []
  const egress = { sessionKey: "main", saw: (attempt: EgressAttempt) => void heard.push(attempt) }
  return { ...requestFor(work, script, profile), hidden, egress }
}

test("it confines here: tried for real", { skip }, async (t) => {
  const report = await opened(t).check()
  assert.equal(report.available, true, `${report.detail} ${report.install ?? ""}`)
  assert.ok(report.facts.length > 0)
})

test("programs of the system run: a shell, git, and the links of the system lead where they should", {
  skip,
}, async (t) => {
  const work = folder(t, "work")
  const script = `set -e; /bin/zsh -fc 'echo zsh'; ls -d /etc/ssl >/dev/null; id -un; date; head -c 4 /dev/urandom | wc -c
    git init -q 仓库 2>&1 || echo no git here; echo x >"$TMPDIR/t"; cat "$TMPDIR/t"; exit 7`
  const { code, out } = await run(opened(t), scriptIn(work, script))
  assert.equal(code, 7, out)
  assert.match(out, /^zsh$/m)
})

test("files: the workspace, and nothing else of this machine", { skip }, async (t) => {
  const [work, outside] = [folder(t, "工作 'x' (1)"), folder(t, "outside")]
  writeFileSync(join(outside, "secret"), "LEAKED")
  mkdirSync(join(work, "keys"))
  writeFileSync(join(work, "keys/secret"), "LEAKED")
  mkdirSync(join(work, ".git/hooks"), { recursive: true })
  writeFileSync(join(work, ".git/config"), "own\n")
  const acts = [
    ...[`cat ${outside}/secret`, `ls ${outside}`, `echo x >${outside}/new`, `ls ${homedir()}`, `ls ${homedir()}/.ssh`],
    ...["cat keys/secret", "ls keys", "mv keys moved && cat moved/secret", "ln keys/secret hard && cat hard"],
    ...[`ln -s ${outside} link && cat link/secret`, "echo x >.git/config", "echo x >.git/hooks/a", "mv .git git2"],
    ...[
      "ls /private/tmp",
      "echo x >/private/tmp/pincer-x",
      "mkdir -p /private/tmp/claude/x",
      "cat /private/etc/sudoers",
    ],
    ...[
      "security dump-keychain -d",
      "security find-generic-password -s pincer -w",
      "ls /Volumes",
      "osascript -e 'tell app \"Finder\" to activate'",
    ],
    ...["open -a Calculator", "defaults read", "pbpaste", "launchctl submit -l x -- /bin/true", "ps -p 1"],
  ]
  const backend = opened(t)
  for (const act of acts) {
    const request = scriptIn(work, `(${act}) && echo DONE`, {}, [join(work, "keys")])
    const { out } = await run(backend, request)
    assert.doesNotMatch(out, /^DONE$|LEAKED/m, act)
  }
  assert.deepEqual(
    [existsSync(join(outside, "new")), readFileSync(join(work, ".git/config"), "utf8")],
    [false, "own\n"],
  )
  assert.deepEqual(readdirSync(join(work, ".git/hooks")), [])
  const reading = scriptIn(work, "echo x >new; ls", { workspace: "read-only" })
  await run(backend, reading)
  assert.equal(existsSync(join(work, "new")), false)
})

test("network: none; what is listed is reached, through the proxy or straight; nothing else", { skip }, async (t) => {
  const web = createWeb((_, response) => response.end("reached")).listen(0, "127.0.0.1")
  const other = createServer((socket) => socket.end("other")).listen(0, "127.0.0.1")
  t.after(() => {
    web.close()
    other.close()
  })
  await Promise.all([web, other].map((server) => (server.listening ? undefined : once(server, "listening"))))
  const [port, shut] = [web, other].map((server) => (server.address() as AddressInfo).port)
  const [work, backend] = [folder(t, "work"), opened(t)]
  const get = (to: number | undefined, flags = "") => `curl -s -m 5 ${flags} http://127.0.0.1:${to}/`
  const none = await run(
    backend,
    scriptIn(work, `${get(port)} ${get(port, "--noproxy '*'")}; nc -z -w 2 127.0.0.1 ${port} && echo DONE`),
  )
  assert.doesNotMatch(none.out, /reached|DONE/)
  const listed = { loopbackPorts: [port!] }
  for (const flags of ["", "--noproxy '*'"])
    assert.match((await run(backend, scriptIn(work, get(port, flags), listed))).out, /reached/)
  for (const flags of ["", "--noproxy '*'"])
    assert.doesNotMatch((await run(backend, scriptIn(work, get(shut, flags), listed))).out, /other/)
  const named = { network: [{ host: "example.com" }] }
  for (const act of [
    "nc -z -w 2 1.1.1.1 53 && echo DONE",
    "dscacheutil -q host -a name example.com | grep ip_address && echo DONE",
    "nc -l 127.0.0.1 0 & sleep 1; kill %1 && echo DONE",
  ])
    assert.doesNotMatch((await run(backend, scriptIn(work, act, named))).out, /DONE/, act)
})

test("limits: a file that grows too large and a program that computes too long end", { skip }, async (t) => {
  const [work, backend] = [folder(t, "work"), opened(t)]
  const limits = { processes: 64, memoryBytes: 2 ** 30, cpuSeconds: 1, fileBytes: 100_000, openFiles: 64 }
  assert.notEqual((await run(backend, scriptIn(work, "head -c 1000000 /dev/zero >big", { limits }))).code, 0)
  assert.notEqual((await run(backend, scriptIn(work, "while :; do :; done", { limits }))).code, 0)
})

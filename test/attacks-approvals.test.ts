// Attacks on what a human approved, and on where commands run, through a whole house: A16 (a link swapped between look and opening), A26
// (approve one thing, run another), A27 (an approval used again or elsewhere), A28 (variables), A39 (profiles that open the sandbox), A40
// (the sandbox is gone), A41 (every door).
import assert from "node:assert/strict"
import { once } from "node:events"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { type TestContext, test } from "node:test"
import { Worker } from "node:worker_threads"
import { openSandbox } from "../src/sandbox/index.ts"
import { attackHouse, bash, tool } from "./fakes/attack-house.ts"
import { askJobs, untilStatus } from "./fakes/job-client.ts"
import type { FakeCall } from "./fakes/model-service.ts"
import { sandboxSkip } from "./fakes/sandbox-room.ts"
import { NO_SANDBOX, startHouse } from "./house.ts"

const skip = await sandboxSkip()
const YES = { permissions: { mode: "approve-all" } }

function folder(t: TestContext): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "attack-")))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** What was asked about, and what an attacker changes while the question is open. Each writes "ran" if it runs all the same. */
const SWAPS: readonly { name: string; command: string; lay: Record<string, string>; swap: (work: string) => void }[] = [
  {
    name: "a script by its path",
    command: "./job.sh",
    lay: { "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  { name: "a script for a shell", command: "sh job.sh", lay: { "job.sh": "true\n" }, swap: evilScript("job.sh") },
  {
    name: "a script through env",
    command: "env -S 'sh job.sh'",
    lay: { "job.sh": "true\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a script in text for a shell",
    command: "sh -c './job.sh'",
    lay: { "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  { name: "a script that is read in", command: ". ./job.sh", lay: { "job.sh": "true\n" }, swap: evilScript("job.sh") },
  {
    name: "a script of node",
    command: "node job.js",
    lay: { "job.js": "0\n" },
    swap: (work) => writeFileSync(join(work, "job.js"), "require('fs').writeFileSync('ran', '')\n"),
  },
  {
    name: "a script of python",
    command: "python3 job.py",
    lay: { "job.py": "0\n" },
    swap: (work) => writeFileSync(join(work, "job.py"), "open('ran', 'w')\n"),
  },
  {
    name: "a script by a pattern",
    command: "./j*.sh",
    lay: { "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a pattern that means one more",
    command: "for f in ./j*.sh; do sh $f; done",
    lay: { "job.sh": "true\n" },
    swap: evilScript("jab.sh"),
  },
  { name: "a script through eval", command: "eval ./job", lay: { job: "#!/bin/sh\ntrue\n" }, swap: evilScript("job") },
  { name: "a text piped into a shell", command: "cat job | sh", lay: { job: "true\n" }, swap: evilScript("job") },
  { name: "a text as a shell's input", command: "sh < job", lay: { job: "true\n" }, swap: evilScript("job") },
  {
    name: "a module",
    command: "python3 -m job",
    lay: { "job.py": "0\n" },
    swap: (work) => writeFileSync(join(work, "job.py"), "open('ran', 'w')\n"),
  },
  {
    name: "a script by a variable of the shell",
    command: "$PWD/job.sh",
    lay: { "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a script for xargs",
    command: "echo job.sh | xargs sh",
    lay: { "job.sh": "true\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a script that find runs",
    command: "find . -name job.sh -exec sh {} \\;",
    lay: { "job.sh": "true\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a script in a substitution",
    command: "echo $(./job.sh)",
    lay: { "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a script in a line that is not understood",
    command: "coproc X { ./job.sh; }; wait",
    lay: { "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "code in an argument that loads a file",
    command: "node -e 'require(\"./job\")'",
    lay: { "job.js": "0\n" },
    swap: (work) => writeFileSync(join(work, "job.js"), "require('fs').writeFileSync('ran', '')\n"),
  },
  {
    name: "a link to a script",
    command: "./job",
    lay: { "a.sh": "#!/bin/sh\ntrue\n", job: "-> a.sh" },
    swap: relink("job"),
  },
  {
    name: "a program on a relative path",
    command: "bin/job",
    lay: { "bin/job": "#!/bin/sh\ntrue\n" },
    swap: evilScript("bin/job"),
  },
  {
    name: "two scripts, the second changed",
    command: "./a.sh && ./job.sh",
    lay: { "a.sh": "#!/bin/sh\ntrue\n", "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a script behind a pipe",
    command: "echo x | ./job.sh",
    lay: { "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a script after a new line",
    command: "true\n./job.sh",
    lay: { "job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("job.sh"),
  },
  {
    name: "a script in another folder",
    command: "cd sub && ./job.sh",
    lay: { "sub/job.sh": "#!/bin/sh\ntrue\n" },
    swap: evilScript("sub/job.sh", "../ran"),
  },
  {
    name: "the folder of a script",
    command: "sub/job.sh",
    lay: { "sub/job.sh": "#!/bin/sh\ntrue\n", "evil/job.sh": "#!/bin/sh\ntouch ran\n" },
    swap: (work) => {
      renameSync(join(work, "sub"), join(work, "old"))
      renameSync(join(work, "evil"), join(work, "sub"))
    },
  },
]

function evilScript(name: string, made = "ran") {
  return (work: string) => {
    writeFileSync(join(work, name), `#!/bin/sh\ntouch ${made}\n`)
    chmodSync(join(work, name), 0o755)
  }
}

function relink(name: string) {
  return (work: string) => {
    evilScript("evil.sh")(work)
    rmSync(join(work, name))
    symlinkSync("evil.sh", join(work, name))
  }
}

function lay(work: string, files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(work, name, ".."), { recursive: true })
    rmSync(join(work, name), { force: true })
    if (content.startsWith("-> ")) symlinkSync(content.slice(3), join(work, name))
    else writeFileSync(join(work, name), content, { mode: 0o755 })
  }
}

test("A26: what was approved is exactly what runs: a script that is changed while the question is open runs under no answer", async (t) => {
  const room = await attackHouse(t, { config: NO_SANDBOX })
  const { work } = room.house
  for (const { command, lay: files, name, swap } of SWAPS) {
    lay(work, files)
    const running = room.turn([[bash(command)]])
    await room.answer("allow-once", () => swap(work))
    await running
    assert.match(room.results().at(-1)!, /has changed since it was approved|not what was judged/, name)
    assert.equal(existsSync(join(work, "ran")), false, name)
    rmSync(work, { recursive: true })
    mkdirSync(work)
  }
})

test("A26: the same scripts run when nobody changed them, so the refusals above are about the change", async (t) => {
  const room = await attackHouse(t, { config: NO_SANDBOX })
  const { work } = room.house
  for (const { command, lay: files, name } of SWAPS) {
    lay(work, files)
    const running = room.turn([[bash(command)]])
    await room.answer("allow-once")
    await running
    assert.doesNotMatch(room.results().at(-1)!, /not carried out|not what was judged|exit code|denied/i, name)
    rmSync(work, { recursive: true })
    mkdirSync(work)
  }
})

test("A26: an approval for a session or for good does not cover another line that looks alike", async (t) => {
  const room = await attackHouse(t, { config: NO_SANDBOX })
  const { work } = room.house
  lay(work, { "job.sh": "#!/bin/sh\ntrue\n", "other/job.sh": "#!/bin/sh\ntouch ran\n" })
  const first = room.turn([[bash("./job.sh")]], { sessionKey: "alike" })
  await room.answer("allow-session")
  await first
  const lines = [
    "./job.sh x",
    "./job.sh; touch ran",
    "./job.sh\ntouch ran",
    "./job.sh && touch ran",
    "(./job.sh) | tee ran",
    "env ./job.sh; touch ran",
    "sh -c './job.sh; touch ran'",
    "./job.sh $(touch ran)",
    "cd other && ./job.sh && touch ../ran",
    "PATH=. job.sh; touch ran",
    "./j*.sh",
    "$PWD/job.sh; touch ran",
    "././job.sh > ran",
  ]
  for (const line of lines) {
    const running = room.turn([[bash(line)]], { sessionKey: "alike" })
    await room.answer("deny")
    await running
    assert.equal(existsSync(join(work, "ran")), false, line)
  }
  assert.equal((await room.turn([[bash("./job.sh")]], { sessionKey: "alike" })).status, "ok")
  evilScript("job.sh")(work)
  const changed = room.turn([[bash("./job.sh")]], { sessionKey: "alike" })
  await room.answer("deny")
  await changed
  assert.equal(existsSync(join(work, "ran")), false)
})

test("A27: an approval is used once, answered once, and counts for nobody else", async (t) => {
  const room = await attackHouse(t, { config: NO_SANDBOX })
  const { client } = room
  const { work } = room.house
  const [one, two] = [room.turn([[bash("echo x >> ran")]]), undefined]
  let id = ""
  await room.answer("allow-once", (question) => {
    id = question.id
  })
  await one
  assert.equal(two, undefined)
  assert.equal(readFileSync(join(work, "ran"), "utf8"), "x\n")
  for (const decision of ["allow-once", "deny", "allow-always"])
    await assert.rejects(
      client.request("exec.approval.resolve", { id, decision }),
      (error: { code?: string }) => error.code === "CONFLICT",
    )
  // The same words again, in the same session and in another: asked anew.
  for (const sessionKey of ["attack-1", "elsewhere"]) {
    const again = room.turn([[bash("echo x >> ran")]], { sessionKey })
    const question = await room.answer("deny")
    assert.notEqual(question.id, id)
    await again
  }
  assert.equal(readFileSync(join(work, "ran"), "utf8"), "x\n")
})

test("A27: an answer that names another session is refused and leaves the question open", async (t) => {
  const room = await attackHouse(t, { config: NO_SANDBOX })
  const running = room.turn([[bash("touch ran")]], { sessionKey: "mine" })
  await room.answer("deny", async ({ id }) => {
    for (const sessionKey of ["agent:main:other", "other", "agent:main:mine2"])
      await assert.rejects(room.client.request("exec.approval.resolve", { id, decision: "allow-once", sessionKey }))
    await assert.rejects(room.client.request("exec.approval.resolve", { id: `${id}x`, decision: "allow-once" }))
  })
  await running
  assert.equal(existsSync(join(room.house.work, "ran")), false)
})

const VARIABLES = [
  "NODE_OPTIONS",
  "LD_PRELOAD",
  "LD_LIBRARY_PATH",
  "LD_AUDIT",
  "BASH_ENV",
  "ENV",
  "GIT_SSH_COMMAND",
  "GIT_EXTERNAL_DIFF",
  "GIT_CONFIG_COUNT",
  "PYTHONPATH",
  "PYTHONSTARTUP",
  "PERL5OPT",
  "RUBYOPT",
  "PROMPT_COMMAND",
  "PS4",
  "IFS",
  "SHELLOPTS",
  "PATH",
  "HOME",
  "GCONV_PATH",
  "NODE_PATH",
  "JAVA_TOOL_OPTIONS",
  "EDITOR",
  "LESSOPEN",
  "DYLD_INSERT_LIBRARIES",
]

test("A28: a variable that makes programs run something else takes the leave of an allowed command away", async (t) => {
  const config = {
    ...NO_SANDBOX,
    policy: {
      commands: [
        ["/usr/bin/ls", "**"],
        ["/bin/ls", "**"],
      ],
    },
  }
  const room = await attackHouse(t, { config, alone: true })
  await room.turn([[bash("ls")]])
  assert.doesNotMatch(room.results()[0]!, /Denied/)
  const lines = VARIABLES.flatMap((name) => [`${name}=./evil ls`, `export ${name}=./evil; ls`, `env ${name}=./evil ls`])
  await room.turn([lines.map(bash)])
  const results = room.results()
  assert.equal(results.length, lines.length)
  for (const [i, result] of results.entries()) assert.match(result, /^Denied/, lines[i])
})

test("A28: such a variable of the daemon or of its configuration never reaches a command", async (t) => {
  const bad = VARIABLES.filter((name) => name !== "PATH" && name !== "HOME")
  const value = (name: string) => [name, "/nonexistent/evil"] as const
  const config = { ...NO_SANDBOX, tools: { exec: { env: { ...Object.fromEntries(bad.map(value)), GIVEN: "kept" } } } }
  const room = await attackHouse(t, { config, env: Object.fromEntries(bad.map(value)) })
  const running = room.turn([[bash("env")]])
  await room.answer("allow-once")
  await running
  assert.match(room.results()[0]!, /GIVEN=kept/)
  assert.doesNotMatch(room.results()[0]!, /evil/)
})

test("A39: a profile that would open the sandbox is refused when the configuration is read", async (t) => {
  const top = folder(t)
  const socket = join(top, "service")
  const server = createServer().listen(socket)
  await new Promise((resolve) => server.once("listening", resolve))
  t.after(() => server.close())
  symlinkSync("/", join(top, "root"))
  symlinkSync("/var/run/docker.sock", join(top, "dock"))
  mkdirSync(join(top, "project/.ssh"), { recursive: true })
  const opens: [string, Record<string, unknown>][] = [
    ...[
      "/",
      "/etc",
      "/home",
      "/root",
      "/proc",
      "/sys",
      "/dev",
      "/run",
      "/var/run/docker.sock",
      "/run/docker.sock",
      "/var/lib/docker",
      "/tmp",
      "/usr/../etc",
      socket,
      join(top, "root"),
      join(top, "root/etc"),
      join(top, "dock"),
      join(top, "project"),
      join(top, "project/.ssh"),
    ].map((path): [string, Record<string, unknown>] => [path, { read: [path] }]),
    ...["/usr/local/bin", "/etc/cron.d", "/bin", "/opt/../usr/bin"].map((path): [string, Record<string, unknown>] => [
      `write ${path}`,
      { write: [path] },
    ]),
    ["the network of the machine", { network: "host" }],
    ["a rule that means nothing", { network: ["http://*"] }],
    ["unconfined", { unconfined: true }],
    ["privileged", { privileged: true }],
    ["a relative path", { read: ["../.."] }],
    ["itself", { extends: "open" }],
  ]
  for (const [name, profile] of opens)
    await assert.rejects(
      startHouse({ config: { sandbox: { profiles: { open: profile } } } }),
      (error: Error) => /sandbox|profile|network rule/i.test(error.message),
      name,
    )
  for (const uid of [0, -1]) await assert.rejects(startHouse({ config: { sandbox: { uid } } }), /uid/)
})

test("A39: and again when it is used: what became a link since is not opened", (t) => {
  const top = folder(t)
  const data = join(top, "data")
  mkdirSync(data)
  const sandbox = openSandbox(
    { profile: "mine", profiles: { mine: { read: [data] } }, uid: 65_534 },
    { path: "/usr/bin:/bin", hidden: [join(top, "home")] },
  )
  t.after(() => sandbox.close())
  assert.deepEqual(sandbox.profile().read, [data])
  mkdirSync(join(top, "home"))
  for (const target of ["/", "/etc", "/proc/1/root", join(top, "home"), "/var/run/docker.sock"]) {
    rmSync(data, { recursive: true, force: true })
    symlinkSync(target, data)
    assert.throws(() => sandbox.profile(), /may not contain/, target)
  }
})

test("A40: when the sandbox goes away while the gateway runs, nothing runs, and the cure is named", {
  skip,
}, async (t) => {
  const bwrap = join(folder(t), "bwrap")
  const folders = (process.env["PATH"] ?? "").split(delimiter)
  copyFileSync(folders.map((one) => join(one, "bwrap")).find((one) => existsSync(one))!, bwrap)
  chmodSync(bwrap, 0o755)
  const room = await attackHouse(t, { config: { sandbox: { bwrap } } })
  await room.turn([[bash("echo here")]], YES)
  assert.match(room.results()[0]!, /here/)
  rmSync(bwrap)
  for (const permissions of [{ mode: "approve-all" }, { preset: "full-auto" }, {}]) {
    await room.turn([[bash("touch ran")]], { permissions })
    assert.match(room.results()[0]!, /nothing was run: .*not there any more.*install it with|Denied.*sandbox/i)
    assert.equal(existsSync(join(room.house.work, "ran")), false)
  }
  writeFileSync(bwrap, '#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done; shift; exec "$@"\n', { mode: 0o644 })
  await room.turn([[bash("touch ran")]], YES)
  assert.equal(existsSync(join(room.house.work, "ran")), false)
})

const WRITE: FakeCall[] = [
  tool("Write", { path: "made.txt", content: "x" }),
  tool("Edit", { path: "there.txt", oldText: "a", newText: "b" }),
]

test("A41: through every door a call that changes something asks first, and is denied when nobody is there", async (t) => {
  for (const alone of [true, false]) {
    const room = await attackHouse(t, { alone, config: NO_SANDBOX })
    const { house, fake } = room
    const post = async (path: string, body: unknown) => {
      const headers = { authorization: `Bearer ${house.token}`, "content-type": "application/json" }
      return (await fetch(`${house.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) })).text()
    }
    writeFileSync(join(house.work, "there.txt"), "a")
    const doors: [string, () => Promise<unknown>][] = [
      [
        "the control plane",
        () => room.client.request("chat.send", { sessionKey: "d", message: "go", cwd: house.work, wait: true }),
      ],
      [
        "JSON-RPC",
        () => post("/rpc", { jsonrpc: "2.0", id: 1, method: "ask", params: { content: "go", cwd: house.work } }),
      ],
      [
        "chat completions",
        () => post("/v1/chat/completions", { model: "pincer", messages: [{ role: "user", content: "go" }] }),
      ],
      ["responses", () => post("/v1/responses", { model: "pincer", input: "go" })],
      [
        "jobs",
        async () =>
          untilStatus(
            house,
            (await askJobs(house, "POST", "", { prompt: "go", cwd: house.work })).body.id,
            "completed",
          ),
      ],
    ]
    for (const [door, go] of doors) {
      const calls = [...WRITE, bash("touch made.txt")].map((call) => aim(call, house.work))
      fake.script({ calls }, { text: "Done." })
      const before = fake.requests.length
      const running = go()
      if (!alone) for (const call of calls) assert.equal((await room.answer("deny")).tool, call.name, door)
      await running
      assert.equal(fake.requests.length, before + 2, door)
      const results = room.results()
      assert.equal(results.length, 3, door)
      for (const result of results) assert.match(result, alone ? /^Denied: .*nobody/ : /user denied/, door)
      assert.equal(existsSync(join(house.work, "made.txt")), false, door)
      assert.equal(readFileSync(join(house.work, "there.txt"), "utf8"), "a", door)
    }
  }
})

/** Where the door does not say where to work, the paths do. */
function aim({ name, args }: FakeCall, work: string): FakeCall {
  const { path, command } = args as { path?: string; command?: string }
  if (path !== undefined) return tool(name, { ...(args as object), path: join(work, path) })
  return bash(String(command).replace("made.txt", join(work, "made.txt")))
}

test("A16: a folder that is swapped for a link all the time leads no file tool out of the workspace", async (t) => {
  const outside = folder(t)
  writeFileSync(join(outside, "x.txt"), "canary-outside")
  const room = await attackHouse(t)
  const { work } = room.house
  mkdirSync(join(work, "real"))
  writeFileSync(join(work, "real/x.txt"), "inside")
  const stop = new SharedArrayBuffer(4)
  const swapper = new Worker(
    `const { workerData: { work, outside, stop } } = require("node:worker_threads"); const fs = require("node:fs")
     const end = new Int32Array(stop)
     for (let i = 0; Atomics.load(end, 0) === 0; i++) {
       fs.symlinkSync(i % 2 ? outside : work + "/real", work + "/t"); fs.renameSync(work + "/t", work + "/d")
     }`,
    { eval: true, workerData: { work, outside, stop } },
  )
  const swapped = once(swapper, "exit")
  while (!existsSync(join(work, "d"))) await new Promise((resolve) => setImmediate(resolve))
  const calls = Array.from({ length: 8 }, () => [
    tool("Read", { path: "d/x.txt" }),
    tool("Write", { path: "d/x.txt", content: "gone" }),
    tool("Grep", { pattern: "canary", path: "d" }),
    tool("Edit", { path: "d/x.txt", oldText: "canary", newText: "gone" }),
  ]).flat()
  // Nobody may be asked about what leads outside: it is denied.
  room.client.on("exec.approval.requested", ({ payload }) => {
    const { id } = payload as { id: string }
    void room.client.request("exec.approval.resolve", { id, decision: "deny" })
  })
  try {
    await room.turn([calls], { permissions: { mode: "approve-reads" } })
  } finally {
    // It must have stopped before the house that it swaps in is taken away.
    Atomics.store(new Int32Array(stop), 0, 1)
    await swapped
  }
  assert.equal(readFileSync(join(outside, "x.txt"), "utf8"), "canary-outside")
  assert.ok(!room.results().some((result) => /canary-outside/.test(result)))
})

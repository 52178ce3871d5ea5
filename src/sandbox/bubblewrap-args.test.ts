import assert from "node:assert/strict"
import { test } from "node:test"
import { type SetUp, type Start, setUpArgs, startArgs } from "./bubblewrap-args.ts"
import { DEFAULT_LIMITS } from "./profile.ts"

const program = {
  file: "/bin/sh",
  args: ["-c", "echo 'x'"],
  cwd: "/work",
  env: { A: "1", HOME: "/root", TMPDIR: "/root" },
}
const tools = { bwrap: "/usr/bin/bwrap", prlimit: "/usr/bin/prlimit", setpriv: "/usr/bin/setpriv", shell: "/bin/sh" }
const user = { uid: 1234, gid: 1235 }
const setUp: SetUp = { mounts: ["--tmpfs", "/tmp"], program, user: undefined, disableUserns: true, filter: true }
const start: Start = {
  tools,
  program,
  limits: DEFAULT_LIMITS,
  user: undefined,
  args: "/tmp/it's/args",
  filter: "/tmp/filter",
  redirections: ["7</proc/1/fd/20"],
  closed: [5, 7, 251],
}

test("every name space is the program's own, whoever the daemon is", () => {
  for (const one of [setUp, { ...setUp, user }]) {
    const args = setUpArgs(one)
    for (const flag of ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"])
      assert.ok(args.includes(flag), flag)
    for (const flag of ["--die-with-parent", "--clearenv", "--seccomp"]) assert.ok(args.includes(flag), flag)
    assert.ok(!args.includes("--share-net"))
  }
})

test("an ordinary daemon makes a user name space; a root daemon keeps four rights, to give them up", () => {
  assert.ok(setUpArgs(setUp).includes("--unshare-user"))
  assert.ok(setUpArgs(setUp).includes("--disable-userns"))
  const args = setUpArgs({ ...setUp, user })
  assert.ok(!args.includes("--unshare-user"))
  assert.deepEqual(args.slice(0, 2), ["--cap-drop", "ALL"])
  assert.equal(args.filter((one) => one === "--cap-add").length, 4)
  const { args: command } = startArgs({ ...start, user })
  const drop = command.slice(command.indexOf("/usr/bin/setpriv"))
  for (const word of ["1234", "1235", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"])
    assert.ok(drop.includes(word), word)
})

test("the environment is what was given, with the home and the temporary folder of the sandbox", () => {
  const args = setUpArgs(setUp)
  const env = args.flatMap((one, i) => (one === "--setenv" ? [[args[i + 1], args[i + 2]]] : []))
  assert.deepEqual(env, [
    ["A", "1"],
    ["HOME", "/tmp"],
    ["TMPDIR", "/tmp"],
  ])
})

test("without a filter the terminal is kept away by a session of its own", () => {
  assert.ok(!setUpArgs(setUp).includes("--new-session"))
  const args = setUpArgs({ ...setUp, filter: false })
  assert.ok(args.includes("--new-session"))
  assert.ok(!args.includes("--seccomp"))
})

test("the shell opens the options and the filter, closes what was inherited, and becomes bubblewrap", () => {
  const { file, args } = startArgs(start)
  assert.equal(file, "/bin/sh")
  assert.equal(args[1], `exec "$@" 5>&- 8<'/tmp/it'\\''s/args' 9<'/tmp/filter' 7</proc/1/fd/20`)
  assert.deepEqual(args.slice(2, 7), ["sandbox", "/usr/bin/bwrap", "--args", "8", "--"])
  assert.deepEqual(args.slice(-3), ["/bin/sh", "-c", "echo 'x'"])
  const bash = startArgs({ ...start, tools: { ...tools, shell: "/bin/bash" } }).args
  assert.deepEqual(bash.slice(0, 3), ["--norc", "--noprofile", "-c"])
  assert.match(bash[3] ?? "", /251>&-/)
})

test("limits hold for the program only: they are set after everything else", () => {
  const { args } = startArgs({ ...start, user })
  const at = (word: string) => args.indexOf(word)
  assert.ok(at("/usr/bin/bwrap") < at("/usr/bin/setpriv"))
  assert.ok(at("/usr/bin/setpriv") < at("/usr/bin/prlimit"))
  for (const limit of ["nproc", "data", "cpu", "fsize", "nofile", "core"])
    assert.ok(
      args.some((one) => one.startsWith(`--${limit}=`)),
      limit,
    )
})

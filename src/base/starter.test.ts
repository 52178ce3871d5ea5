import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { type TestContext, test } from "node:test"
import { endGroup, type RunOptions, runProgram } from "./process.ts"
import { type HeldProgram, type ProgramStart, type StartedProgram, Starter } from "./starter.ts"

const PATH = process.env["PATH"] ?? "/usr/bin:/bin"
const unavailable = process.platform !== "linux" || !existsSync("/usr/bin/perl")
const only = { skip: unavailable ? "there is no perl here, or this is not Linux" : false }

function open(t: TestContext): Starter {
  const starter = new Starter()
  t.after(() => starter.close())
  return starter
}

function hold(starter: Starter, script: string, more: Partial<ProgramStart> = {}): HeldProgram {
  const program = { file: "/bin/sh", args: ["-c", script], cwd: tmpdir(), env: { PATH }, input: false, ...more }
  return starter.hold(program) ?? assert.fail("nothing was held")
}

async function run(starter: Starter, script: string, more: Partial<ProgramStart> & { stdin?: string } = {}) {
  const program = await hold(starter, script, { ...more, input: more.stdin !== undefined }).go()
  program.stdin?.end(more.stdin)
  const [out, err, end] = await Promise.all([text(program.stdout), text(program.stderr), program.exited])
  return { out, err, ...end }
}

test("what a program says, its end and its input come through exactly", only, async (t) => {
  const starter = open(t)
  assert.deepEqual(await run(starter, "echo 你好; echo no >&2; exit 137"), {
    out: "你好\n",
    err: "no\n",
    code: 137,
    signal: null,
  })
  assert.deepEqual(await run(starter, "kill -9 $$"), { out: "", err: "", code: null, signal: "SIGKILL" })
  assert.equal((await run(starter, "cat", { stdin: "given\0\n" })).out, "given\0\n")
  assert.equal((await run(starter, "cat")).out, "")
  assert.equal((await run(starter, "head -c 3000000 /dev/zero")).out.length, 3_000_000)
})

test("a program has the variables, the folder and the arguments that were given, and no others", only, async (t) => {
  const starter = open(t)
  process.env["STARTER_TEST"] = "of this process"
  t.after(() => delete process.env["STARTER_TEST"])
  const env = { "not a name": "a\nb", A: '\'; echo "$HOME" #' }
  const said = await run(starter, "", { file: "/usr/bin/env", args: ["-0"], env })
  assert.deepEqual(said.out.split("\0").filter(Boolean).sort(), ['A=\'; echo "$HOME" #', "not a name=a\nb"])
  // What one had, the next has not.
  assert.equal((await run(starter, "", { file: "/usr/bin/env", args: [], env: { B: "1" } })).out, "B=1\n")
  assert.equal((await run(starter, "pwd", { cwd: "/" })).out, "/\n")
  const words = ["a b", "'", "$(id)", "\n", ""]
  const said2 = await run(starter, "", { file: "/usr/bin/printf", args: ["<%s>", ...words] })
  assert.equal(said2.out, words.map((word) => `<${word}>`).join(""))
  assert.equal((await run(starter, "", { file: "printf", args: ["found"], env: { PATH } })).out, "found")
})

test("nothing runs before it is told to, and what is dropped never does", only, async (t) => {
  const starter = open(t)
  const folder = mkdtempSync(join(tmpdir(), "starter-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [one, two] = ["one", "two"].map((name) => hold(starter, `echo ${name} >> ${folder}/done`))
  two!.drop()
  // Whatever was asked before has been done by then.
  assert.equal((await run(starter, "echo asked later")).out, "asked later\n")
  assert.equal(existsSync(join(folder, "done")), false)
  await (await one!.go()).exited
  assert.equal(readFileSync(join(folder, "done"), "utf8"), "one\n")
  await assert.rejects(two!.go(), TypeError)
})

test("each has a process group of its own, which ends with all that it started", only, async (t) => {
  const starter = open(t)
  const started = async () => {
    const program = await hold(starter, "sleep 300 & echo $$; ps -o pgid= -p $$; wait").go()
    return { program, lines: await lines(program, 2) }
  }
  const [first, second] = await Promise.all([started(), started()])
  for (const { lines, program } of [first, second]) assert.deepEqual(lines.map(Number), [program.pid, program.pid])
  await endGroup(first.program.pid)
  assert.deepEqual(await first.program.exited, { code: null, signal: "SIGTERM" })
  assert.equal(await text(first.program.stdout), "")
  process.kill(second.program.pid, 0)
  await endGroup(second.program.pid)
  assert.equal((await second.program.exited).signal, "SIGTERM")
})

test("what cannot be started is said as by spawn()", only, async (t) => {
  const starter = open(t)
  await assert.rejects(hold(starter, "", { file: "/no/such" }).go(), { code: "ENOENT" })
  await assert.rejects(hold(starter, "", { cwd: "/no/such" }).go(), { code: "ENOENT" })
  await assert.rejects(hold(starter, "", { file: "/" }).go(), { code: "EACCES" })
  const options: RunOptions = {
    ...{ cwd: "/no/such", env: { PATH }, timeoutMs: 10_000, maxChars: 100 },
    signal: new AbortController().signal,
    held: hold(starter, "", { cwd: "/no/such" }),
  }
  await assert.rejects(runProgram("/bin/sh", [], options), /Cannot start \/bin\/sh: it or the working directory/)
  assert.equal((await run(starter, "echo still")).out, "still\n")
})

test("more than it takes, and what is too long, is left to the caller", only, (t) => {
  const starter = open(t)
  const program = { file: "/bin/true", args: [], cwd: "/", env: {}, input: false }
  assert.equal(starter.hold({ ...program, args: ["x".repeat(2_000_000)] }), undefined)
  // It would end where the zero byte is; whoever starts it the usual way refuses it.
  for (const more of [{ args: ["a\0b"] }, { env: { A: "a\0b" } }, { cwd: "/\0" }, { file: "/bin/true\0" }])
    assert.equal(starter.hold({ ...program, ...more }), undefined)
  const held = Array.from({ length: 64 }, () => starter.hold(program))
  assert.ok(held.every((one) => one !== undefined))
  assert.equal(starter.hold(program), undefined)
  held[0]?.drop()
  assert.ok(starter.hold(program))
})

test("what is held and never goes keeps no process alive", only, () => {
  const file = new URL("./starter.ts", import.meta.url).href
  const program = '{ file: "/bin/true", args: [], cwd: "/", env: {}, input: false }'
  const script = `import { Starter } from ${JSON.stringify(file)}; new Starter().hold(${program}); console.log("held")`
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 20_000, encoding: "utf8" })
  assert.deepEqual([ran.status, ran.stdout], [0, "held\n"], ran.stderr)
})

test("when the small process dies, its programs end with it, and what was lost is said", only, async (t) => {
  const starter = open(t)
  const program = await hold(starter, "echo $PPID; sleep 300").go()
  const [helper] = await lines(program, 1)
  const waiting = hold(starter, "echo never")
  process.kill(Number(helper), "SIGKILL")
  await assert.rejects(program.exited, /how far this one came is unknown/)
  assert.equal(await text(program.stdout), "")
  await assert.rejects(waiting.go(), /how far this one came is unknown/)
  assert.equal(starter.hold({ file: "/bin/true", args: [], cwd: "/", env: {}, input: false }), undefined)
})

/** The first lines that it says; the rest stays to be read. */
async function lines({ stdout }: StartedProgram, count: number): Promise<string[]> {
  let said = ""
  return new Promise((resolve) => {
    const take = (bytes: Buffer) => {
      said += bytes.toString()
      const whole = said.split("\n")
      if (whole.length <= count) return
      stdout.off("data", take)
      resolve(whole.slice(0, count).map((line) => line.trim()))
    }
    stdout.on("data", take)
  })
}

test("a shell that waits for its line is the shell that it would have been", only, async (t) => {
  const starter = open(t)
  const direct = (script: string) => {
    const { status, stderr, stdout } = spawnSync("/bin/sh", ["-c", script], { env: { PATH }, encoding: "utf8" })
    return { out: stdout, err: stderr, code: status, signal: null }
  }
  const scripts = [
    'echo "$0 $# $-"; set | grep -c PINCER_GO; env | grep PINCER; ls /proc/self/fd | wc -l',
    '# a remark\necho two\n\necho "three\nfour"',
    "cat <<END\nwithin $((1 + 1))\nEND\nexit 3",
    "nothing-of-this-name; echo $?",
    "echo one\n) echo two",
    "set -e; false; echo never",
    "trap 'echo left' EXIT; exec 3>&1; echo three >&3",
    "",
    "\n\techo blank lines first",
  ]
  for (const script of scripts) assert.deepEqual(await run(starter, script), direct(script), script)
})

test(
  "a line that no shell can read ends with the shell's own words, and only when it was told to begin",
  only,
  async (t) => {
    const starter = open(t)
    const held = hold(starter, "if; then")
    // Whatever was asked before has been done by then: the shell has given up.
    assert.equal((await run(starter, "echo later")).out, "later\n")
    const program = await held.go()
    const [err, end] = await Promise.all([text(program.stderr), program.exited])
    assert.match(err, /syntax error/i)
    assert.deepEqual(end, { code: 2, signal: null })
  },
)

import assert from "node:assert/strict"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { PincerError } from "./errors.ts"
import { CappedText, endGroup, type RunOptions, runProgram, signalGroup } from "./process.ts"

const never = new AbortController().signal
const PATH = process.env["PATH"] ?? "/usr/bin:/bin"

function run(script: string, options: Partial<RunOptions> = {}) {
  return runProgram("/bin/sh", ["-c", script], {
    cwd: tmpdir(),
    env: { PATH },
    signal: never,
    timeoutMs: 20_000,
    maxChars: 10_000,
    ...options,
  })
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "process-"))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
    // A zombie answers too; nobody may have reaped it yet.
    return !/\) Z /.test(readStat(pid))
  } catch {
    return false
  }
}
const readStat = (pid: number) => process.getBuiltinModule("node:fs").readFileSync(`/proc/${pid}/stat`, "utf8")

test("runProgram() gives output, exit code and input through, and inherits no environment", async () => {
  process.env["PINCER_CANARY"] = "canary-5f2"
  const result = await run('read line; echo "got $line"; echo err >&2; env; exit 3', {
    stdin: "你好\n",
    env: { A: "1" },
  })
  delete process.env["PINCER_CANARY"]
  assert.equal(result.exitCode, 3)
  assert.match(result.output, /got 你好/)
  assert.match(result.output, /err/)
  assert.match(result.output, /^A=1$/m)
  assert.doesNotMatch(result.output, /canary|PATH=\/root/)
  assert.deepEqual([result.timedOut, result.canceled, result.killedBy, result.leftBehind], [false, false, null, false])
})

test("a program that dies of a signal is a result", async () => {
  const result = await run("kill -9 $$")
  assert.deepEqual([result.exitCode, result.killedBy], [null, "SIGKILL"])
})

test("a program that reads none of its input is no failure", async () => {
  assert.equal((await run("exit 0", { stdin: "x".repeat(1_000_000) })).exitCode, 0)
})

test("what cannot be started is UNAVAILABLE and says why", async () => {
  const refused = (why: RegExp) => (error: unknown) =>
    error instanceof PincerError && error.code === "UNAVAILABLE" && why.test(error.message)
  const options: RunOptions = { cwd: "/", env: {}, signal: never, timeoutMs: 1_000, maxChars: 100 }
  await assert.rejects(runProgram("/no/such/program", [], options), refused(/no\/such\/program.*does not exist/))
  await assert.rejects(runProgram("/bin/sh", [], { ...options, cwd: "/no/such" }), refused(/working directory/))
  await assert.rejects(runProgram("/etc/passwd", [], options), refused(/permission denied/))
  await assert.rejects(runProgram("/bin/sh", ["-c", "\0"], options), refused(/NUL/))
  await assert.rejects(runProgram("/bin/sh", ["-c", "#".repeat(3_000_000)], options), refused(/too long/))
})

test("a canceled signal starts nothing", async (t) => {
  const file = join(await folder(t), "made")
  const result = await run(`touch ${file}`, { signal: AbortSignal.abort() })
  assert.equal(result.canceled, true)
  await assert.rejects(readFile(file))
})

test("cancel ends the whole group: grandchildren too, and those that ignore SIGTERM", async () => {
  const controller = new AbortController()
  let text = ""
  const result = await run("sh -c \"trap '' TERM; echo pid=\\$\\$; while :; do sleep 1; done\" & wait", {
    signal: controller.signal,
    graceMs: 60,
    onOutput(chunk) {
      text += chunk
      if (/pid=\d+\n/.test(text)) controller.abort()
    },
  })
  assert.equal(result.canceled, true)
  const pid = Number(/pid=(\d+)/.exec(result.output)?.[1])
  assert.ok(pid > 0)
  assert.equal(alive(pid), false, "the grandchild that ignores SIGTERM is gone")
})

test("a timeout stops the program; a trap may still say its last words", async () => {
  const result = await run("trap 'echo bye; exit 7' TERM; while :; do sleep 0.02; done", { timeoutMs: 100 })
  assert.deepEqual([result.timedOut, result.canceled, result.exitCode], [true, false, 7])
  assert.match(result.output, /bye/)
})

test("a program that has ended is not waited for because something in the background holds its output", async () => {
  const started = performance.now()
  const result = await run("sleep 30 & echo $!", { graceMs: 500 })
  assert.ok(performance.now() - started < 5_000)
  assert.deepEqual([result.exitCode, result.leftBehind], [0, true])
  assert.equal(alive(Number(result.output)), false)
})

test("output beyond the limit keeps head and tail and says how much is missing", async () => {
  const result = await run("i=0; while [ $i -lt 3000 ]; do echo line$i; i=$((i+1)); done", { maxChars: 1_000 })
  assert.ok(result.output.length < 1_100)
  assert.match(result.output, /^line0\n/)
  assert.match(result.output, /line2999\n$/)
  assert.match(result.output, /\n\[… \d+ characters left out …\]\n/)
})

test("a character that is split between two writes arrives whole", async () => {
  // 你 is e4 bd a0.
  const result = await run("printf '\\344\\275'; sleep 0.05; printf '\\240|\\344'")
  assert.equal(result.output, "你|\ufffd")
})

test("CappedText never cuts a surrogate pair and counts what it leaves out", () => {
  const capped = new CappedText(9)
  for (let i = 0; i < 50; i++) capped.add("😀")
  const text = capped.toString()
  assert.ok(text.isWellFormed(), text)
  const kept = text.replace(/\n\[.*\]\n/, "").length
  assert.equal(kept + Number(/(\d+) characters/.exec(text)?.[1]), 100)
  const small = new CappedText(10)
  small.add("0123")
  small.add("456789")
  assert.equal(small.toString(), "0123456789")
})

test("endGroup() and signalGroup() take a group that is gone for gone", async () => {
  assert.equal(signalGroup(2 ** 22 + 1, 0), false)
  await endGroup(2 ** 22 + 1)
})

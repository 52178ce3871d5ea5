// How much a confined program can take, and that nothing of it stays, tried for real.
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { statSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { PATH, room, running, skip, USER, until } from "../../test/fakes/confined-room.ts"
import { DEFAULT_LIMITS } from "./profile.ts"

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

test("the default limits let Node and its WebAssembly run", { skip }, async (t) => {
  const { node } = room(t)
  const run = await node("new WebAssembly.Memory({ initial: 10, maximum: 1000 }); console.log('fine')", {
    limits: DEFAULT_LIMITS,
  })
  assert.equal(run.output.trim(), "fine")
})

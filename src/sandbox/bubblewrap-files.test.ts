// What a confined program cannot do to files, tried for real.
import assert from "node:assert/strict"
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { isRoot, PATH, room, SECRET, skip } from "../../test/fakes/confined-room.ts"
import { PincerError } from "../base/errors.ts"
import { runProgram } from "../base/process.ts"

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

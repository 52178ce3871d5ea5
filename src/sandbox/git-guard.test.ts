import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { giveAway, SANDBOX_UID, sandboxSkip } from "../../test/fakes/sandbox-room.ts"
import { runProgram } from "../base/process.ts"
import { guardGit } from "./git-guard.ts"
import { openSandbox } from "./index.ts"

const skip = await sandboxSkip()
const PATH = "/usr/bin:/bin"

function repository(t: TestContext): string {
  const work = realpathSync(mkdtempSync(join(tmpdir(), "guard-")))
  t.after(() => rmSync(work, { recursive: true, force: true }))
  execFileSync("git", ["init", "-q", work], { env: { PATH, HOME: work } })
  return work
}

test("the files are there while any command needs them, say what is so anyway, and are gone afterwards", (t) => {
  const work = repository(t)
  const before = readdirSync(join(work, ".git")).sort()
  const [first, second] = [guardGit(work), guardGit(work)]
  assert.deepEqual(first.paths, [join(work, ".git/commondir"), join(work, ".git/config.worktree")])
  const shown = execFileSync("git", ["-C", work, "rev-parse", "--is-inside-work-tree"], { env: { PATH, HOME: work } })
  assert.equal(String(shown), "true\n")
  first.release()
  first.release()
  assert.equal(readFileSync(join(work, ".git/commondir"), "utf8"), ".\n")
  second.release()
  assert.deepEqual(readdirSync(join(work, ".git")).sort(), before)
})

test("what a repository has already is kept as it is; what a kill left behind is taken up", (t) => {
  const work = repository(t)
  writeFileSync(join(work, ".git/config.worktree"), "[core]\n")
  writeFileSync(join(work, ".git/commondir"), ".\n")
  const guard = guardGit(work)
  assert.equal(guard.paths.length, 2)
  guard.release()
  assert.equal(readFileSync(join(work, ".git/config.worktree"), "utf8"), "[core]\n")
  assert.equal(existsSync(join(work, ".git/commondir")), false)
})

test("nothing is written where there is no .git, and one that is a link is refused with a way out", (t) => {
  const work = realpathSync(mkdtempSync(join(tmpdir(), "guard-")))
  const other = realpathSync(mkdtempSync(join(tmpdir(), "guard-")))
  t.after(() => [work, other].map((one) => rmSync(one, { recursive: true, force: true })))
  assert.deepEqual(guardGit(work).paths, [])
  symlinkSync(other, join(work, ".git"))
  assert.throws(() => guardGit(work), {
    code: "INVALID_PARAMS",
    message: new RegExp(`is a link, .* make it a file with the line "gitdir: ${other}"`),
  })
  assert.deepEqual(readdirSync(other), [])
})

test("a command cannot replace a .git that is a link: it does not run; with a read-only workspace it does", {
  skip,
}, async (t) => {
  const work = realpathSync(mkdtempSync(join(tmpdir(), "guard-")))
  t.after(() => rmSync(work, { recursive: true, force: true }))
  mkdirSync(join(work, "repo"))
  // Inside the workspace as well as outside of it.
  symlinkSync("repo", join(work, ".git"))
  const sandbox = openSandbox({ profile: "workspace", profiles: {}, uid: SANDBOX_UID }, { path: PATH, hidden: [] })
  t.after(() => sandbox.close())
  giveAway(work)
  const script = "rm -f .git; mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit; echo evil > repo/config"
  const program = { file: "/bin/sh", args: ["-c", script], cwd: work, env: { PATH } }
  await assert.rejects(sandbox.confine({ program, workspace: work, profile: sandbox.profile() }), /is a link/)
  const readOnly = { ...sandbox.profile(), workspace: "read-only" as const }
  const confined = await sandbox.confine({ program, workspace: work, profile: readOnly })
  const signal = new AbortController().signal
  const limits = { cwd: "/", timeoutMs: 30_000, maxChars: 9_000, signal }
  const run = await runProgram(confined.file, confined.args, { env: { ...confined.env }, ...limits })
  await confined.close()
  assert.match(run.output, /Read-only file system/)
  assert.deepEqual([readdirSync(work).sort(), readdirSync(join(work, "repo"))], [[".git", "repo"], []])
})

test("a command can change neither file, nor the one that says where a linked work tree's repository is", {
  skip,
}, async (t) => {
  const sandbox = openSandbox({ profile: "workspace", profiles: {}, uid: SANDBOX_UID }, { path: PATH, hidden: [] })
  t.after(() => sandbox.close())
  const run = async (work: string, command: string) => {
    giveAway(work)
    const program = { file: "/bin/sh", args: ["-c", command], cwd: work, env: { PATH } }
    const confined = await sandbox.confine({ program, workspace: work, profile: sandbox.profile() })
    const options = { env: { ...confined.env }, cwd: "/", timeoutMs: 30_000, maxChars: 9_000 }
    const { output } = await runProgram(confined.file, confined.args, {
      ...options,
      signal: new AbortController().signal,
    })
    await confined.close()
    assert.doesNotMatch(output, /^bwrap:/)
  }
  const work = repository(t)
  await run(
    work,
    "for f in .git/commondir .git/config.worktree; do echo ../evil > $f; rm -f $f; echo ../evil > $f; echo x > y; mv y $f; mv .git g; done",
  )
  assert.deepEqual(
    [existsSync(join(work, ".git/commondir")), existsSync(join(work, ".git/config.worktree"))],
    [false, false],
  )
  const linked = join(work, "linked")
  mkdirSync(linked)
  writeFileSync(join(linked, ".git"), "gitdir: /nowhere\n")
  await run(linked, "echo 'gitdir: ./evil' > .git; rm -f .git; echo x > y; mv y .git; mv .git z")
  assert.equal(readFileSync(join(linked, ".git"), "utf8"), "gitdir: /nowhere\n")
})

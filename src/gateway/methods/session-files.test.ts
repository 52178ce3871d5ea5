import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"

interface Any {
  [key: string]: Any
}

interface Opened extends MethodRoom {
  folder: string
}

async function open(t: TestContext): Promise<Opened> {
  const opened = await openMethodRoom({ script: () => say("Hello there") })
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "pincer-files-")))
  t.after(async () => {
    await opened.close()
    rmSync(folder, { recursive: true, force: true })
  })
  await opened.call("sessions.create", { key: "work", cwd: folder })
  return { ...opened, folder }
}

const refusal = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  if (text) assert.match(error.message, text)
  return true
}

const session = { sessionKey: "work" }

/** As if a turn had called a tool on a file. */
async function touch({ parts }: MethodRoom, kind: "read" | "edit", path: string) {
  const view = { kind, locations: [{ path }] }
  const event = { type: "tool.started" as const, callId: path, name: "X", args: {}, title: path, view }
  await parts.store.transcript.add("agent:main:work", "main", [event])
}

test("files that turns touched are listed, changed over read, and a folder can be looked through", async (t) => {
  const room = await open(t)
  const { call, folder } = room
  mkdirSync(join(folder, "src"))
  writeFileSync(join(folder, "src", "文件.ts"), "one\n")
  writeFileSync(join(folder, "b.ts"), "b")
  await touch(room, "edit", join(folder, "src", "文件.ts"))
  await touch(room, "read", join(folder, "src", "文件.ts"))
  await touch(room, "read", "/etc/hostname")
  await touch(room, "edit", join(folder, "gone.ts"))
  const { browser, files, root } = (await call("sessions.files.list", session)) as Any
  assert.equal(root, folder)
  assert.equal(browser, undefined)
  assert.deepEqual(
    (files as unknown as Record<string, unknown>[]).map(({ kind, missing, path, size }) => [path, kind, missing, size]),
    [
      ["gone.ts", "modified", true, undefined],
      ["/etc/hostname", "read", true, undefined],
      ["src/文件.ts", "modified", false, 4],
    ],
  )
  const looked = (await call("sessions.files.list", { ...session, path: "src" })) as Any
  assert.deepEqual(
    (looked["browser"]!["entries"] as unknown as Any[]).map(({ path, sessionKind }) => [path, sessionKind]),
    [["src/文件.ts", "modified"]],
  )
  const found = (await call("sessions.files.list", { ...session, search: "TS" })) as Any
  assert.deepEqual(
    (found["browser"]!["entries"] as unknown as Any[]).map(({ path }) => path),
    ["b.ts", "src/文件.ts"],
  )
})

test("one file is read and written back only as it was read, and nothing outside, no keys, no secrets", async (t) => {
  const room = await open(t)
  const { call, folder, parts } = room
  writeFileSync(join(folder, "a.txt"), "alt")
  const read = async (path: string) => ((await call("sessions.files.get", { ...session, path })) as Any)["file"]!
  const { content, hash } = await read(join(folder, "a.txt"))
  assert.equal(content, "alt")
  const write = (path: string, expectedHash: unknown, text = "neu") =>
    call("sessions.files.set", { ...session, path, content: text, expectedHash })
  const written = (await write("a.txt", hash)) as Any
  assert.deepEqual([written["file"]!["content"], written["file"]!["kind"]], ["neu", "modified"])
  await assert.rejects(write("a.txt", hash), refusal("CONFLICT", /changed in the meantime/))
  await assert.rejects(write("a.txt", ""), refusal("CONFLICT"))
  await write("new.txt", "")
  assert.equal(readFileSync(join(folder, "new.txt"), "utf8"), "neu")
  await assert.rejects(write("no/such/x.txt", ""), refusal("NOT_FOUND", /no\/such/))
  symlinkSync("/etc", join(folder, "out"))
  mkdirSync(join(folder, ".ssh"))
  writeFileSync(join(folder, ".ssh", "id"), "key")
  symlinkSync(join(folder, ".ssh", "id"), join(folder, "innocent"))
  await assert.rejects(read("../x"), refusal("INVALID_PARAMS", /outside/))
  await assert.rejects(read("out/hostname"), refusal("INVALID_PARAMS", /outside/))
  await assert.rejects(write("out/x", ""), refusal("NOT_FOUND"))
  assert.equal(existsSync("/etc/x"), false)
  for (const path of [".ssh/id", "innocent"]) await assert.rejects(read(path), refusal("PERMISSION_DENIED", /keys/))
  const listed = (await call("sessions.files.list", { ...session, path: "" })) as Any
  assert.ok(!JSON.stringify(listed["browser"]).includes(".ssh"))
  await assert.rejects(
    call(
      "sessions.files.set",
      { ...session, path: "a.txt", content: "", expectedHash: "" },
      { scopes: ["operator.write"] },
    ),
    refusal("PERMISSION_DENIED"),
  )
  const secret = `TOKEN=${"sk-test-0123456789abcdefghij"}`
  writeFileSync(join(folder, "env.txt"), secret)
  const shown = await read("env.txt")
  assert.equal(shown["redacted"], true)
  await assert.rejects(write("env.txt", shown["hash"]), refusal("CONFLICT", /secrets/))
  assert.equal(readFileSync(join(folder, "env.txt"), "utf8"), secret)
  // A folder that holds Pincer's home does not show it.
  await call("sessions.patch", { key: "work", cwd: join(parts.home, "..") })
  await assert.rejects(read(join(parts.home, "x")), refusal("PERMISSION_DENIED"))
  await assert.rejects(call("sessions.files.list", { key: "none" }), refusal("NOT_FOUND"))
})

test("sessions.diff shows what is different, and runs nothing that the checkout names", async (t) => {
  const { call, folder, parts } = await open(t)
  const ask = async (params: Record<string, unknown> = {}) =>
    (await call("sessions.diff", { ...session, ...params })) as Any
  assert.equal((await ask())["unavailableReason"], "not_git")
  assert.equal((await ask({ sessionKey: "none" }))["unavailableReason"], "unknown_session")
  await assert.rejects(ask({ scope: "commit" }), refusal("INVALID_PARAMS", /belong together/))
  await assert.rejects(ask({ scope: "commit", commit: "--output=/tmp/x" }), refusal("INVALID_PARAMS", /digits/))
  const { available, detail } = await parts.sandbox.report()
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...args], {
      cwd: folder,
      stdio: "pipe",
    }).toString()
  git("init", "-q", "-b", "trunk")
  if (!available) {
    await assert.rejects(ask(), refusal("UNAVAILABLE"))
    process.stderr.write(`NOT TESTED: sessions.diff in a checkout: no sandbox here (${detail})\n`)
    return
  }
  if (process.getuid?.() === 0) {
    chmodSync(folder, 0o700)
    await assert.rejects(ask(), refusal("UNAVAILABLE", /git cannot read/))
  }
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, "a.txt"), "one\ntwo\n")
  writeFileSync(join(folder, "old name.txt"), "the same text in both\nof them, long enough\n")
  git("add", "-A")
  assert.equal((await ask())["files"]!["length"], 2, "all is new before there is a commit")
  git("commit", "-qm", "First 你好")
  const sha = git("rev-parse", "HEAD").trim()
  git("mv", "old name.txt", "新 name.txt")
  writeFileSync(join(folder, "a.txt"), "one\n2\n3\n")
  writeFileSync(join(folder, "fresh.txt"), "x\ny\n")
  writeFileSync(join(folder, "blob.bin"), Buffer.from([0, 1, 2]))
  const ran = join(folder, "..", `ran-${process.pid}`)
  git("config", "core.fsmonitor", `touch ${ran}; false`)
  git("config", "diff.external", `touch ${ran}`)
  git("config", "filter.evil.clean", `touch ${ran}; cat`)
  writeFileSync(join(folder, ".git", "info", "attributes"), "a.txt filter=evil diff=evil\n")
  git("config", "diff.evil.textconv", `touch ${ran}; cat`)
  const all = await ask({ scope: "uncommitted" })
  assert.equal(existsSync(ran), false, "nothing of the checkout's own ran outside")
  assert.equal(all["branch"], "trunk")
  assert.deepEqual(
    (all["files"] as unknown as Any[])
      .map(({ additions, binary, deletions, path, status, untracked }) => [
        path,
        status,
        additions,
        deletions,
        untracked ?? binary,
      ])
      .sort(),
    [
      ["a.txt", "modified", 2, 1, undefined],
      ["blob.bin", "added", 0, 0, true],
      ["fresh.txt", "added", 2, 0, true],
      ["新 name.txt", "renamed", 0, 0, undefined],
    ],
  )
  const changed = (all["files"] as unknown as Any[]).find(({ path }) => String(path) === "a.txt")
  assert.match(String(changed!["patch"]), /^diff --git a\/a\.txt[\s\S]*\+2\n\+3\n/)
  assert.deepEqual([all["additions"], all["deletions"]], [4, 1])
  const one = await ask({ scope: "commit", commit: sha.slice(0, 8) })
  assert.equal(one["files"]!["length"], 2)
  assert.equal((await ask({ scope: "commit", commit: "deadbeef" }))["unavailableReason"], "unknown_commit")
})

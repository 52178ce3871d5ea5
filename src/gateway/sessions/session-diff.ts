// What is different in a git checkout. git reads its configuration from the checkout, which agents may write, and runs what that names: so
// it runs confined, without network, and cannot write. Without a sandbox nothing is shown. Sizes are bounded.
import { readFile, stat } from "node:fs/promises"
import { dirname, isAbsolute, join, resolve } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { runProgram } from "../../base/process.ts"
import { cut } from "../../base/text.ts"
import { readWorkspaceFile } from "../agents/agent-files.ts"
import type { Parts } from "../parts.ts"
import { mayHoldKeys } from "./session-files.ts"

type Reason = "not_git" | "unknown_commit"

export interface DiffFile {
  path: string
  oldPath?: string
  status: "added" | "modified" | "deleted" | "renamed"
  additions: number
  deletions: number
  binary?: true
  untracked?: true
  patch?: string
  truncated?: true
}

interface Commit {
  sha: string
  subject: string
}

export interface CheckoutDiff {
  root: string
  branch?: string
  baseRef?: string
  aheadCount?: number
  commits?: Commit[]
  mergeBase?: Commit
  files: DiffFile[]
  additions: number
  deletions: number
  truncated?: true
}

const TIMEOUT_MS = 20_000
const MAX_OUTPUT = 4_000_000
const MAX_PATCH = 100_000
const MAX_FILES = 500
const MAX_COMMITS = 50
/** What git calls a tree that holds nothing. */
const NOTHING = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
const QUIET = [
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "diff.external=",
  "safe.directory=*",
  "core.quotePath=false",
]

interface Said {
  ok: boolean
  out: string
  /** What it complained about. */
  err: string
  /** There was more. */
  full: boolean
}

type Git = (...args: string[]) => Promise<Said>

/** Throws UNAVAILABLE, with what to install, where nothing can be confined; TIMEOUT when git takes too long. */
export async function diffOf(
  folder: string,
  asked: { scope: "all" | "uncommitted" | "commit"; commit?: string | undefined },
  parts: Pick<Parts, "sandbox">,
  signal: AbortSignal,
): Promise<CheckoutDiff | Reason> {
  const top = await topOf(folder)
  if (!top) return "not_git"
  const git = gitIn(top, parts, signal)
  const readable = await git("rev-parse", "--git-dir")
  if (!readable.ok)
    throw new PincerError("UNAVAILABLE", `git cannot read ${top.root} in the sandbox: ${readable.err}`, {
      retryable: false,
    })
  const head = await git("rev-parse", "--verify", "--quiet", "HEAD")
  const branch = (await git("symbolic-ref", "--quiet", "--short", "HEAD")).out.trim()
  const base = { root: top.root, ...(branch === "" ? {} : { branch }) }
  if (asked.scope === "commit") {
    const known = await git("rev-parse", "--verify", "--quiet", `${asked.commit}^{commit}`)
    if (!known.ok) return "unknown_commit"
    const sha = known.out.trim()
    const parent = await git("rev-parse", "--verify", "--quiet", `${sha}^1`)
    return { ...base, ...(await changes(git, [parent.ok ? parent.out.trim() : NOTHING, sha])) }
  }
  const since = asked.scope === "all" && head.ok ? await leftFrom(git) : undefined
  const from = since?.mergeBase.sha ?? (head.ok ? "HEAD" : NOTHING)
  const found = await changes(git, [from])
  const files = [...found.files, ...(await untracked(git, top.root, found.files.length))]
  return { ...base, ...since, ...sums(files), ...(found.truncated ? { truncated: true } : {}) }
}

interface Checkout {
  root: string
  /** Folders of git's own that lie elsewhere (worktrees, submodules). */
  own: string[]
}

async function topOf(folder: string): Promise<Checkout | undefined> {
  for (let root = folder; ; root = dirname(root)) {
    const place = join(root, ".git")
    const found = await stat(place).catch(() => undefined)
    if (found?.isDirectory()) return { root, own: [] }
    if (found?.isFile()) return { root, own: await elsewhere(root, place) }
    if (root === dirname(root)) return undefined
  }
}

async function elsewhere(root: string, file: string): Promise<string[]> {
  const named = /^gitdir: (.+)$/m.exec(await readFile(file, "utf8").catch(() => ""))?.[1]?.trim()
  if (named === undefined) return []
  const own = resolve(root, named)
  const shared = await readFile(join(own, "commondir"), "utf8").catch(() => "")
  const common = shared.trim() === "" ? own : resolve(own, shared.trim())
  const real = await Promise.all([...new Set([own, common])].map(async (one) => ((await isGitFolder(one)) ? one : "")))
  return real.filter((one) => one !== "" && isAbsolute(one))
}

const isGitFolder = (folder: string) =>
  stat(join(folder, "HEAD")).then(
    (found) => found.isFile(),
    () => false,
  )

function gitIn({ own, root }: Checkout, { sandbox }: Pick<Parts, "sandbox">, signal: AbortSignal): Git {
  const { limits } = sandbox.profile()
  const profile = {
    ...{ name: "git", limits, workspace: "read-only" as const, read: own, write: [], network: [], loopbackPorts: [] },
  }
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin",
    HOME: "/nonexistent",
    LC_ALL: "C.UTF-8",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
  }
  return async (...args) => {
    const all = ["--no-pager", ...QUIET.flatMap((setting) => ["-c", setting]), ...args]
    const confined = await sandbox.confine({
      program: { file: "git", args: all, cwd: root, env },
      workspace: root,
      profile,
    })
    try {
      return await collected(confined, signal)
    } finally {
      await confined.close()
    }
  }
}

async function collected(
  confined: { file: string; args: readonly string[]; cwd: string; env: Readonly<Record<string, string>> },
  signal: AbortSignal,
) {
  const chunks: Buffer[] = []
  let err = ""
  let length = 0
  const full = new AbortController()
  const ran = await runProgram(confined.file, confined.args, {
    cwd: confined.cwd,
    env: { ...confined.env },
    signal: AbortSignal.any([signal, full.signal]),
    timeoutMs: TIMEOUT_MS,
    maxChars: 0,
    take(from, bytes) {
      if (from === "stderr") err = cut(err + bytes.toString("utf8"), 500)
      if (from === "stderr" || full.signal.aborted) return
      length += bytes.length
      chunks.push(bytes)
      if (length > MAX_OUTPUT) full.abort()
    },
  })
  if (ran.timedOut) throw new PincerError("TIMEOUT", `git was not done within ${TIMEOUT_MS / 1000} s`)
  const out = Buffer.concat(chunks).toString("utf8")
  return { ok: ran.exitCode === 0, out: cut(out, MAX_OUTPUT), err: err.trim(), full: full.signal.aborted }
}

/** Where the branch left what it follows. Undefined when it follows nothing. */
async function leftFrom(
  git: Git,
): Promise<(Pick<CheckoutDiff, "aheadCount" | "baseRef" | "commits"> & { mergeBase: Commit }) | undefined> {
  for (const name of ["@{upstream}", "refs/remotes/origin/HEAD"]) {
    const baseRef = (await git("rev-parse", "--abbrev-ref", "--verify", "--quiet", name)).out.trim()
    const mergeBase = baseRef === "" ? undefined : await git("merge-base", "HEAD", name)
    if (!mergeBase?.ok) continue
    const sha = mergeBase.out.trim()
    const count = Number((await git("rev-list", "--count", `${sha}..HEAD`)).out.trim())
    const [base] = commitsIn((await git("log", "-1", "--format=%H%x00%s%x00", sha)).out)
    const log = await git("log", `-${MAX_COMMITS}`, "--format=%H%x00%s%x00", `${sha}..HEAD`)
    return { baseRef, aheadCount: count, commits: commitsIn(log.out), mergeBase: base ?? { sha, subject: "" } }
  }
  return undefined
}

function commitsIn(text: string): Commit[] {
  const fields = text.split("\0").map((field) => field.replace(/^\n/, ""))
  const commits: Commit[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) commits.push({ sha: fields[i]!, subject: cut(fields[i + 1]!, 300) })
  return commits
}

const PLAIN = ["--no-ext-diff", "--no-textconv", "--no-color", "--find-renames"]

async function changes(git: Git, between: string[]): Promise<Omit<CheckoutDiff, "root">> {
  const names = await git("diff", ...PLAIN, "--name-status", "-z", ...between, "--")
  const numbers = await git("diff", ...PLAIN, "--numstat", "-z", ...between, "--")
  const patches = await git("diff", ...PLAIN, "--patch", ...between, "--")
  const counts = countsIn(numbers.out)
  const texts = patchesIn(patches.out)
  const all = namesIn(names.out)
  const files = all.slice(0, MAX_FILES).map((file, i): DiffFile => {
    const { additions = 0, binary, deletions = 0 } = counts.get(file.path) ?? {}
    // Where the output ended early the last patch is cut, and those after it are missing.
    const patch = texts[i]
    const isCut = patch === undefined || patch.length > MAX_PATCH || (patches.full && i === texts.length - 1)
    return {
      ...file,
      additions,
      deletions,
      ...(binary ? { binary } : {}),
      ...(patch === undefined || binary ? {} : { patch: cut(patch, MAX_PATCH) }),
      ...(isCut && !binary ? { truncated: true as const } : {}),
    }
  })
  const isCut = names.full || numbers.full || patches.full || all.length > files.length
  return { ...sums(files), ...(isCut ? { truncated: true } : {}) }
}

function sums(files: DiffFile[]) {
  const sum = (of: "additions" | "deletions") => files.reduce((all, file) => all + file[of], 0)
  return { files, additions: sum("additions"), deletions: sum("deletions") }
}

type Named = Pick<DiffFile, "path" | "oldPath" | "status">

/** Status, path; of a renamed file its old path before it. */
function namesIn(text: string): Named[] {
  const fields = text.split("\0")
  const files: Named[] = []
  for (let i = 0; i + 1 < fields.length; ) {
    const letter = fields[i]![0]
    if (letter === "R" || letter === "C") {
      const [oldPath, path] = [fields[i + 1]!, fields[i + 2] ?? ""]
      files.push(letter === "R" ? { path, oldPath, status: "renamed" } : { path, status: "added" })
      i += 3
    } else {
      const status = letter === "A" ? "added" : letter === "D" ? "deleted" : "modified"
      files.push({ path: fields[i + 1]!, status })
      i += 2
    }
  }
  return files
}

function countsIn(text: string): Map<string, { additions: number; deletions: number; binary?: true }> {
  const counts = new Map<string, { additions: number; deletions: number; binary?: true }>()
  const fields = text.split("\0")
  for (let i = 0; i < fields.length; i++) {
    const [added = "", deleted = "", path = ""] = fields[i]!.split("\t")
    if (deleted === "") continue
    // Of a renamed file both paths follow.
    const name = path === "" ? (fields[(i += 2)] ?? "") : path
    counts.set(
      name,
      added === "-"
        ? { additions: 0, deletions: 0, binary: true }
        : { additions: Number(added), deletions: Number(deleted) },
    )
  }
  return counts
}

/** One for each file, in git's order. */
function patchesIn(text: string): string[] {
  return text === "" ? [] : text.split(/^(?=diff --git )/m)
}

async function untracked(git: Git, root: string, before: number): Promise<DiffFile[]> {
  const { out } = await git("ls-files", "--others", "--exclude-standard", "-z")
  const paths = out.split("\0").filter((path) => path !== "")
  return Promise.all(paths.slice(0, Math.max(0, MAX_FILES - before)).map((path) => newFile(root, path)))
}

async function newFile(root: string, path: string): Promise<DiffFile> {
  const base = { path, status: "added" as const, untracked: true as const, deletions: 0 }
  if (mayHoldKeys(path)) return { ...base, additions: 0, truncated: true }
  const found = await readWorkspaceFile(root, path).catch((error: unknown) => {
    if (error instanceof PincerError) return undefined
    throw error
  })
  if (!found) return { ...base, additions: 0, truncated: true }
  if (found.encoding === "base64") return { ...base, additions: 0, binary: true }
  const lines = found.content === "" ? [] : found.content.replace(/\n$/, "").split("\n")
  const patch = `--- /dev/null\n+++ b/${path}\n@@ -0,0 +1,${lines.length} @@\n${lines.map((line) => `+${line}\n`).join("")}`
  return {
    ...base,
    additions: lines.length,
    patch: cut(patch, MAX_PATCH),
    ...(patch.length > MAX_PATCH ? { truncated: true } : {}),
  }
}

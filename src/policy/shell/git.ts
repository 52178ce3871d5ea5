// Git runs other programs by its options, by aliases, by what a repository's own configuration says, and by its hooks; whoever can
// write into a repository can so make `git status` run anything. Options and subcommands go by closed lists; configuration that is more
// than names and addresses counts as code; active hooks are scripts whose content is part of what is judged.
import { dirname, join } from "node:path"
import type { Disk } from "./disk.ts"
import type { Words } from "./knowledge.ts"
import { realTarget } from "./places.ts"

const PLAIN_OPTIONS: ReadonlySet<string> = new Set([
  "--no-pager",
  "-P",
  "--no-optional-locks",
  "--literal-pathspecs",
  "--version",
])

/** Subcommands that are git's own and run nothing but hooks and what the configuration says. Others may be aliases or programs. */
const SUBCOMMANDS: ReadonlySet<string> = new Set([
  ...[
    "add",
    "am",
    "apply",
    "blame",
    "branch",
    "cat-file",
    "check-ignore",
    "checkout",
    "cherry-pick",
    "clean",
    "clone",
    "commit",
  ],
  ...[
    "count-objects",
    "describe",
    "diff",
    "diff-tree",
    "fetch",
    "for-each-ref",
    "format-patch",
    "fsck",
    "gc",
    "grep",
    "init",
    "log",
  ],
  ...[
    "ls-files",
    "ls-remote",
    "ls-tree",
    "merge",
    "merge-base",
    "mv",
    "name-rev",
    "notes",
    "pull",
    "push",
    "range-diff",
    "reflog",
  ],
  ...[
    "remote",
    "reset",
    "restore",
    "rev-list",
    "rev-parse",
    "revert",
    "rm",
    "shortlog",
    "show",
    "show-ref",
    "stash",
    "status",
    "switch",
  ],
  ...["tag", "version", "whatchanged", "worktree"],
])
const RUNS: readonly string[] = [
  "--upload-pack",
  "--receive-pack",
  "--exec",
  "--open-files-in-pager",
  "--ext-diff",
  "--textconv",
  "--template",
  "--config",
  "--gpg-sign",
  "--server-option",
  "--separate-git-dir",
  "--output",
]
const WRITERS: ReadonlySet<string> = new Set([
  ...[
    "add",
    "am",
    "apply",
    "checkout",
    "cherry-pick",
    "clean",
    "clone",
    "commit",
    "fetch",
    "gc",
    "init",
    "merge",
    "mv",
    "notes",
    "pull",
  ],
  ...["push", "reset", "restore", "revert", "rm", "stash", "switch", "format-patch", "worktree"],
])

export interface GitFinding {
  interprets?: string
  /** Absolute paths of active hooks. */
  scripts: string[]
  writes: boolean
  /** Where it works; `-C` leads elsewhere. */
  folder: string
}

export async function gitFinding(args: Words, cwd: string, home: string | undefined, disk: Disk): Promise<GitFinding> {
  let folder = cwd
  let at = 0
  for (; at < args.length; at++) {
    const word = args[at]
    if (word === "-C" && typeof args[at + 1] === "string") {
      const target = await realTarget(args[++at]!, folder, disk)
      if (target === null) return code("git -C", folder)
      folder = target
    } else if (typeof word !== "string" || (word.startsWith("-") && !PLAIN_OPTIONS.has(word))) {
      return code(`git ${(word ?? "…").slice(0, 40)}`, folder)
    } else if (!word.startsWith("-")) break
  }
  const sub = args[at]
  if (typeof sub !== "string") return { scripts: [], writes: false, folder }
  const why = whySubcommandRuns(sub, args.slice(at + 1))
  if (why !== undefined) return code(`git ${why}`, folder)
  if (["version", "init", "clone"].includes(sub)) return { scripts: [], writes: sub !== "version", folder }
  const repository = await repositoryOf(folder, home, disk)
  if (repository.runs !== undefined) return code(`git with ${repository.runs}`, folder)
  return { scripts: repository.hooks, writes: WRITERS.has(sub), folder }
}

function code(interprets: string, folder: string): GitFinding {
  return { interprets, scripts: [], writes: true, folder }
}

function whySubcommandRuns(sub: string, rest: Words): string | undefined {
  if (!SUBCOMMANDS.has(sub)) return sub.slice(0, 40)
  for (const word of rest) {
    if (word === null) continue
    const option = word.split("=", 1)[0]!
    if (option.length > 3 && RUNS.some((one) => one.startsWith(option))) return `${sub} ${option}`
    if ((sub === "grep" && /^-[a-zA-Z]*O/.test(word)) || (sub === "clone" && /^-[a-z]*[uc]/.test(word)))
      return `${sub} ${word.slice(0, 40)}`
    // A transport of its own: "ext::sh -c …".
    if (/^[a-z][a-z0-9+-]*::/i.test(word)) return `${sub} with the transport ${word.slice(0, 40)}`
  }
  if (rest.includes(null) && ["clone", "fetch", "pull", "push", "ls-remote", "grep"].includes(sub)) return `${sub} …`
  return undefined
}

interface Repository {
  runs?: string
  hooks: string[]
}

/** The repository that git would find from here, as it looks upward. */
async function repositoryOf(folder: string, home: string | undefined, disk: Disk): Promise<Repository> {
  for (let at = folder; ; at = dirname(at)) {
    const gitDir = await gitDirOf(at, disk)
    if (gitDir === "unreadable") return { runs: `an unusual .git in ${at}`, hooks: [] }
    if (gitDir !== undefined) return inspect(gitDir, at, home, disk)
    if (at === dirname(at)) return { hooks: [] }
  }
}

async function gitDirOf(folder: string, disk: Disk): Promise<string | "unreadable" | undefined> {
  const entry = await disk.look(join(folder, ".git"))
  if (entry?.type === "folder") return join(folder, ".git")
  if (entry?.type === "file") {
    const text = (await disk.read(join(folder, ".git"), 4_096))?.toString("utf8")
    const target = /^gitdir: ([^\n]+)\n?$/.exec(text ?? "")
    return target ? ((await realTarget(target[1]!, folder, disk)) ?? "unreadable") : "unreadable"
  }
  if (entry !== null) return "unreadable"
  // A bare repository may stand anywhere, also among checked-in files.
  const [head, objects, refs] = await Promise.all(
    ["HEAD", "objects", "refs"].map((name) => disk.look(join(folder, name))),
  )
  return head && objects && refs ? folder : undefined
}

async function inspect(gitDir: string, top: string, home: string | undefined, disk: Disk): Promise<Repository> {
  const shared = (await disk.read(join(gitDir, "commondir"), 4_096))?.toString("utf8").trim()
  const common = shared === undefined ? gitDir : await realTarget(shared, gitDir, disk)
  if (common === null) return { runs: "an unusual commondir", hooks: [] }
  const configs = [join(common, "config"), join(gitDir, "config.worktree")]
  // A working folder around the home folder may hold the user's own configuration.
  if (home !== undefined && (home === top || home.startsWith(`${top}/`)))
    configs.push(join(home, ".gitconfig"), join(home, ".config/git/config"))
  for (const path of configs) {
    const runs = await whyConfigRuns(path, disk)
    if (runs !== undefined) return { runs: `${runs} in ${path}`, hooks: [] }
  }
  if (await mayHoldSubmodules(gitDir, disk))
    return { runs: "submodules, which have a configuration of their own", hooks: [] }
  const names = (await disk.list(join(common, "hooks"))) ?? []
  const hooks: string[] = []
  for (const name of names.filter((one) => !one.endsWith(".sample")).sort()) {
    if ((await disk.look(join(common, "hooks", name)))?.executable) hooks.push(join(common, "hooks", name))
  }
  return { hooks }
}

/** Keys that only hold names, addresses and habits. */
const PLAIN_KEYS: readonly RegExp[] = [
  /^core\.(?:repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|autocrlf|eol|safecrlf|quotepath|abbrev|untrackedcache|preloadindex|longpaths)$/,
  /^(?:remote|branch)\.[^\n]*\.(?:url|pushurl|fetch|push|remote|merge|rebase|tagopt|prune|description|pushremote|gh-merge-base|vscode-merge-base)$/,
  /^(?:user\.(?:name|email)|init\.defaultbranch|pull\.(?:rebase|ff)|push\.(?:default|autosetupremote)|fetch\.prune|merge\.(?:ff|conflictstyle)|commit\.gpgsign|gc\.auto|color\.[a-z.]+|advice\.[a-z]+|rerere\.enabled|lfs\.repositoryformatversion|extensions\.objectformat|index\.version|feature\.manyfiles)$/,
]

async function whyConfigRuns(path: string, disk: Disk): Promise<string | undefined> {
  const content = await disk.read(path, 262_144)
  if (content === null) return (await disk.look(path)) === null ? undefined : "a configuration that cannot be read"
  if (content.length === 262_144) return "a very long configuration"
  let section = ""
  for (const raw of content.toString("utf8").split("\n")) {
    const line = raw.trim()
    if (line === "" || line.startsWith("#") || line.startsWith(";")) continue
    const header = /^\[([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\["\\])*)")?\]$/.exec(line)
    if (header) {
      section = header[2] === undefined ? header[1]!.toLowerCase() : `${header[1]!.toLowerCase()}.${header[2]}`
      continue
    }
    const pair = /^([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?$/.exec(line)
    if (!pair || line.endsWith("\\")) return `a line that is not understood ("${line.slice(0, 60)}")`
    const key = `${section}.${pair[1]!.toLowerCase()}`
    if (!PLAIN_KEYS.some((one) => one.test(key))) return key
    if (/^"?[a-z][a-z0-9+-]*::/i.test(pair[2] ?? "")) return `${key} with a transport of its own`
  }
  return undefined
}

/** Whether the index holds an entry of the kind "a repository of its own" (mode 160000). */
async function mayHoldSubmodules(gitDir: string, disk: Disk): Promise<boolean> {
  const limit = 64 * 1024 * 1024
  if ((await disk.look(join(gitDir, "index"))) === null) return false
  // A buffer as big as the limit only when the file is that big: most are read at the first try.
  for (const size of [1024 * 1024, limit]) {
    const index = await disk.read(join(gitDir, "index"), size)
    if (index === null) return true
    if (index.length < size) return index.includes(Buffer.from([0, 0, 0xe0, 0]))
  }
  return true
}

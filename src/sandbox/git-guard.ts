// Two files of a repository from which git would read settings, and so run programs, that a repository mostly does not have: what is not
// there cannot be mounted read-only. While a command runs they are there, saying what is so anyway; afterwards they are gone again.
import { lstatSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../base/errors.ts"

/** "commondir" leads git to another folder for its settings ("." is the folder itself); the other adds to them. */
const GUARDS: Readonly<Record<string, string>> = { commondir: ".\n", "config.worktree": "" }

/** How many running commands need each file that we made. */
const held = new Map<string, number>()

export interface GitGuard {
  /** Files to be mounted read-only. */
  paths: readonly string[]
  release(): void
}

/**
 * For the .git of a workspace that can be written. A .git that is a file or not there has nothing to guard here. Throws INVALID_PARAMS
 * for one that is a link.
 */
export function guardGit(workspace: string): GitGuard {
  const git = join(workspace, ".git")
  refuseLink(git)
  if (!isOwnFolder(git)) return { paths: [], release: () => undefined }
  const paths = Object.keys(GUARDS).map((name) => join(git, name))
  const ours = Object.entries(GUARDS).filter(([name, text]) => hold(join(git, name), text))
  let released = false
  return {
    paths: paths.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isFile()),
    release() {
      if (released) return
      released = true
      for (const [name, text] of ours) letGo(join(git, name), text, git)
    },
  }
}

/** What a link leads to can be guarded, the link itself cannot: a command would put a repository of its own in its place. */
export function refuseLink(git: string): void {
  if (!lstatSync(git, { throwIfNoEntry: false })?.isSymbolicLink()) return
  const target = readlinkSync(git)
  throw new PincerError(
    "INVALID_PARAMS",
    `${git} is a link, which commands could replace by a repository that runs programs of theirs, so nothing was run: ` +
      `make it a file with the line "gitdir: ${target}", or use a profile with a read-only workspace`,
  )
}

/** True when the file is one that we made, now or for another command, or left behind when we were killed. */
function hold(path: string, text: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) {
    if (!tryWrite(path, text)) return false
  } else if (!found.isFile() || (!held.has(path) && readFileSync(path, "utf8") !== text)) return false
  held.set(path, (held.get(path) ?? 0) + 1)
  return true
}

/** False where we may not write: then no command of ours may. */
function tryWrite(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o644 })
    return true
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined
    if (code === "EACCES" || code === "EROFS" || code === "EPERM") return false
    throw error
  }
}

function letGo(path: string, text: string, git: string): void {
  const others = (held.get(path) ?? 1) - 1
  if (others > 0) return void held.set(path, others)
  held.delete(path)
  if (!isOwnFolder(git) || !lstatSync(path, { throwIfNoEntry: false })?.isFile()) return
  if (readFileSync(path, "utf8") === text) rmSync(path, { force: true })
}

function isOwnFolder(git: string): boolean {
  return lstatSync(git, { throwIfNoEntry: false })?.isDirectory() === true && realpathSync(git) === git
}

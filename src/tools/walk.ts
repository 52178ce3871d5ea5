// Walking a tree for Glob and Grep, inside their thread: bounded, sorted, never out of it through a symlink, leaving out what
// .gitignore names.
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from "node:fs"
import { dirname, join, relative } from "node:path"
import ignoreModule, { type Ignore } from "ignore"
import { PincerError } from "../base/errors.ts"
import { hasHandlePaths } from "./folder.ts"
import { reasonOf } from "./paths.ts"

/** Left out unless the walk starts inside of them. */
const SKIPPED = new Set([".git", "node_modules", ".hg", ".svn", "__pycache__", ".venv"])
/** Windows on the kernel, not files: other processes' secrets, endless streams. */
const KERNEL = new Set(["/proc", "/sys", "/dev"])
const MAX_ENTRIES = 100_000
const MAX_DEPTH = 40
const MAX_IGNORE_BYTES = 1_000_000

// The package is CommonJS: its function is both the module and its default.
const makeIgnore = ignoreModule as unknown as () => Ignore

export interface Walk {
  /** Files below the root, as paths relative to it, sorted. */
  files: string[]
  /** True when the tree was too large to see all of it. */
  cut: boolean
}

interface Rules {
  /** Folder of the .gitignore. */
  base: string
  rules: Ignore
}

/** `top`: the folder from which on .gitignore files count (the working directory), when the root lies below it. */
export function walkFiles(root: string, top: string): Walk {
  const walk: Walk = { files: [], cut: false }
  let seen = 0
  const visit = (folder: string, depth: number, above: readonly Rules[]): void => {
    const entries = entriesOf(join(root, folder), depth === 0)
    const own = entries.some((entry) => entry.name === ".gitignore") ? rulesOf(join(root, folder)) : undefined
    const rules = own ? [...above, own] : above
    entries.sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) {
      seen += 1
      if (seen > MAX_ENTRIES) walk.cut = true
      if (walk.cut) return
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      // Links are neither followed nor listed: what they point to may lie anywhere.
      if (entry.isDirectory()) {
        if (SKIPPED.has(entry.name) || KERNEL.has(join(root, path)) || ignored(rules, `${join(root, path)}/`)) continue
        if (depth < MAX_DEPTH) visit(path, depth + 1, rules)
        else walk.cut = true
      } else if (entry.isFile() && !ignored(rules, join(root, path))) walk.files.push(path)
    }
  }
  visit("", 0, rulesAbove(root, top))
  return walk
}

/** Reads a folder through its handle where that is possible, so that it is the very folder and not what a link put in its place. */
function entriesOf(folder: string, isRoot: boolean): Dirent[] {
  try {
    if (!hasHandlePaths) return readdirSync(folder, { withFileTypes: true })
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    try {
      return isAt(fd, folder) ? readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true }) : []
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (isRoot) throw new PincerError("INVALID_PARAMS", `The folder cannot be read: ${reasonOf(error)}`)
    // A folder below that cannot be read (any more) is no reason to lose the rest.
    if (!(error instanceof Error && "code" in error)) throw error
    return []
  }
}

/** True when the open file is the one at this real path; where that cannot be asked, true. */
export function isAt(fd: number, path: string): boolean {
  return !hasHandlePaths || readlinkSync(`/proc/self/fd/${fd}`) === path
}

function rulesOf(folder: string): Rules | undefined {
  try {
    const fd = openSync(join(folder, ".gitignore"), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stat = fstatSync(fd)
      if (!stat.isFile() || stat.size > MAX_IGNORE_BYTES) return undefined
      return { base: `${folder}/`, rules: makeIgnore().add(readFileSync(fd, "utf8")) }
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined
    throw error
  }
}

/** The rules of the folders between `top` and the root. Whoever names an ignored folder means it: then they do not count. */
function rulesAbove(root: string, top: string): Rules[] {
  const inside = relative(top, root)
  if (inside === "" || inside.startsWith("..")) return []
  const rules: Rules[] = []
  for (let folder = dirname(root); ; folder = dirname(folder)) {
    const own = rulesOf(folder)
    if (own) rules.unshift(own)
    if (folder === top || folder === dirname(folder)) break
  }
  return ignored(rules, `${root}/`) ? [] : rules
}

function ignored(all: readonly Rules[], path: string): boolean {
  return all.some(
    ({ base, rules }) => path.startsWith(base) && path.length > base.length && rules.ignores(path.slice(base.length)),
  )
}

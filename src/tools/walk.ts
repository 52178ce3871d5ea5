// Walking a tree for Glob and Grep: bounded, sorted, never out of it through a symlink, leaving out what .gitignore names.
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import ignoreModule, { type Ignore } from "ignore"
import { isMissing } from "./paths.ts"

/** Left out unless the walk starts inside of them. */
const SKIPPED = new Set([".git", "node_modules", ".hg", ".svn", "__pycache__", ".venv"])
const MAX_ENTRIES = 100_000
const MAX_DEPTH = 40

// The package is CommonJS: its function is both the module and its default.
const makeIgnore = ignoreModule as unknown as () => Ignore

export interface Walk {
  /** Files below the root, as paths relative to it, sorted. */
  files: string[]
  /** True when the tree was too large to see all of it. */
  cut: boolean
}

interface Rules {
  /** Folder of the .gitignore, relative to the root. */
  base: string
  rules: Ignore
}

export async function walkFiles(root: string, signal: AbortSignal): Promise<Walk> {
  const walk: Walk = { files: [], cut: false }
  let seen = 0
  const visit = async (folder: string, depth: number, above: readonly Rules[]): Promise<void> => {
    if (depth > MAX_DEPTH || walk.cut) return
    signal.throwIfAborted()
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => [])
    const own = entries.some((entry) => entry.name === ".gitignore") ? await rulesOf(root, folder) : undefined
    const rules = own ? [...above, own] : above
    entries.sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) {
      seen += 1
      if (seen > MAX_ENTRIES) {
        walk.cut = true
        return
      }
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      // Links are neither followed nor listed: what they point to may lie anywhere.
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name) && !ignored(rules, `${path}/`)) await visit(path, depth + 1, rules)
      } else if (entry.isFile() && !ignored(rules, path)) walk.files.push(path)
    }
  }
  await visit("", 0, [])
  return walk
}

async function rulesOf(root: string, folder: string): Promise<Rules | undefined> {
  try {
    const text = await readFile(join(root, folder, ".gitignore"), "utf8")
    return { base: folder === "" ? "" : `${folder}/`, rules: makeIgnore().add(text) }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function ignored(all: readonly Rules[], path: string): boolean {
  return all.some(
    ({ base, rules }) => path.startsWith(base) && path.length > base.length && rules.ignores(path.slice(base.length)),
  )
}

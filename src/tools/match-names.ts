// Which files of a tree a glob pattern names. Runs in a thread: patterns and ignore rules can be written so that they never end.
import { matchesGlob } from "node:path"
import { walkFiles } from "./walk.ts"

export interface NamesTask {
  root: string
  /** See walkFiles(). */
  top: string
  /** A pattern without a slash matches names at any depth. */
  pattern: string
}

export interface NamesFound {
  /** Relative to the root, sorted. */
  files: string[]
  /** True when the tree was too large to see all of it. */
  cut: boolean
}

export function matchNames({ root, top, pattern }: NamesTask): NamesFound {
  const { files, cut } = walkFiles(root, top)
  return { files: files.filter((file) => isNamed(file, pattern)), cut }
}

export function isNamed(file: string, pattern: string): boolean {
  return matchesGlob(file, pattern.includes("/") ? pattern.replace(/^\.?\//, "") : `**/${pattern}`)
}

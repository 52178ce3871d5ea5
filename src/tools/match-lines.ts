// Which lines of a tree or file match a regular expression. Runs in a thread, synchronous: it is ended from outside.
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { isNamed } from "./match-names.ts"
import { printed } from "./paths.ts"
import { isAt, walkFiles } from "./walk.ts"

export interface LinesTask {
  /** A real path: a folder, or one file. */
  target: string
  isFolder: boolean
  /** See walkFiles(). */
  top: string
  /** Only files that this pattern names. */
  glob: string | undefined
  pattern: string
  flags: string
  mode: "content" | "files" | "count"
  /** Lines of context around each match. */
  around: number
  /** Results after which the search stops. */
  limit: number
}

export interface LinesFound {
  /** `path:line:text`, context as `path-line-text`; or paths; or `path:count`. Paths are relative to the folder. */
  lines: string[]
  /** Files with matches, and files looked into. */
  files: number
  searched: number
  /** Text files that were too large to be looked into. */
  tooLarge: number
  /** True when the search stopped at its limit. */
  more: boolean
  /** True when the tree was too large to see all of it. */
  cut: boolean
}

const MAX_FILE_BYTES = 20_000_000
const MAX_LINE_CHARS = 500
const SNIFF_BYTES = 4_096

export function matchLines(task: LinesTask): LinesFound {
  const root = task.isFolder ? task.target : dirname(task.target)
  const walk = task.isFolder ? walkFiles(root, task.top) : { files: [basename(task.target)], cut: false }
  const pattern = new RegExp(task.pattern, task.flags)
  const found: LinesFound = { lines: [], files: 0, searched: 0, tooLarge: 0, more: false, cut: walk.cut }
  for (const file of walk.files) {
    if (task.glob !== undefined && !isNamed(file, task.glob)) continue
    const text = readLines(join(root, file), found)
    if (text === undefined) continue
    found.searched += 1
    matchFile(task, printed(file), text, pattern, found)
    if (found.lines.length >= task.limit) {
      found.more = true
      break
    }
  }
  return found
}

/** The lines of a text file; undefined for what is none, is too large or cannot be read (any more). */
function readLines(path: string, found: LinesFound): string[] | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stat = fstatSync(fd)
      if (!stat.isFile() || !isAt(fd, path)) return undefined
      const start = Buffer.alloc(Math.min(SNIFF_BYTES, stat.size))
      readSync(fd, start, 0, start.length, 0)
      if (start.includes(0)) return undefined
      if (stat.size > MAX_FILE_BYTES) {
        found.tooLarge += 1
        return undefined
      }
      const lines = readFileSync(fd, "utf8").split(/\r?\n/)
      if (lines.at(-1) === "") lines.pop()
      return lines
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined
    throw error
  }
}

function matchFile(task: LinesTask, file: string, lines: readonly string[], pattern: RegExp, found: LinesFound): void {
  let matches = 0
  let shownTo = -1
  for (const [i, line] of lines.entries()) {
    const match = pattern.exec(line)
    if (!match) continue
    matches += 1
    if (task.mode === "files") break
    if (task.mode === "count") continue
    for (let n = Math.max(shownTo + 1, i - task.around); n < i; n++)
      found.lines.push(`${file}-${n + 1}-${shorten(lines[n]!, 0)}`)
    found.lines.push(`${file}:${i + 1}:${shorten(line, match.index)}`)
    let after = i + 1
    while (after < Math.min(lines.length, i + 1 + task.around) && !pattern.test(lines[after]!)) {
      found.lines.push(`${file}-${after + 1}-${shorten(lines[after]!, 0)}`)
      after += 1
    }
    shownTo = after - 1
    if (found.lines.length >= task.limit) break
  }
  if (matches === 0) return
  found.files += 1
  if (task.mode === "files") found.lines.push(file)
  if (task.mode === "count") found.lines.push(`${file}:${matches}`)
}

/** Around the match when the line is long: what was searched for is what must be seen. */
function shorten(line: string, at: number): string {
  if (line.length <= MAX_LINE_CHARS) return line
  const start = Math.max(0, at - MAX_LINE_CHARS / 2)
  const piece = line.slice(start, start + MAX_LINE_CHARS)
  return `${start > 0 ? "…" : ""}${piece.toWellFormed()}…`
}

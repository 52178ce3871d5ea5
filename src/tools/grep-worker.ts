// The thread that Grep searches in: synchronous, with nothing else to do, ended from outside when it takes too long.
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs"
import { join } from "node:path"
import { parentPort, workerData } from "node:worker_threads"

export interface GrepTask {
  root: string
  /** Relative to the root. */
  files: string[]
  pattern: string
  flags: string
  mode: "content" | "files" | "count"
  /** Lines of context. */
  around: number
  /** Results after which the search stops. */
  limit: number
}

export interface GrepFound {
  lines: string[]
  /** Files with matches, and files looked into. */
  files: number
  searched: number
}

const MAX_FILE_BYTES = 20_000_000
const MAX_LINE_CHARS = 500
const SNIFF_BYTES = 4_096

function isText(path: string): boolean {
  const stat = statSync(path)
  if (!stat.isFile() || stat.size > MAX_FILE_BYTES) return false
  const start = Buffer.alloc(Math.min(SNIFF_BYTES, stat.size))
  const fd = openSync(path, "r")
  try {
    readSync(fd, start, 0, start.length, 0)
  } finally {
    closeSync(fd)
  }
  return !start.includes(0)
}

/** Around the match when the line is long: what was searched for is what must be seen. */
function shorten(line: string, at: number): string {
  if (line.length <= MAX_LINE_CHARS) return line
  const start = Math.max(0, at - MAX_LINE_CHARS / 2)
  return `${start > 0 ? "…" : ""}${line.slice(start, start + MAX_LINE_CHARS)}…`
}

function searchFile(task: GrepTask, file: string, pattern: RegExp, found: GrepFound): void {
  const lines = readFileSync(join(task.root, file), "utf8").split(/\r?\n/)
  if (lines.at(-1) === "") lines.pop()
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

function run(task: GrepTask): GrepFound {
  const pattern = new RegExp(task.pattern, task.flags)
  const found: GrepFound = { lines: [], files: 0, searched: 0 }
  for (const file of task.files) {
    if (found.lines.length >= task.limit) break
    try {
      if (!isText(join(task.root, file))) continue
      found.searched += 1
      searchFile(task, file, pattern, found)
    } catch (error) {
      // A file that cannot be read (any more) is no reason to lose the rest.
      if (!(error instanceof Error && "code" in error)) throw error
    }
  }
  return found
}

parentPort?.postMessage(run(workerData as GrepTask))

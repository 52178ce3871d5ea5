// Reading a log of JSON lines from its files: the one that is written, and those that were put aside when it grew too large. Bounded:
// no more of a file is held than its newest part.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { gunzipSync } from "node:zlib"
import { isObject } from "./json.ts"

const LEVELS: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 }
export const LOG_LEVELS: readonly string[] = Object.keys(LEVELS)

/** A line as an object, or undefined when it is something else. */
export function parseLogLine(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

export interface LogFilter {
  /** Only lines of this level or above. */
  level?: string | undefined
  /** Session key, or its end: "main" finds "agent:main:main". */
  session?: string | undefined
  agent?: string | undefined
  /** ms since 1970. */
  since?: number | undefined
  /** Text that the line holds, in whatever case. */
  grep?: string | undefined
}

/** Whether a line is wanted. What is no JSON is kept by level alone: it may be the end of a crash. */
export function matchesLog(line: string, { level, session, agent, since, grep }: LogFilter): boolean {
  if (grep !== undefined && !line.toLowerCase().includes(grep.toLowerCase())) return false
  const fields = parseLogLine(line)
  if (!fields) return session === undefined && agent === undefined && since === undefined
  const number = fields["level"]
  if (level !== undefined && typeof number === "number" && number < (LEVELS[level] ?? 0)) return false
  if (since !== undefined && !(timeOfLog(fields) >= since)) return false
  const key = textOf(fields["sessionKey"])
  if (session !== undefined && key !== session && !key.endsWith(`:${session}`)) return false
  return agent === undefined || textOf(fields["agentId"]) === agent || key.startsWith(`agent:${agent}:`)
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : ""
}

/** ms since 1970; NaN where a line does not say. */
export function timeOfLog(fields: Record<string, unknown>): number {
  const { time } = fields
  return typeof time === "number" ? time : typeof time === "string" ? Date.parse(time) : Number.NaN
}

/** Files of this log that were put aside, newest first. */
export function putAsideLogs(path: string): { path: string; size: number; mtimeMs: number }[] {
  const folder = dirname(path)
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return []
  const name = `${basename(path)}.`
  return readdirSync(folder)
    .filter((one) => one.startsWith(name) && /^(?:\d{8}-\d{6}(?:-\d+)?|\d{1,4})(?:\.gz)?$/.test(one.slice(name.length)))
    .flatMap((one) => {
      const stat = statSync(join(folder, one), { throwIfNoEntry: false })
      return stat ? [{ path: join(folder, one), size: stat.size, mtimeMs: stat.mtimeMs }] : []
    })
    .sort((a, b) => b.mtimeMs - a.mtimeMs || (a.path < b.path ? 1 : -1))
}

/** Deletes put-aside files that are too many or too old; how many. `maxDays` 0: none for its age. */
export function pruneLogs(
  path: string,
  { maxFiles, maxDays }: { maxFiles: number; maxDays: number },
  now: number,
): number {
  const oldest = maxDays === 0 ? Number.NEGATIVE_INFINITY : now - maxDays * 86_400_000
  const gone = putAsideLogs(path).filter((file, i) => i >= maxFiles || file.mtimeMs < oldest)
  for (const file of gone) rmSync(file.path, { force: true })
  return gone.length
}

export interface LogPiece {
  lines: string[]
  /** Bytes from the start of the file to the end of the last whole line. */
  cursor: number
  /** Which file that was, so that its end is found after it was put aside. */
  inode: number
}

/**
 * Whole lines after `cursor` (bytes), or the last ones within `maxBytes`. A file that has become shorter was put aside: its successor is
 * read from the start. One that is not there is empty: it is between two.
 */
export function readLog(path: string, cursor: number | undefined, maxBytes: number): LogPiece {
  let fd: number
  try {
    fd = openSync(path, "r")
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { lines: [], cursor: 0, inode: 0 }
    throw error
  }
  try {
    const { size, ino } = fstatSync(fd)
    const from = cursor === undefined ? Math.max(0, size - maxBytes) : cursor > size ? 0 : cursor
    const buffer = Buffer.alloc(Math.min(maxBytes, size - from))
    const read = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, from))
    const end = read.lastIndexOf(10) + 1
    const start = cursor === undefined && from > 0 ? Math.min(end, read.indexOf(10) + 1) : 0
    // One endless line is skipped rather than waited for.
    const next = end === 0 && read.length >= maxBytes ? from + read.length : from + end
    return { lines: linesOf(read.toString("utf8", start, end)), cursor: next, inode: ino }
  } finally {
    closeSync(fd)
  }
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "")
}

const MAX_UNPACKED = 256 * 1024 * 1024

/**
 * The newest `limit` lines that match, oldest first, from put-aside files too where the current one has too few; and where to go on in
 * the current one.
 */
export function searchLog(path: string, filter: LogFilter, limit: number, maxBytes: number): LogPiece {
  const current = readLog(path, undefined, maxBytes)
  let found = current.lines.filter((line) => matchesLog(line, filter))
  const whole = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (whole <= maxBytes)
    for (const { path: aside, mtimeMs } of putAsideLogs(path)) {
      // Nothing in it is newer than its last change.
      if (found.length >= limit || (filter.since !== undefined && mtimeMs < filter.since)) break
      found = [...asideLines(aside, maxBytes).filter((line) => matchesLog(line, filter)), ...found]
    }
  return { ...current, lines: found.slice(-limit) }
}

/** What was written since `before`, also the rest of a file that was put aside meanwhile. */
export function followLog(path: string, before: LogPiece, maxBytes: number): LogPiece {
  const current = statSync(path, { throwIfNoEntry: false })
  if (!current || current.ino === before.inode || before.inode === 0) return readLog(path, before.cursor, maxBytes)
  const old = putAsideLogs(path).find((file) => statSync(file.path, { throwIfNoEntry: false })?.ino === before.inode)
  const rest = old ? readLog(old.path, before.cursor, maxBytes).lines : []
  const next = readLog(path, 0, maxBytes)
  return { ...next, lines: [...rest, ...next.lines] }
}

function asideLines(path: string, maxBytes: number): string[] {
  if (!path.endsWith(".gz")) return readLog(path, undefined, maxBytes).lines
  try {
    return linesOf(gunzipSync(readFileSync(path), { maxOutputLength: MAX_UNPACKED }).toString("utf8"))
  } catch {
    // Still being written, or damaged: the others are shown all the same.
    return []
  }
}

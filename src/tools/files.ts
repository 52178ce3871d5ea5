// Writing files for Write, Edit, MultiEdit and NotebookEdit: whole or not at all, keeping the mode, never through a link that was
// put there after the path had been judged.
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { mkdir, open, realpath, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { reasonOf, resolvePath } from "./paths.ts"

const MAX_EDIT_BYTES = 10_000_000

/** The text of a file that is to be edited. Throws INVALID_PARAMS saying why it cannot be. */
export async function readText(target: string, shown: string): Promise<string> {
  try {
    const file = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const info = await file.stat()
      if (!info.isFile()) throw new PincerError("INVALID_PARAMS", `${shown} is not a regular file`)
      if (info.size > MAX_EDIT_BYTES)
        throw new PincerError("TOO_LARGE", `${shown} has ${info.size} bytes, too many to edit: use a command`)
      const bytes = await file.readFile()
      if (bytes.includes(0)) throw new PincerError("INVALID_PARAMS", `${shown} is a binary file`)
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof PincerError) throw error
    if (error instanceof TypeError) throw new PincerError("INVALID_PARAMS", `${shown} is not UTF-8 text`)
    throw new PincerError("INVALID_PARAMS", `Cannot read ${shown}: ${reasonOf(error)}`, { cause: error })
  }
}

/**
 * Writes the file through a temporary one beside it. `path` is resolved anew: when it leads elsewhere than `judged`, which policy
 * allowed, nothing is written.
 */
export async function writeText(
  path: string,
  cwd: string,
  judged: string,
  content: string,
  shown: string,
): Promise<void> {
  const target = await resolvePath(path, cwd)
  if (target !== judged)
    throw new PincerError("CONFLICT", `${shown} leads elsewhere than a moment ago: nothing was written`)
  const folder = dirname(target)
  try {
    await mkdir(folder, { recursive: true })
    if ((await realpath(folder)) !== folder)
      throw new PincerError("CONFLICT", `${shown} leads elsewhere than a moment ago: nothing was written`)
    const old = await stat(target).catch(() => undefined)
    if (old && !old.isFile()) throw new PincerError("INVALID_PARAMS", `${shown} is not a regular file`)
    const draft = join(folder, `.${basename(target)}.${randomBytes(6).toString("hex")}`)
    try {
      const file = await open(
        draft,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        old ? old.mode & 0o7777 : 0o644,
      )
      try {
        await file.writeFile(content, "utf8")
        if (old) await file.chmod(old.mode & 0o7777)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, target)
    } finally {
      await rm(draft, { force: true })
    }
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw new PincerError("INVALID_PARAMS", `Cannot write ${shown}: ${reasonOf(error)}`, { cause: error })
  }
}

const CONTEXT = 3
const MAX_DIFF_LINES = 200

/** The changed region as a small unified diff: what differs between a common beginning and a common end. */
export function diffOf(before: string, after: string): string {
  const [a, b] = [before.split("\n"), after.split("\n")]
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1
  if (start === a.length && start === b.length) return ""
  const from = Math.max(0, start - CONTEXT)
  const tail = Math.min(CONTEXT, end)
  const lines = [
    `@@ -${from + 1},${a.length - end + tail - from} +${from + 1},${b.length - end + tail - from} @@`,
    ...a.slice(from, start).map((line) => ` ${line}`),
    ...a.slice(start, a.length - end).map((line) => `-${line}`),
    ...b.slice(start, b.length - end).map((line) => `+${line}`),
    ...a.slice(a.length - end, a.length - end + tail).map((line) => ` ${line}`),
  ]
  return lines.length > MAX_DIFF_LINES
    ? [...lines.slice(0, MAX_DIFF_LINES), `… ${lines.length - MAX_DIFF_LINES} more lines`].join("\n")
    : lines.join("\n")
}

// Files that go along with a message: text is put into it, pictures and documents are attached.
import { readFileSync, statSync } from "node:fs"
import { basename, extname } from "node:path"
import { PincerError } from "../base/errors.ts"
import { type Env, expandPath } from "../config/paths.ts"

export interface Attachment {
  mimeType: string
  fileName: string
  /** Base64. */
  content: string
}

export interface WithFiles {
  message: string
  attachments: Attachment[]
}

/** The gateway takes no larger ones. */
const MAX_FILE_BYTES = 5_000_000
const MAX_TEXT_BYTES = 200_000
const TYPES: Readonly<Record<string, string>> = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
  ".pdf": "application/pdf",
}

/** The message with these files. Throws NOT_FOUND, INVALID_PARAMS for a folder, TOO_LARGE. */
export function withFiles(message: string, paths: readonly string[], where: { env: Env; cwd: string }): WithFiles {
  const texts = [message]
  const attachments: Attachment[] = []
  for (const given of paths) {
    const path = expandPath(given, where.env, where.cwd)
    const bytes = readWhole(path, given)
    const text = TYPES[extname(path).toLowerCase()] === undefined ? asText(bytes) : undefined
    if (text !== undefined && bytes.length <= MAX_TEXT_BYTES) texts.push(quoted(given, text))
    else
      attachments.push({
        mimeType: TYPES[extname(path).toLowerCase()] ?? "application/octet-stream",
        fileName: basename(path),
        content: bytes.toString("base64"),
      })
  }
  return { message: texts.filter((text) => text !== "").join("\n\n"), attachments }
}

/** Names after "@" in a message that are files here. An address like me@example.com is none. */
export function mentioned(message: string, where: { env: Env; cwd: string }): string[] {
  const names = [...message.matchAll(/(?<=^|\s)@("[^"]+"|[^\s"]+)/g)].map((match) => match[1]!.replaceAll('"', ""))
  return [...new Set(names)].filter((name) => isFile(expandPath(name, where.env, where.cwd)))
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function readWhole(path: string, given: string): Buffer {
  try {
    const stat = statSync(path)
    if (!stat.isFile()) throw new PincerError("INVALID_PARAMS", `"${given}" is not a file: attach files only`)
    if (stat.size > MAX_FILE_BYTES)
      throw new PincerError("TOO_LARGE", `"${given}" has ${stat.size} bytes: at most ${MAX_FILE_BYTES} can be attached`)
    return readFileSync(path)
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw new PincerError("NOT_FOUND", `"${given}" cannot be read: name a file that exists`, { cause: error })
  }
}

function asText(bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** A fence that is longer than any in the text. */
function quoted(name: string, text: string): string {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`{3,}/g), (match) => match[0].length))
  const fence = "`".repeat(longest + 1)
  return `${name}:\n${fence}\n${text.trimEnd()}\n${fence}`
}

// Reading small files that a user names: regular files only and of bounded size, so that a FIFO or /dev/zero cannot hang or fill us.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs"
import { PincerError } from "../base/errors.ts"

export interface RegularFile {
  bytes: Buffer
  /** Permission bits. */
  mode: number
  uid: number
}

/**
 * The file's content, or undefined when there is none. `what` begins the refusals: "The config file". Throws INVALID_PARAMS when
 * it is not a regular file, TOO_LARGE, UNAVAILABLE when it cannot be read. `flags`: further flags of open(2).
 */
export function readRegularFile(path: string, what: string, maxBytes: number, flags = 0): RegularFile | undefined {
  let fd: number
  try {
    // Non-blocking, or opening a FIFO would wait for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  } catch (error) {
    if (reason(error) === "ENOENT") return undefined
    throw new PincerError("UNAVAILABLE", `${what} ${path} cannot be read: ${reason(error)}`, {
      cause: error,
      retryable: false,
    })
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new PincerError("INVALID_PARAMS", `${what} ${path} is not a regular file`)
    const bytes = readAll(fd, maxBytes, stat.size)
    if (!bytes) throw new PincerError("TOO_LARGE", `${what} ${path} is larger than ${maxBytes} bytes`)
    return { bytes, mode: stat.mode & 0o777, uid: stat.uid }
  } finally {
    closeSync(fd)
  }
}

/** Reads to the end, not to the size that was said before: the file may grow meanwhile. Undefined when it is too large. */
function readAll(fd: number, maxBytes: number, size: number): Buffer | undefined {
  const chunks: Buffer[] = []
  let length = 0
  while (length <= maxBytes) {
    const chunk = Buffer.alloc(Math.min(Math.max(size + 1 - length, 4096), maxBytes + 1))
    const read = readSync(fd, chunk, 0, chunk.length, null)
    if (read === 0) return Buffer.concat(chunks)
    chunks.push(chunk.subarray(0, read))
    length += read
  }
  return undefined
}

/** "EACCES", or what else is known of a system error. */
export function reason(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code
  return error instanceof Error ? error.message : String(error)
}

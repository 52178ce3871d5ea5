// What judging a command looks at on the disk, behind a port of its own. Everything is bounded; what cannot be read is null.
import { createHash } from "node:crypto"
import { constants, realpathSync } from "node:fs"
import { type FileHandle, open, readdir, readlink, realpath, stat } from "node:fs/promises"

export interface DiskEntry {
  type: "file" | "folder" | "other"
  executable: boolean
}

export interface Disk {
  /** The path with every symlink resolved; null when there is nothing. */
  real(path: string): Promise<string | null>
  /** What stands there, links followed. */
  look(path: string): Promise<DiskEntry | null>
  /** Where a symlink points, as it is written; null for what is none. */
  link(path: string): Promise<string | null>
  /** Hash of the content of a regular file, of its identity when it is big. The path must hold no link at its end. */
  hash(path: string): Promise<string | null>
  /** The first bytes of a regular file. */
  read(path: string, maxBytes: number): Promise<Buffer | null>
  /** Names in a folder. */
  list(path: string): Promise<string[] | null>
}

const MAX_HASHED_BYTES = 8 * 1024 * 1024

/** Where the system keeps its programs: on a disk that answers at once, or nothing at all would run here. */
const SYSTEM = /^\/(?:usr|bin|sbin|lib|lib64)\//

export const disk: Disk = {
  // A way through the pool of threads takes ten times as long as the answer: only what may hang is asked so.
  real: (path) => orNull(SYSTEM.test(path) ? systemPath(path) : realpath(path)),
  link: (path) => orNull(readlink(path)),
  list: (path) => orNull(readdir(path)),
  async look(path) {
    const found = await orNull(stat(path))
    if (found === null) return null
    const type = found.isFile() ? "file" : found.isDirectory() ? "folder" : "other"
    return { type, executable: type === "file" && (found.mode & 0o111) !== 0 }
  },
  hash: (path) => withFile(path, constants.O_NOFOLLOW, hashOf),
  read: (path, maxBytes) =>
    withFile(path, 0, async (file) => {
      const buffer = Buffer.alloc(maxBytes)
      let length = 0
      while (length < maxBytes) {
        const { bytesRead } = await file.read(buffer, length, maxBytes - length, length)
        if (bytesRead === 0) break
        length += bytesRead
      }
      return buffer.subarray(0, length)
    }),
}

async function systemPath(path: string): Promise<string> {
  return realpathSync.native(path)
}

/** Opens without waiting (a named pipe would), and only hands on regular files. */
async function withFile<T>(
  path: string,
  flags: number,
  use: (file: FileHandle) => Promise<T | null>,
): Promise<T | null> {
  const file = await orNull(open(path, constants.O_RDONLY | constants.O_NONBLOCK | flags))
  if (file === null) return null
  try {
    // Some files of the kernel can be opened and not read.
    return (await file.stat()).isFile() ? await orNull(use(file)) : null
  } finally {
    await file.close()
  }
}

async function hashOf(file: FileHandle): Promise<string | null> {
  const before = await file.stat({ bigint: true })
  const hash = createHash("sha256")
  if (before.size > MAX_HASHED_BYTES) {
    const { dev, ino, size, mtimeNs, ctimeNs } = before
    return hash.update(`identity ${[dev, ino, size, mtimeNs, ctimeNs].join(" ")}`).digest("hex")
  }
  hash.update(await file.readFile())
  return hash.digest("hex")
}

async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof Error && "code" in error) return null
    throw error
  }
}

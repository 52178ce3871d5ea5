// Opening and writing single files: what is opened is what was judged, never through a link put there afterwards; written whole or
// not at all, keeping mode and owner.
import { randomBytes } from "node:crypto"
import type { Stats } from "node:fs"
import { access, constants, type FileHandle, lstat, open, rename, rm } from "node:fs/promises"
import { basename, dirname } from "node:path"
import { PincerError } from "../base/errors.ts"
import { checkPlace, type Folder, openFolder } from "./folder.ts"
import { movedAway, reasonOf } from "./paths.ts"

export const MAX_EDIT_BYTES = 10_000_000
/** Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Opens the regular file at a real path. Throws INVALID_PARAMS saying why not, CONFLICT when it is another file by now. */
export async function openFile(target: string, shown: string): Promise<FileHandle> {
  let file: FileHandle
  try {
    file = await open(target, READ)
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ELOOP") throw movedAway(shown)
    throw new PincerError("INVALID_PARAMS", `Cannot read ${shown}: ${reasonOf(error)}`, { cause: error })
  }
  try {
    const info = await file.stat()
    if (info.isDirectory()) throw new PincerError("INVALID_PARAMS", `${shown} is a directory: use LS or Glob`)
    if (!info.isFile()) throw new PincerError("INVALID_PARAMS", `${shown} is not a regular file`)
    await checkPlace(file, target)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The text of a file that is to be edited, with its byte order mark. Throws INVALID_PARAMS saying why it cannot be. */
export async function readText(target: string, shown: string): Promise<string> {
  const file = await openFile(target, shown)
  try {
    const { size } = await file.stat()
    if (size > MAX_EDIT_BYTES)
      throw new PincerError("TOO_LARGE", `${shown} has ${size} bytes, too many to edit: use a command`)
    const bytes = await file.readFile()
    if (bytes.includes(0)) throw new PincerError("INVALID_PARAMS", `${shown} is a binary file: use a command`)
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) throw new PincerError("INVALID_PARAMS", `${shown} is not UTF-8 text: use a command`)
    throw error
  } finally {
    await file.close()
  }
}

/** Writes the file at a real path through a temporary one beside it; folders are made as needed. */
export function writeText(target: string, content: string, shown: string): Promise<void> {
  return writeInto(target, shown, async (folder, old) => {
    const draft = folder.at(`.${randomBytes(8).toString("hex")}.tmp`)
    try {
      await fill(draft, content, old, await folder.owner())
      await rename(draft, folder.at(basename(target)))
    } finally {
      await rm(draft, { force: true })
    }
  })
}

/** Looks whether a file may be made or replaced at a real path, and has it done. `old`: what is there. Throws saying why not. */
export async function writeInto(
  target: string,
  shown: string,
  put: (folder: Folder, old: Stats | undefined) => Promise<void>,
): Promise<void> {
  try {
    const folder = await openFolder(dirname(target), true)
    try {
      const place = folder.at(basename(target))
      const old = await lstat(place).catch(() => undefined)
      if (old?.isSymbolicLink()) throw movedAway(shown)
      if (old?.isDirectory()) throw new PincerError("INVALID_PARAMS", `${shown} is a directory: name a file in it`)
      if (old && !old.isFile()) throw new PincerError("INVALID_PARAMS", `${shown} is not a regular file`)
      // A replacement needs no right to the file itself, yet who made it read-only meant it.
      if (old) await access(place, constants.W_OK)
      await put(folder, old)
    } finally {
      await folder.close()
    }
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw new PincerError("INVALID_PARAMS", `Cannot write ${shown}: ${reasonOf(error)}`, { cause: error })
  }
}

async function fill(
  draft: string,
  content: string,
  old: { mode: number; uid: number; gid: number } | undefined,
  folder: { uid: number; gid: number },
): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await open(draft, flags, old ? 0o600 : 0o666)
  try {
    await file.writeFile(content, "utf8")
    if (old) {
      const made = await file.stat()
      if (made.uid !== old.uid || made.gid !== old.gid) await giveBack(file, old)
      await file.chmod(old.mode & 0o777)
    } else if (process.getuid?.() === 0 && folder.uid !== 0) {
      // A gateway that is root works in other people's folders: what it makes there is theirs.
      await file.chown(folder.uid, folder.gid)
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Only root may give files away; for others a shared file becomes theirs when it is replaced. */
async function giveBack(file: FileHandle, owner: { uid: number; gid: number }): Promise<void> {
  await file.chown(owner.uid, owner.gid).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) throw error
  })
}

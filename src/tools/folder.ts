// A folder held open while something is made or read in it. On Linux its files are reached through the open handle, so a folder that
// is swapped for a link in the meantime leads nowhere; elsewhere the path is looked at again just before.
import { existsSync } from "node:fs"
import { constants, type FileHandle, lchown, lstat, mkdir, open, readlink, realpath } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { movedAway } from "./paths.ts"

export interface Folder {
  /** A path to `name` inside this very folder. */
  at(name: string): string
  owner(): Promise<{ uid: number; gid: number }>
  close(): Promise<void>
}

const HANDLES = "/proc/self/fd"
/** Whether open handles can be asked where they are. */
export const hasHandlePaths = process.platform === "linux" && existsSync(HANDLES)

/** Opens the real folder `path`. With `make` it and its parents are made as needed. Throws CONFLICT when it leads elsewhere. */
export async function openFolder(path: string, make: boolean): Promise<Folder> {
  if (!hasHandlePaths) return reachByPath(path, make)
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  const handle = await open(path, flags).catch(async (error: unknown) => {
    if (!make || !isCode(error, "ENOENT") || dirname(path) === path) throw error
    const parent = await openFolder(dirname(path), true)
    try {
      const inside = parent.at(basename(path))
      await mkdir(inside).then(
        () => asParent(parent, inside),
        (refusal: unknown) => {
          if (!isCode(refusal, "EEXIST")) throw refusal
        },
      )
      return await open(inside, flags)
    } finally {
      await parent.close()
    }
  })
  try {
    await checkPlace(handle, path)
  } catch (error) {
    await handle.close()
    throw error
  }
  return {
    at: (name) => `${HANDLES}/${handle.fd}/${name}`,
    owner: () => handle.stat(),
    close: () => handle.close(),
  }
}

/** A gateway that is root works in other people's folders: what it makes there is theirs. */
async function asParent(parent: Folder, made: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { gid, uid } = await parent.owner()
  if (uid !== 0) await lchown(made, uid, gid)
}

async function reachByPath(path: string, make: boolean): Promise<Folder> {
  if (make) await mkdir(path, { recursive: true })
  if ((await realpath(path)) !== path) throw movedAway(path)
  return { at: (name) => join(path, name), owner: () => lstat(path), close: async () => undefined }
}

/** Throws CONFLICT when an open handle is not the file at this real path. */
export async function checkPlace(handle: FileHandle, path: string): Promise<void> {
  if (hasHandlePaths) {
    if ((await readlink(`${HANDLES}/${handle.fd}`)) !== path) throw movedAway(path)
    return
  }
  const [opened, named] = [await handle.stat(), await lstat(path)]
  if (opened.ino !== named.ino || opened.dev !== named.dev || (await realpath(path)) !== path) throw movedAway(path)
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code
}

// Who a confined program is. An ordinary daemon's programs are its own user; those of a root daemon are never root: they are the owner
// of their folder, or, where that is root, the one that the configuration names.
import { lchownSync, lstatSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import type { UserIds } from "./own-files.ts"

const MAX_HANDED_OVER = 100_000

/** Undefined when programs are simply the daemon's own user. */
export function payloadUser(workspace: string, fallback: number): UserIds | undefined {
  if (process.getuid?.() !== 0) return undefined
  const { gid, uid } = statSync(workspace)
  return uid === 0 ? { uid: fallback, gid: fallback } : { uid, gid: gid === 0 ? uid : gid }
}

/** Whose a new file in this folder must be, so that commands can change what a file tool wrote; undefined: whoever makes it. */
export function ownerFor(folder: string): UserIds | undefined {
  if (process.getuid?.() !== 0) return undefined
  const { gid, uid } = statSync(folder)
  return uid === 0 ? undefined : { uid, gid: gid === 0 ? uid : gid }
}

/** Gives root's folder and what is in it to the user; links are not followed, and what is not root's stays. */
export function giveFolder(folder: string, uid: number): void {
  if (process.getuid?.() !== 0 || lstatSync(folder).uid !== 0) return
  const waiting = [folder]
  for (let given = 0; given < MAX_HANDED_OVER; given++) {
    const path = waiting.pop()
    if (path === undefined) return
    const found = lstatSync(path, { throwIfNoEntry: false })
    // A second name of a file may lie anywhere else.
    if (found?.uid !== 0 || (!found.isDirectory() && found.nlink > 1)) continue
    if (found.isDirectory()) for (const name of readdirSync(path)) waiting.push(join(path, name))
    lchownSync(path, uid, uid)
  }
}

/** What a person must know about this folder, in one line; undefined when there is nothing. */
export function folderNote(workspace: string, user: UserIds | undefined): string | undefined {
  if (!user) return undefined
  const { mode, uid } = statSync(workspace)
  if (uid !== 0) return undefined
  const can = (mode & 0o005) === 0o005 ? "can read it but not write it" : "can neither read nor write it"
  return `${workspace} belongs to root and Pincer runs as root: commands run as user ${user.uid} and ${can}. Run Pincer as an ordinary user, or: chown -R ${user.uid} ${workspace}`
}

// Which files of a home belong to a backup, and of what kind they are. Judged by name: what is not known to be harmless counts as a
// secret, and what a running gateway makes anew is left out.
import { lstat, readdir, readlink } from "node:fs/promises"
import { join } from "node:path"
import { type BackupLink, type Manifest, staysInside } from "./manifest.ts"

export type Kind = "state" | "secret" | "workspace"

export interface Content {
  path: string
  kind: Kind
  mode: number
}

export interface Contents {
  files: Content[]
  links: BackupLink[]
  /** Those with nothing in them. */
  folders: string[]
  left: Manifest["left"]
}

/** Taken as a copy that SQLite makes, never as a file. */
export const DATABASE = "pincer.db"
export const CONFIG = "pincer.json"
/** Made anew by a start, about this machine only, or large and to be had again (model files and their engine). */
const TRANSIENT =
  /^(?:gateway\.(?:json|lock)(?:\.next)?|logs|backups|agents|models|engine(?:\.new)?|before-restore|restore\.json|restore-.*|doctor|.*\.(?:tmp|partial|lock|sock)|\.DS_Store)$/
/** Holds no secret unless somebody wrote one into it. */
const HARMLESS = /^(?:workflows?|skills|memory|.*\.md)$/

/** The first part of a path below the home: what a restore replaces as a whole. */
export function topOf(path: string): string {
  return path.split("/")[0] ?? path
}

/** Whether an entry at the top of a home is kept at all. The database and the configuration are, in their own way. */
export function isKept(name: string): boolean {
  return !TRANSIENT.test(name)
}

export function isDatabase(name: string): boolean {
  return /^pincer\.db(?:-wal|-shm|-journal)?$/.test(name)
}

export function kindOf(top: string): Kind {
  if (/^workspace(?:-|$)/.test(top)) return "workspace"
  return HARMLESS.test(top) ? "state" : "secret"
}

/** All that a backup of this home may hold, besides database and configuration. `skip`: absolute paths to leave out. */
export async function contentsOf(home: string, skip: readonly string[]): Promise<Contents> {
  const found: Contents = { files: [], links: [], folders: [], left: [] }
  for (const name of await readdir(home)) {
    if (!isKept(name) || isDatabase(name) || name === CONFIG) continue
    await walk(home, name, skip, found)
  }
  found.files.sort((a, b) => (a.path < b.path ? -1 : 1))
  return found
}

async function walk(home: string, path: string, skip: readonly string[], found: Contents): Promise<void> {
  const absolute = join(home, path)
  if (skip.includes(absolute)) return
  const stat = await lstat(absolute).catch(() => undefined)
  if (!stat) return
  if (stat.isFile()) found.files.push({ path, kind: kindOf(topOf(path)), mode: stat.mode & 0o777 })
  else if (stat.isSymbolicLink()) await addLink(absolute, path, found)
  else if (stat.isDirectory()) {
    const names = await readdir(absolute)
    if (names.length === 0) found.folders.push(path)
    for (const name of names) await walk(home, `${path}/${name}`, skip, found)
  } else found.left.push({ path, reason: "neither a file nor a folder" })
}

async function addLink(absolute: string, path: string, found: Contents): Promise<void> {
  const target = await readlink(absolute)
  if (staysInside(path, target)) found.links.push({ path, target })
  else found.left.push({ path, reason: "a link that leads elsewhere" })
}

// The folder that backups are kept in: what is there, newest first, and which go when there are too many. Copies that were made before
// a change of schema lie in the same folder and are counted on their own (store/snapshot.ts).
import { readdir, rm, stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import type { Config } from "../config/schema.ts"
import { schemaCopies } from "../store/snapshot.ts"
import type { Manifest } from "./manifest.ts"

export interface ShelfRow {
  path: string
  /** Bytes. */
  size: number
  /** ms since 1970. */
  createdAt: number
  sealed: boolean
  /** Made before a change of schema: the database alone. */
  automatic: boolean
}

const NAME = /^pincer-backup-(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})(?:-\d+)?\.tar\.gz(\.sealed)?$/
const COPY = /-(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})\.db$/

export function backupFolder({ backup }: Pick<Config, "backup">, home: string): string {
  return backup.folder === undefined ? join(home, "backups") : resolve(home, backup.folder)
}

/** All backups in the folder, newest first. A folder that is not there holds none. */
export async function listBackups(folder: string): Promise<ShelfRow[]> {
  const names = (await stat(folder).catch(() => undefined))?.isDirectory() ? await readdir(folder) : []
  const rows: ShelfRow[] = []
  for (const name of names) {
    const match = NAME.exec(name)
    if (match) await add(rows, join(folder, name), timeOf(match), { sealed: match[7] !== undefined, automatic: false })
  }
  for (const path of schemaCopies(folder))
    await add(rows, path, timeOf(COPY.exec(path)), { sealed: false, automatic: true })
  return rows.sort((a, b) => b.createdAt - a.createdAt || (a.path < b.path ? 1 : -1))
}

async function add(rows: ShelfRow[], path: string, createdAt: number, kind: Pick<ShelfRow, "sealed" | "automatic">) {
  const facts = await stat(path).catch(() => undefined)
  if (facts?.isFile()) rows.push({ path, size: facts.size, createdAt, ...kind })
}

function timeOf(match: RegExpExecArray | null): number {
  const [year = 0, month = 1, ...rest] = (match ?? []).slice(1, 7).map(Number)
  return Date.UTC(year, month - 1, ...rest)
}

/** Deletes all but the newest `keep` backups that people made; which ones. */
export async function pruneBackups(folder: string, keep: number, dryRun = false): Promise<ShelfRow[]> {
  const old = (await listBackups(folder)).filter((row) => !row.automatic).slice(keep)
  if (!dryRun) for (const { path } of old) await rm(path, { force: true })
  return old
}

/** A manifest in few words, for lists and answers. */
export function summaryOf({ createdAt, pincer, schema, secrets, workspace, files, left }: Manifest) {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  return { createdAt, pincer, schema, secrets, workspace, files: files.length, bytes, left }
}

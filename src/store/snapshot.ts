// Copies of the database that are whole: taken while it is in use, settled into one file, and looked through before anybody counts
// on them. A copy appears under its name complete or not at all.
import { chmodSync, closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { backup as copyPages, DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"
import { PincerError } from "../base/errors.ts"
import { makeFolder } from "../base/folder.ts"

export interface DatabaseFacts {
  /** PRAGMA user_version: how many migrations have run. */
  schema: number
  bytes: number
  /** What is damaged, as SQLite says it; empty when it is sound. */
  flaws: string[]
  /** Rows that point to rows which are not there: it can be used all the same. */
  dangling: number
}

/** All pages in one go: a consistent picture, taken on another thread while others read and write. */
const ALL_PAGES = 2 ** 31 - 1
const MAX_FLAWS = 20

/**
 * Copies the database into a new file, whoever uses it meanwhile, and checks the copy. Throws UNAVAILABLE naming both when it cannot be
 * copied or the copy is damaged; then nothing is left.
 */
export async function snapshotDatabase(from: string, to: string): Promise<DatabaseFacts> {
  const draft = `${to}.partial`
  rmSync(draft, { force: true })
  try {
    const source = new DatabaseSync(from, { readOnly: true, timeout: 5000 })
    try {
      await copyPages(source, draft, { rate: ALL_PAGES })
    } finally {
      source.close()
    }
    const facts = settle(draft)
    if (facts.flaws.length > 0) throw new Error(facts.flaws.join("; "))
    appear(draft, to)
    return facts
  } catch (error) {
    discard(draft)
    throw notCopied(from, to, error)
  }
}

/** One file without a log beside it, on disk, for its owner only. */
function settle(path: string): DatabaseFacts {
  const db = new DatabaseSync(path, { timeout: 5000 })
  try {
    db.exec("PRAGMA journal_mode=DELETE")
    chmodSync(path, 0o600)
    return factsOf(db, path)
  } finally {
    db.close()
  }
}

function factsOf(db: DatabaseSync, path: string): DatabaseFacts {
  const flaws = rows(db, `PRAGMA integrity_check(${MAX_FLAWS})`).filter((line) => line !== "ok")
  const dangling = flaws.length === 0 ? db.prepare("PRAGMA foreign_key_check").all().length : 0
  const [version] = rows(db, "PRAGMA user_version")
  return { schema: Number(version), bytes: statSync(path).size, flaws, dangling }
}

function rows(db: DatabaseSync, sql: string): string[] {
  return db
    .prepare(sql)
    .all()
    .map((row) => String(Object.values(row)[0]))
}

/** Looks through a database file that nobody uses, writing nothing. A file that is no database has that as its flaw. */
export function examineCopy(path: string): DatabaseFacts {
  const url = pathToFileURL(path)
  url.searchParams.set("immutable", "1")
  try {
    const db = new DatabaseSync(url, { readOnly: true })
    try {
      return factsOf(db, path)
    } finally {
      db.close()
    }
  } catch (error) {
    const flaw = error instanceof Error ? error.message : String(error)
    return { schema: 0, bytes: statSync(path, { throwIfNoEntry: false })?.size ?? 0, flaws: [flaw], dangling: 0 }
  }
}

/** Where copies go before the schema changes, and how many are kept. */
export interface SchemaCopies {
  folder: string
  keep: number
  /** ms since 1970. */
  now: number
  /** Told each point between two facts: where crash tests kill the process. */
  reached?(point: SchemaPoint): void
}

export type SchemaPoint = "copying" | "drafted" | "copied" | "begun" | "changed" | "committed"

/**
 * Copies the database as it is before its schema changes, checks the copy, and leaves the newest `keep`. Returns its path. Throws
 * UNAVAILABLE when that cannot be done: then the schema must stay as it is. `db` may not be in a transaction.
 */
export function copyBeforeSchemaChange(db: DatabaseSync, path: string, schema: number, copies: SchemaCopies): string {
  const at = new Date(copies.now).toISOString().replaceAll(/[-:]/g, "").replace("T", "-").slice(0, 15)
  const target = join(copies.folder, `pincer-schema-${schema}-${at}.db`)
  const draft = `${target}.partial`
  try {
    makeFolder(copies.folder)
    clearDrafts(copies.folder)
    copies.reached?.("copying")
    db.prepare("VACUUM INTO ?").run(draft)
    const facts = settle(draft)
    if (facts.flaws.length > 0) throw new Error(facts.flaws.join("; "))
    copies.reached?.("drafted")
    appear(draft, target)
  } catch (error) {
    discard(draft)
    const refused = notCopied(path, copies.folder, error)
    const way = `${refused.message}. It must be copied before its schema changes: make that possible, or set backup.beforeSchemaChange to false`
    throw new PincerError(refused.code, way, { cause: error, retryable: false })
  }
  for (const old of schemaCopies(copies.folder).slice(copies.keep)) rmSync(old, { force: true })
  copies.reached?.("copied")
  return target
}

/** Copies that were made before schema changes, newest first. */
export function schemaCopies(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => /^pincer-schema-\d+-\d{8}-\d{6}\.db$/.test(name))
    .map((name) => ({ name, at: name.slice(-18) }))
    .sort((a, b) => (a.at < b.at ? 1 : -1))
    .map(({ name }) => join(folder, name))
}

/** Drafts of a program that died while it copied. */
function clearDrafts(folder: string): void {
  for (const name of namesIn(folder))
    if (/^pincer-schema-.*\.partial/.test(name)) rmSync(join(folder, name), { force: true })
}

function namesIn(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(folder) : []
}

/** Gives the draft its name once its bytes are on disk. */
function appear(draft: string, to: string): void {
  syncPath(draft)
  renameSync(draft, to)
  syncPath(dirname(to))
}

function syncPath(path: string): void {
  if (process.platform === "win32") return
  const fd = openSync(path, "r")
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function discard(draft: string): void {
  for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(draft + suffix, { force: true })
}

function notCopied(from: string, to: string, error: unknown): PincerError {
  const reason = error instanceof Error ? error.message : String(error)
  const full = /disk is full|ENOSPC/i.test(reason) ? ": make room on that disk" : ""
  return new PincerError("UNAVAILABLE", `Cannot copy the database ${basename(from)} to ${to}: ${reason}${full}`, {
    cause: error,
    retryable: false,
  })
}

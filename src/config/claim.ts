// An exclusive lock on a file that the kernel lets go however the process dies, so it can never be stale. Node has no file locks of
// its own; SQLite's are the same everywhere, so the lock is a transaction that is never ended. No data is kept in the file.
import { closeSync, openSync } from "node:fs"
import { createRequire } from "node:module"
import type { DatabaseSync } from "node:sqlite"
import { reason } from "./regular-file.ts"

const require = createRequire(import.meta.url)

/** Locks that this process holds: a database that was collected as garbage would take its lock with it. */
const held = new Set<DatabaseSync>()

/**
 * Takes the lock at once and returns what lets it go; undefined when another process, or this one, holds it. The file is made
 * (0600) and stays. Throws the system's or SQLite's error when it cannot be used.
 */
export function holdLock(path: string): (() => void) | undefined {
  // Loaded here: programs that only ask where a gateway runs need no database.
  const { DatabaseSync }: typeof import("node:sqlite") = require("node:sqlite")
  createPrivate(path)
  const lock = new DatabaseSync(path, { timeout: 0 })
  try {
    lock.exec("BEGIN EXCLUSIVE")
  } catch (error) {
    lock.close()
    if (isBusy(error)) return undefined
    throw error
  }
  held.add(lock)
  return () => {
    held.delete(lock)
    lock.close()
  }
}

/**
 * An empty 0600 file unless there is one. Only ever created, never opened when it exists: closing any descriptor of a file drops
 * all POSIX locks that the process has on it.
 */
function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600))
  } catch (error) {
    if (reason(error) !== "EEXIST") throw error
  }
}

/** SQLITE_BUSY and SQLITE_LOCKED, with or without an extended part. */
function isBusy(error: unknown): boolean {
  return (
    error instanceof Error &&
    "errcode" in error &&
    typeof error.errcode === "number" &&
    [5, 6].includes(error.errcode & 0xff)
  )
}

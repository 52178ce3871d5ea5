// Schema versions in order; PRAGMA user_version says how many have run. A newer database than this program knows is refused.
import type { DatabaseSync } from "node:sqlite"
import { PincerError } from "../../base/errors.ts"
import { spine } from "./001-spine.ts"
import { sessionNames } from "./002-session-names.ts"
import { jobs } from "./003-jobs.ts"
import { grants } from "./004-grants.ts"
import { audit } from "./005-audit.ts"
import { words } from "./006-words.ts"
import { runs } from "./007-runs.ts"
import { wordsBacklog } from "./008-words-backlog.ts"
import { sessionFacts } from "./009-session-facts.ts"
import { schedules } from "./010-schedules.ts"
import { devices } from "./011-devices.ts"
import { plans } from "./012-plans.ts"
import { sessionGroups } from "./013-session-groups.ts"

export const migrations: readonly string[] = [
  spine,
  sessionNames,
  jobs,
  grants,
  audit,
  words,
  runs,
  wordsBacklog,
  sessionFacts,
  schedules,
  devices,
  plans,
  sessionGroups,
]

/** How many migrations there are: the schema that this Pincer writes. */
export const SCHEMA = migrations.length

export interface MigrateOptions {
  /** Copies the database (schema `from`) before it changes and returns where to; a refusal leaves the schema as it is. */
  copy?(from: number): string
  reached?(point: "begun" | "changed" | "committed"): void
  /** Other migrations than the built-in ones, for tests. */
  list?: readonly string[]
}

/**
 * Brings the schema up to date in one transaction. Throws UNAVAILABLE when the file was written by a newer Pincer, and when a
 * migration fails: then nothing has changed, and the sentence names the copy that was made before.
 */
export function migrate(db: DatabaseSync, options: MigrateOptions = {}): void {
  const { copy, list = migrations, reached } = options
  const version = schemaOf(db)
  if (version > list.length)
    throw new PincerError(
      "UNAVAILABLE",
      `The database has schema ${version}, this Pincer knows ${list.length}: install the newer Pincer again`,
      { retryable: false },
    )
  if (version === list.length) return
  const copied = version > 0 ? copy?.(version) : undefined
  db.exec("BEGIN IMMEDIATE")
  // Another process was quicker: what is left to do is seen anew.
  if (schemaOf(db) !== version) {
    db.exec("ROLLBACK")
    migrate(db, options)
    return
  }
  try {
    reached?.("begun")
    for (const sql of list.slice(version)) db.exec(sql)
    reached?.("changed")
    db.exec(`PRAGMA user_version=${list.length}; COMMIT`)
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK")
    throw failed(version, list.length, copied, error)
  }
  reached?.("committed")
}

function schemaOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0)
}

function failed(from: number, to: number, copied: string | undefined, error: unknown): PincerError {
  const reason = error instanceof Error ? error.message : String(error)
  const kept = copied === undefined ? "" : `; a copy from before is ${copied}`
  return new PincerError(
    "UNAVAILABLE",
    `The database could not be brought from schema ${from} to ${to}: ${reason}. Nothing was changed${kept}: use the Pincer from before, or make room and try again`,
    { cause: error, retryable: false, details: { from, to, ...(copied === undefined ? {} : { copy: copied }) } },
  )
}

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

const migrations: readonly string[] = [
  spine,
  sessionNames,
  jobs,
  grants,
  audit,
  words,
  runs,
  wordsBacklog,
  sessionFacts,
]

/** Brings the schema up to date in one transaction. Throws UNAVAILABLE when the file was written by a newer Pincer. */
export function migrate(db: DatabaseSync): void {
  const row = db.prepare("PRAGMA user_version").get()
  const version = Number(row?.["user_version"] ?? 0)
  if (version > migrations.length)
    throw new PincerError(
      "UNAVAILABLE",
      `The database has schema ${version}, this Pincer knows ${migrations.length}: install the newer Pincer again`,
      { retryable: false },
    )
  if (version === migrations.length) return
  db.exec("BEGIN IMMEDIATE")
  try {
    for (const sql of migrations.slice(version)) db.exec(sql)
    db.exec(`PRAGMA user_version=${migrations.length}; COMMIT`)
  } catch (error) {
    db.exec("ROLLBACK")
    throw error
  }
}

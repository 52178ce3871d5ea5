// The audit of a home where no gateway runs, read from its database. Nothing is written.
import { statSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"
import { PincerError } from "../base/errors.ts"
import { AnchorFile } from "./audit-anchor.ts"
import { AuditReads } from "./audit-reads.ts"
import { Statement } from "./database.ts"

export { ExportWalk, exportEnd, exportHead, exportLine } from "./audit-chain.ts"

export interface AuditFile {
  reads: AuditReads
  close(): void
}

/**
 * Undefined when there is no database, or one from before there was an audit. Throws UNAVAILABLE when it cannot be read.
 * `unchanging`: nobody writes to it and its log is empty; then not even the files that SQLite keeps beside it are made.
 */
export function openAuditFile(path: string, unchanging = false): AuditFile | undefined {
  if (!statSync(path, { throwIfNoEntry: false })) return undefined
  try {
    const url = pathToFileURL(path)
    if (unchanging) url.searchParams.set("immutable", "1")
    const db = new DatabaseSync(url, { readOnly: true, timeout: 5000 })
    if (!db.prepare("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='audit'").get()) {
      db.close()
      return undefined
    }
    const source = {
      statement: (sql: string) => new Statement(db, sql),
      query: (sql: string, values: (string | number)[]) => db.prepare(sql).all(...values),
    }
    return { reads: new AuditReads(source, new AnchorFile(dirname(path))), close: () => db.close() }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new PincerError("UNAVAILABLE", `The database ${path} cannot be read: ${reason}`, {
      cause: error,
      retryable: false,
    })
  }
}

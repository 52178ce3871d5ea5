// The store with nothing but runs of workflows and the audit, for a process that needs nothing else: opened in a few milliseconds beside a gateway
// that has the same file open.
import { dirname } from "node:path"
import type { Clock } from "../base/clock.ts"
import { makeFolder } from "../base/folder.ts"
import type { Logger } from "../base/log.ts"
import { patternsOnly } from "../base/redact.ts"
import { AuditTable } from "./audit.ts"
import { Database, type DatabaseOptions } from "./database.ts"
import { RunTable } from "./runs.ts"
import { StepTable } from "./steps.ts"

export interface RunFile {
  readonly runs: RunTable
  /** Opened when it is first asked for. */
  audit(): AuditTable
  close(): void
}

/** Throws UNAVAILABLE naming the path when it cannot be opened or was written by a newer Pincer. */
export function openRuns(options: DatabaseOptions, clock: Clock, log: Logger): RunFile {
  makeFolder(dirname(options.path))
  const db = new Database(options)
  let audit: AuditTable | undefined
  return {
    runs: new RunTable(db, clock, new StepTable(db, clock)),
    audit() {
      audit ??= new AuditTable({ db, path: options.path, clock, log, redactor: patternsOnly })
      return audit
    },
    close() {
      audit?.close()
      db.close()
    },
  }
}

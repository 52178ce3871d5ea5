// What humans have allowed beyond one call, read from outside of a gateway: for judging calls without carrying them out. Nothing is
// written, and a gateway that has the database open is not disturbed.
import { statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"
import { PincerError } from "../base/errors.ts"
import { decodeElevation, type ElevationRow } from "./elevations.ts"
import { decodeGrant, type GrantRow } from "./grants.ts"

export interface RecordedLeave {
  grants: GrantRow[]
  elevations: ElevationRow[]
}

/** Undefined when there is no database. Throws UNAVAILABLE naming the path when it cannot be read. */
export function recordedLeave(path: string): RecordedLeave | undefined {
  if (!statSync(path, { throwIfNoEntry: false })) return undefined
  try {
    const url = pathToFileURL(path)
    // Without a log there is nobody else, and none of the files that SQLite shares need to be made.
    if (!statSync(`${path}-wal`, { throwIfNoEntry: false })) url.searchParams.set("immutable", "1")
    const db = new DatabaseSync(url, { readOnly: true, timeout: 5_000 })
    try {
      return {
        grants: db.prepare("SELECT * FROM grants ORDER BY created_at").all().map(decodeGrant),
        elevations: db.prepare("SELECT * FROM elevations").all().map(decodeElevation),
      }
    } finally {
      db.close()
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new PincerError("UNAVAILABLE", `What was allowed cannot be read from ${path}: ${why}`, { cause: error })
  }
}

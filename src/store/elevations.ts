// Sessions that may leave the sandbox for a while: at most one row each. Gone with the session and with its reset.
import type { Elevation } from "../protocol/permission.ts"
import type { Database, Row } from "./database.ts"
import { int, text } from "./row.ts"

export interface ElevationRow extends Elevation {
  sessionKey: string
  agentId: string
}

export function decodeElevation(row: Row): ElevationRow {
  return {
    sessionKey: text(row, "session_key"),
    agentId: text(row, "agent_id"),
    level: text(row, "level") as ElevationRow["level"],
    grantedAt: int(row, "granted_at"),
    expiresAt: int(row, "expires_at"),
    grantedBy: text(row, "granted_by"),
  }
}

export class ElevationTable {
  readonly #db: Database
  readonly #all
  readonly #get
  readonly #put
  readonly #delete

  constructor(db: Database) {
    this.#db = db
    this.#all = db.statement("SELECT * FROM elevations")
    this.#get = db.statement("SELECT * FROM elevations WHERE session_key=?")
    this.#put = db.statement(
      "INSERT OR REPLACE INTO elevations (session_key,agent_id,level,granted_at,expires_at,granted_by) VALUES (?,?,?,?,?,?)",
    )
    this.#delete = db.statement("DELETE FROM elevations WHERE session_key=? RETURNING *")
  }

  async all(): Promise<ElevationRow[]> {
    return this.#all.all().map(decodeElevation)
  }

  async get(sessionKey: string): Promise<ElevationRow | undefined> {
    const row = this.#get.get(sessionKey)
    return row && decodeElevation(row)
  }

  /** `also` runs in the same commit. */
  put(row: ElevationRow, also: () => void): Promise<void> {
    return this.#db.write(() => {
      this.putNow(row)
      also()
    })
  }

  /** Within a write. */
  putNow({ sessionKey, agentId, level, grantedAt, expiresAt, grantedBy }: ElevationRow): void {
    this.#put.run(sessionKey, agentId, level, grantedAt, expiresAt, grantedBy)
  }

  /** What there was; `also` runs in the same commit when there was something. */
  delete(sessionKey: string, also: (gone: ElevationRow) => void): Promise<ElevationRow | undefined> {
    return this.#db.write(() => {
      const row = this.#delete.get(sessionKey)
      const gone = row && decodeElevation(row)
      if (gone) also(gone)
      return gone
    })
  }
}

// OpenAI Responses ids and where in a session each one ends.
import type { Database } from "./database.ts"
import { int, json, text } from "./row.ts"
import type { ResponseRow, Responses } from "./store.ts"

export class ResponseTable implements Responses {
  readonly #db: Database
  readonly #put
  readonly #get
  readonly #delete

  constructor(db: Database) {
    this.#db = db
    this.#put = db.statement(
      "INSERT OR REPLACE INTO responses (id,session_key,turn_id,seq,created_at,body) VALUES (?,?,?,?,?,?)",
    )
    this.#get = db.statement("SELECT * FROM responses WHERE id=?")
    this.#delete = db.statement("DELETE FROM responses WHERE id=?")
  }

  put(row: ResponseRow): Promise<void> {
    return this.#db.write(() => {
      this.#put.run(row.id, row.sessionKey, row.turnId, row.seq, row.createdAt, JSON.stringify(row.body))
    })
  }

  async get(id: string): Promise<ResponseRow | undefined> {
    const row = this.#get.get(id)
    if (!row) return undefined
    return {
      id: text(row, "id"),
      sessionKey: text(row, "session_key"),
      turnId: text(row, "turn_id"),
      seq: int(row, "seq"),
      createdAt: int(row, "created_at"),
      body: json<Record<string, unknown>>(row, "body"),
    }
  }

  delete(id: string): Promise<boolean> {
    return this.#db.write(() => this.#delete.run(id) > 0)
  }
}

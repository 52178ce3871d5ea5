// Small state that tools keep per session between turns: a few JSON values by name.
import type { Database } from "./database.ts"
import { text } from "./row.ts"

export class NoteTable {
  readonly #db: Database
  readonly #all
  readonly #put
  readonly #delete

  constructor(db: Database) {
    this.#db = db
    this.#all = db.statement("SELECT name,value FROM notes WHERE session_key=?")
    this.#put = db.statement("INSERT OR REPLACE INTO notes (session_key,name,value) VALUES (?,?,?)")
    this.#delete = db.statement("DELETE FROM notes WHERE session_key=?")
  }

  async of(sessionKey: string): Promise<Map<string, unknown>> {
    return new Map(this.#all.all(sessionKey).map((row) => [text(row, "name"), JSON.parse(text(row, "value"))]))
  }

  /** Replaces all notes of the session. */
  save(sessionKey: string, notes: ReadonlyMap<string, unknown>): Promise<void> {
    return this.#db.write(() => {
      this.#delete.run(sessionKey)
      for (const [name, value] of notes) this.#put.run(sessionKey, name, JSON.stringify(value))
    })
  }
}

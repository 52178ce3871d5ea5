// Groups of sessions: their names, order and folders. Sessions name their group themselves; what is done to a group is done to them in the
// same write, and does not count as use of them.
import { PincerError } from "../base/errors.ts"
import type { Database } from "./database.ts"
import { int, text, textOrNull } from "./row.ts"
import type { SessionGroup, SessionGroups } from "./store.ts"

export class GroupTable implements SessionGroups {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  async list(): Promise<{ groups: SessionGroup[]; sections: string[] }> {
    const rows = this.#db.query("SELECT * FROM session_groups ORDER BY position", [])
    const groups = rows.map((row, position) => ({
      name: text(row, "name"),
      position,
      cwd: textOrNull(row, "cwd"),
    }))
    const known = new Set(groups.map(({ name }) => name))
    const used = this.#db
      .query(
        "SELECT DISTINCT settings->>'category' AS name FROM sessions WHERE settings->>'category' IS NOT NULL ORDER BY 1",
        [],
      )
      .map((row) => text(row, "name"))
    for (const name of used) if (!known.has(name)) groups.push({ name, position: groups.length, cwd: null })
    const sections = this.#db.query("SELECT name FROM session_sections ORDER BY position", [])
    return { groups, sections: sections.map((row) => text(row, "name")) }
  }

  put(names: readonly string[], sections?: readonly string[]): Promise<string[]> {
    return this.#db.write(() => {
      const folders = new Map(
        this.#db
          .query("SELECT name,cwd FROM session_groups", [])
          .map((row) => [text(row, "name"), textOrNull(row, "cwd")]),
      )
      this.#db.statement("DELETE FROM session_groups").run()
      const insert = this.#db.statement("INSERT INTO session_groups (name,position,cwd) VALUES (?,?,?)")
      for (const [position, name] of names.entries()) insert.run(name, position, folders.get(name) ?? null)
      if (sections) {
        this.#db.statement("DELETE FROM session_sections").run()
        const section = this.#db.statement("INSERT INTO session_sections (position,name) VALUES (?,?)")
        for (const [position, name] of sections.entries()) section.run(position, name)
      }
      const left = this.#db
        .query(
          `UPDATE sessions SET settings=json_remove(settings,'$.category')
           WHERE settings->>'category' IS NOT NULL AND settings->>'category' NOT IN (SELECT name FROM session_groups) RETURNING key`,
          [],
        )
        .map((row) => text(row, "key"))
      return left
    })
  }

  rename(name: string, to: string): Promise<string[]> {
    return this.#db.write(() => {
      const known = this.#require(name)
      if (name === to) return []
      if (this.#has(to)) throw new PincerError("ALREADY_EXISTS", `There is a group "${to}" already: give another name`)
      if (known) this.#db.statement("UPDATE session_groups SET name=? WHERE name=?").run(to, name)
      return this.#db
        .query(
          "UPDATE sessions SET settings=json_set(settings,'$.category',?) WHERE settings->>'category'=? RETURNING key",
          [to, name],
        )
        .map((row) => text(row, "key"))
    })
  }

  setFolder(name: string, cwd: string | null): Promise<void> {
    return this.#db.write(() => {
      if (!this.#require(name)) {
        const [row] = this.#db.query("SELECT coalesce(max(position)+1,0) AS n FROM session_groups", [])
        this.#db
          .statement("INSERT INTO session_groups (name,position,cwd) VALUES (?,?,?)")
          .run(name, int(row!, "n"), cwd)
      } else this.#db.statement("UPDATE session_groups SET cwd=? WHERE name=?").run(cwd, name)
    })
  }

  delete(name: string): Promise<string[]> {
    return this.#db.write(() => {
      this.#require(name)
      this.#db.statement("DELETE FROM session_groups WHERE name=?").run(name)
      return this.#db
        .query(
          "UPDATE sessions SET settings=json_remove(settings,'$.category') WHERE settings->>'category'=? RETURNING key",
          [name],
        )
        .map((row) => text(row, "key"))
    })
  }

  #has(name: string): boolean {
    return this.#isListed(name) || this.#isUsed(name)
  }

  #isListed(name: string): boolean {
    return this.#db.query("SELECT 1 AS one FROM session_groups WHERE name=?", [name]).length > 0
  }

  #isUsed(name: string): boolean {
    return this.#db.query("SELECT 1 AS one FROM sessions WHERE settings->>'category'=? LIMIT 1", [name]).length > 0
  }

  /** Whether it is listed, or only named by sessions. */
  #require(name: string): boolean {
    if (this.#isListed(name)) return true
    if (this.#isUsed(name)) return false
    throw new PincerError("NOT_FOUND", `Unknown group "${name}": see sessions.groups.list`)
  }
}

// Makes transcripts findable that were written before there was an index of words: a few events at a time, in the commit that says how
// far it has come, so that it goes on after a restart where it stopped and reads nothing twice.
import type { RecordedEvent } from "../protocol/event.ts"
import type { Database } from "./database.ts"
import { int, json, text } from "./row.ts"
import type { WordTable } from "./words.ts"

export class WordsBacklog {
  readonly #db: Database
  readonly #words: WordTable
  readonly #next
  readonly #events
  readonly #drops
  readonly #advance
  readonly #finish

  constructor(db: Database, words: WordTable) {
    this.#db = db
    this.#words = words
    this.#next = db.statement("SELECT * FROM words_backlog LIMIT 1")
    this.#events = db.statement(
      "SELECT seq,data FROM events WHERE session_id=? AND seq>? AND seq<=? AND type='message.added' ORDER BY seq LIMIT ?",
    )
    this.#drops = db.statement(
      "SELECT data FROM events WHERE session_id=? AND type IN ('messages.dropped','messages.restored') ORDER BY seq",
    )
    this.#advance = db.statement("UPDATE words_backlog SET done=? WHERE session_id=?")
    this.#finish = db.statement("DELETE FROM words_backlog WHERE session_id=?")
  }

  /** Reads at most so many messages of one session; false when there is nothing left at all. */
  step(limit: number): Promise<boolean> {
    return this.#db.write(() => {
      const row = this.#next.get()
      if (!row) return false
      const sessionId = text(row, "session_id")
      const found = this.#events.all(sessionId, int(row, "done"), int(row, "through"), limit)
      const dropped = found.length === 0 ? new Set<string>() : this.#droppedIn(sessionId)
      for (const one of found) {
        const event = json<RecordedEvent>(one, "data")
        if (event.type === "message.added" && !dropped.has(event.message.id)) this.#words.catchUp(sessionId, event)
      }
      const last = found.at(-1)
      if (last && found.length === limit) this.#advance.run(int(last, "seq"), sessionId)
      else this.#finish.run(sessionId)
      return true
    })
  }

  /** Also what was taken back since: its words must not come back. */
  #droppedIn(sessionId: string): Set<string> {
    const ids = new Set<string>()
    for (const row of this.#drops.all(sessionId)) {
      const event = json<RecordedEvent>(row, "data")
      if (event.type === "messages.dropped") for (const id of event.messageIds) ids.add(id)
      else if (event.type === "messages.restored") for (const id of event.messageIds) ids.delete(id)
    }
    return ids
  }
}

// Finding sessions by what was said in them. Each message of a human or a model is indexed in the commit that records it, its secrets
// taken out before, and forgotten with it. The index knows pieces of three characters: any part of a word is found, in any script.
// Everything is bounded: how much of a message is indexed, how many messages a search looks at, how many pieces a short word may be part of.
import type { Redactor } from "../base/redact.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { Part } from "../protocol/message.ts"
import type { Database } from "./database.ts"
import { int, text } from "./row.ts"

/** Characters of one message that can be found. */
const MAX_INDEXED = 8_000
/** The newest messages in which a search finds its words. */
const MAX_MATCHES = 20_000
/** Words of a search; more are left out. */
const MAX_WORDS = 8
/** Pieces of the index in which a word of one or two characters is looked for. */
const MAX_PIECES = 400
/** After a message, so that its last two characters begin a piece, too. */
const PADDING = "\n\n"
const PIECE = 3

export class WordTable {
  readonly #redactor: Redactor
  readonly #row
  readonly #index
  readonly #pieces
  readonly #found
  readonly #forgetWords
  readonly #forgetRows
  readonly #forgetMessage
  readonly #forgetMessageRow
  readonly #forgetBacklog
  readonly #known

  constructor(db: Database, redactor: Redactor) {
    this.#redactor = redactor
    this.#row = db.statement("INSERT INTO word_rows (session_id,message_id) VALUES (?,?) RETURNING n")
    this.#index = db.statement("INSERT INTO words (rowid,text) VALUES (?,?)")
    this.#pieces = db.statement("SELECT term FROM words_terms WHERE term>=? AND term<? LIMIT ?")
    this.#found = db.statement(
      `SELECT DISTINCT session_id FROM word_rows WHERE n IN
        (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ${MAX_MATCHES})`,
    )
    this.#forgetWords = db.statement("DELETE FROM words WHERE rowid IN (SELECT n FROM word_rows WHERE session_id=?)")
    this.#forgetRows = db.statement("DELETE FROM word_rows WHERE session_id=?")
    this.#forgetMessage = db.statement(
      "DELETE FROM words WHERE rowid IN (SELECT n FROM word_rows WHERE session_id=? AND message_id=?)",
    )
    this.#forgetMessageRow = db.statement("DELETE FROM word_rows WHERE session_id=? AND message_id=?")
    this.#forgetBacklog = db.statement("DELETE FROM words_backlog WHERE session_id=?")
    this.#known = db.statement("SELECT 1 FROM word_rows WHERE session_id=? AND message_id=?")
  }

  /** Within a write: what an event says or takes back. */
  hear(sessionId: string, event: RecordedEvent): void {
    if (event.type === "messages.dropped") {
      for (const id of event.messageIds) {
        this.#forgetMessage.run(sessionId, id)
        this.#forgetMessageRow.run(sessionId, id)
      }
      return
    }
    if (event.type !== "message.added" || event.message.synthetic) return
    const { content, id, role } = event.message
    if (role !== "user" && role !== "assistant") return
    const said = wordsOf(content)
    if (said === "") return
    const row = this.#row.get(sessionId, id)
    // Cut after the secrets are out: half of one is none to the redactor.
    const shown = this.#redactor.text(said.slice(0, 2 * MAX_INDEXED)).slice(0, MAX_INDEXED)
    this.#index.run(int(row!, "n"), shown + PADDING)
  }

  /** Within a write: an event from before there was this index, unless it is in it. */
  catchUp(sessionId: string, event: Extract<RecordedEvent, { type: "message.added" }>): void {
    if (!this.#known.get(sessionId, event.message.id)) this.hear(sessionId, event)
  }

  /** Within a write: a transcript is gone. */
  forget(sessionId: string): void {
    this.#forgetBacklog.run(sessionId)
    this.#forgetWords.run(sessionId)
    this.#forgetRows.run(sessionId)
  }

  /** The ids of the sessions in which one message holds every word of the search. */
  sessionsWith(search: string): string[] {
    const terms = search
      .trim()
      .split(/\s+/)
      .slice(0, MAX_WORDS)
      .filter((word) => word !== "")
    const wanted: string[] = []
    for (const word of terms) {
      const part = [...word].length >= PIECE ? quoted(word) : this.#shortWord(word)
      if (part === undefined) return []
      wanted.push(part)
    }
    if (wanted.length === 0) return []
    return this.#found.all(wanted.join(" AND ")).map((row) => text(row, "session_id"))
  }

  /** A word that is shorter than a piece: every piece that begins with it. Undefined when there is none. */
  #shortWord(word: string): string | undefined {
    const begin = word.toLowerCase()
    const pieces = this.#pieces.all(begin, `${begin}\u{10ffff}`, MAX_PIECES).map((row) => quoted(text(row, "term")))
    return pieces.length === 0 ? undefined : `(${pieces.join(" OR ")})`
  }
}

/** What can be found of a message: what was said, the text that came with it, and the names of what it points to. */
function wordsOf(content: readonly Part[]): string {
  const words: string[] = []
  for (const part of content) {
    if (part.type === "text") words.push(part.text)
    else if (part.type === "resource") words.push(nameIn(part.uri), part.text ?? "")
    else if (part.type === "link") words.push(part.name, part.title ?? "")
    else if (part.type === "file") words.push(part.name)
  }
  return words
    .filter((one) => one !== "")
    .join("\n")
    .trim()
}

/** The last step of an address, which people know a file by. */
function nameIn(uri: string): string {
  const step = uri.split(/[?#]/, 1)[0]!.split("/").at(-1)!
  try {
    return decodeURIComponent(step)
  } catch (error) {
    if (error instanceof URIError) return step
    throw error
  }
}

/** As one phrase of the index's query language, whatever it holds. */
function quoted(phrase: string): string {
  return `"${phrase.replaceAll('"', '""')}"`
}

// A look at the database from outside, for `pincer doctor`: nothing is written, not even the files that SQLite keeps beside it.
import { closeSync, openSync, readSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"

export interface Inspection {
  state: "absent" | "good" | "bad"
  /** What was found, as a sentence. */
  text: string
}

const MAGIC = "SQLite format 3\0"

/**
 * Says whether the file is a database that can be read and, when no gateway has it open and nothing waits in its log, whether
 * SQLite finds it sound. Never throws.
 */
export function inspectDatabase(path: string, inUse: boolean): Inspection {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return { state: "absent", text: `${path} does not exist yet: the gateway makes it when it first starts` }
  try {
    const head = Buffer.alloc(16)
    const fd = openSync(path, "r")
    try {
      readSync(fd, head, 0, 16, 0)
    } finally {
      closeSync(fd)
    }
    if (stat.size > 0 && head.toString("latin1") !== MAGIC)
      return { state: "bad", text: `${path} is not a SQLite database` }
    const unfinished = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
    if (inUse || unfinished || stat.size === 0) return { state: "good", text: `${path} is there and readable` }
    return quickCheck(path)
  } catch (error) {
    return { state: "bad", text: `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function quickCheck(path: string): Inspection {
  const url = pathToFileURL(path)
  url.searchParams.set("immutable", "1")
  const db = new DatabaseSync(url, { readOnly: true })
  try {
    const row = db.prepare("PRAGMA quick_check(1)").get()
    const verdict = row ? String(Object.values(row)[0]) : "no answer"
    if (verdict === "ok") return { state: "good", text: `${path} is sound` }
    return { state: "bad", text: `${path} is damaged: ${verdict}` }
  } finally {
    db.close()
  }
}

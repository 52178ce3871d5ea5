// The one SQLite connection (node:sqlite, WAL). Writes are grouped: everything asked for in one turn of the event loop is
// committed in one transaction, and each promise resolves after the commit. A write function must be safe to run again: when one
// of a group throws, the group is rolled back and each runs in a transaction of its own, so that only the guilty one fails.
import { chmodSync, closeSync, fsyncSync, openSync, statSync } from "node:fs"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { PincerError } from "../base/errors.ts"
import { migrate } from "./migrations/index.ts"
import { copyBeforeSchemaChange, type SchemaCopies } from "./snapshot.ts"

export type Row = Record<string, unknown>
type Value = string | number | bigint | null | Uint8Array

interface Write {
  run: () => unknown
  when: WriteTime
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/**
 * "now": with the next commit. "later": nobody waits for it, so it goes with whatever is written next, in the same order, or by itself after a few
 * milliseconds. "ahead": with the next commit, which counts for every process at once and outlives this one, but need not outlive a power cut: it is
 * on disk with the next write that is. For what nothing has acted upon before then.
 */
export type WriteTime = "now" | "later" | "ahead"

export interface DatabaseOptions {
  path: string
  /** "full" syncs the log on every commit (survives power loss); "normal" survives a crash of the process. */
  durability: "full" | "normal"
  /** Where the database is copied to before its schema changes; absent: it is not. */
  copies?: SchemaCopies
}

/** How long what nobody waits for waits for company. */
const LATER_MS = 10

/** A statement prepared on first use. Bound values are positional. */
export class Statement {
  readonly #db: DatabaseSync
  readonly #sql: string
  #statement: StatementSync | undefined

  constructor(db: DatabaseSync, sql: string) {
    this.#db = db
    this.#sql = sql
  }

  get #prepared(): StatementSync {
    this.#statement ??= this.#db.prepare(this.#sql)
    return this.#statement
  }

  get(...values: Value[]): Row | undefined {
    return this.#prepared.get(...values)
  }

  all(...values: Value[]): Row[] {
    return this.#prepared.all(...values)
  }

  /** Rows one by one, for reading only as far as is needed. Nothing else may run meanwhile: no await in the loop. */
  each(...values: Value[]): Iterable<Row> {
    return this.#prepared.iterate(...values)
  }

  /** The number of rows changed. */
  run(...values: Value[]): number {
    return Number(this.#prepared.run(...values).changes)
  }
}

export class Database {
  readonly #db: DatabaseSync
  readonly #path: string
  readonly #durability: DatabaseOptions["durability"]
  #queue: Write[] = []
  #soon: NodeJS.Immediate | undefined
  #later: NodeJS.Timeout | undefined
  #closed = false
  /** Something was committed that a power cut would take back. */
  #isAhead = false

  /** Opens (creating it, mode 0600) and brings the schema up to date. Throws UNAVAILABLE naming the path when it cannot. */
  constructor(options: DatabaseOptions) {
    this.#path = options.path
    this.#durability = options.durability
    try {
      // Without a busy timeout, node:sqlite fails at once with "database is locked".
      this.#db = new DatabaseSync(options.path, { timeout: 5000 })
      chmodSync(options.path, 0o600)
      this.#db.exec(
        "PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-1000",
      )
      this.#db.exec(`PRAGMA synchronous=${options.durability === "full" ? "FULL" : "NORMAL"}`)
      this.#db.exec("PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=1000")
      const { copies, path } = options
      const copy = copies && ((schema: number) => copyBeforeSchemaChange(this.#db, path, schema, copies))
      migrate(this.#db, { ...(copy ? { copy } : {}), reached: (point) => copies?.reached?.(point) })
    } catch (error) {
      if (error instanceof PincerError) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new PincerError("UNAVAILABLE", `Cannot open the database ${options.path}: ${reason}`, { cause: error })
    }
  }

  statement(sql: string): Statement {
    return new Statement(this.#db, sql)
  }

  /** Rows of a query that is put together at run time. */
  query(sql: string, values: Value[]): Row[] {
    return this.#db.prepare(sql).all(...values)
  }

  /** Runs `fn` within a commit and resolves with its result once that is on disk, or as `when` says. */
  write<T>(fn: () => T, when: WriteTime = "now"): Promise<T> {
    if (this.#closed) return Promise.reject(new PincerError("UNAVAILABLE", "The store is closed"))
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run: fn, when, resolve: resolve as (value: unknown) => void, reject })
      if (when === "later") this.#later ??= setTimeout(() => this.flush(), LATER_MS)
      else this.#soon ??= setImmediate(() => this.flush())
    })
  }

  /** Commits at once what is queued. */
  flush(): void {
    clearTimeout(this.#later)
    clearImmediate(this.#soon)
    this.#later = undefined
    this.#soon = undefined
    const group = this.#queue
    this.#queue = []
    if (group.length === 0) return
    const results = this.#commit(group)
    if (results.ok) {
      for (let i = 0; i < group.length; i++) group[i]!.resolve(results.values[i])
      return
    }
    if (group.length === 1) {
      group[0]!.reject(results.error)
      return
    }
    for (const write of group) {
      const alone = this.#commit([write])
      if (alone.ok) write.resolve(alone.values[0])
      else write.reject(alone.error)
    }
  }

  #commit(group: Write[]): { ok: true; values: unknown[] } | { ok: false; error: unknown } {
    const isAhead = this.#durability === "full" && group.every(({ when }) => when === "ahead")
    try {
      if (isAhead) this.#db.exec("PRAGMA synchronous=NORMAL")
      this.#db.exec("BEGIN IMMEDIATE")
      const values = group.map((write) => write.run())
      this.#db.exec("COMMIT")
      this.#isAhead = isAhead
      return { ok: true, values }
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK")
      return { ok: false, error }
    } finally {
      if (isAhead) this.#db.exec("PRAGMA synchronous=FULL")
    }
  }

  /** What was committed is on disk when it returns, whatever the durability. */
  sync(): void {
    if (this.#durability === "full" && !this.#isAhead) return
    const log = `${this.#path}-wal`
    if (!statSync(log, { throwIfNoEntry: false })) return
    const fd = openSync(log, "r")
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }

  /** Bytes of the database file and its log. */
  size(): number {
    let total = 0
    for (const suffix of ["", "-wal"]) total += statSync(this.#path + suffix, { throwIfNoEntry: false })?.size ?? 0
    return total
  }

  /** Gives back the pages that are only kept in case they are asked for again. */
  rest(): void {
    this.#db.exec("PRAGMA shrink_memory")
  }

  /** Commits what is queued and closes. */
  close(): void {
    if (this.#closed) return
    this.flush()
    this.#closed = true
    this.#db.close()
  }
}

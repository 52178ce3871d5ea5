// Sessions: one row a key. Counters are kept up to date by the event log's appends (transcript.ts).
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import type { Usage } from "../protocol/message.ts"
import type { Database, Row } from "./database.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"
import type { SessionFilter, SessionPatch, SessionRow, Sessions } from "./store.ts"
import type { WordTable } from "./words.ts"

export function decodeUsage(row: Row): Usage {
  const cost = row["cost_usd"]
  return {
    inputTokens: int(row, "input_tokens"),
    outputTokens: int(row, "output_tokens"),
    cacheReadTokens: int(row, "cache_read_tokens"),
    cacheWriteTokens: int(row, "cache_write_tokens"),
    reasoningTokens: int(row, "reasoning_tokens"),
    costUsd: typeof cost === "number" ? cost : null,
  }
}

export function decodeSession(row: Row): SessionRow {
  return {
    key: text(row, "key"),
    id: text(row, "id"),
    agentId: text(row, "agent_id"),
    label: textOrNull(row, "label"),
    name: textOrNull(row, "name"),
    tags: json<string[]>(row, "tags"),
    archivedAt: intOrNull(row, "archived_at"),
    cwd: textOrNull(row, "cwd"),
    model: textOrNull(row, "model"),
    settings: json<Record<string, string>>(row, "settings"),
    createdAt: int(row, "created_at"),
    updatedAt: int(row, "updated_at"),
    usage: decodeUsage(row),
    lastSeq: int(row, "last_seq"),
    messageCount: int(row, "message_count"),
    title: textOrNull(row, "title"),
    toldTitle: textOrNull(row, "told_title"),
    abortedLastTurn: int(row, "aborted_last") === 1,
  }
}

/** Sessions deleted before others get a word in. */
const PRUNE_AT_ONCE = 50

type EnsureFields = Partial<Pick<SessionRow, "cwd" | "model" | "label">>

export class SessionTable implements Sessions {
  readonly #db: Database
  readonly #clock: Clock
  readonly #words: WordTable
  readonly #transcripts
  readonly #byKey
  readonly #byId
  readonly #byLabel
  readonly #insert
  readonly #patch
  readonly #reset
  readonly #archive
  readonly #leaves
  readonly #deletes

  constructor(db: Database, clock: Clock, words: WordTable) {
    this.#db = db
    this.#clock = clock
    this.#words = words
    this.#transcripts = db.statement("SELECT id FROM archives WHERE key=?1 UNION SELECT id FROM sessions WHERE key=?1")
    this.#byKey = db.statement("SELECT * FROM sessions WHERE key=?")
    this.#byId = db.statement("SELECT * FROM sessions WHERE id=?")
    this.#byLabel = db.statement("SELECT * FROM sessions WHERE label=?")
    this.#insert = db.statement(
      "INSERT INTO sessions (key,id,agent_id,label,cwd,model,created_at,updated_at) VALUES (?,?,?,?,?,?,?,?) RETURNING *",
    )
    this.#patch = db.statement(
      "UPDATE sessions SET label=?,name=?,tags=?,archived_at=?,cwd=?,model=?,settings=?,updated_at=? WHERE key=? RETURNING *",
    )
    this.#reset = db.statement(
      `UPDATE sessions SET id=?,updated_at=?,input_tokens=0,output_tokens=0,cache_read_tokens=0,cache_write_tokens=0,
       reasoning_tokens=0,cost_usd=NULL,last_seq=0,message_count=0,title=NULL,told_title=NULL,aborted_last=0 WHERE key=? RETURNING *`,
    )
    this.#archive = db.statement("INSERT INTO archives (id,key,archived_at) VALUES (?,?,?)")
    // What was allowed in a conversation ends with it.
    this.#leaves = ["DELETE FROM grants WHERE session_key=?", "DELETE FROM elevations WHERE session_key=?"].map((sql) =>
      db.statement(sql),
    )
    this.#deletes = [
      "DELETE FROM events WHERE session_id IN (SELECT id FROM archives WHERE key=?1 UNION SELECT id FROM sessions WHERE key=?1)",
      "DELETE FROM session_facts WHERE session_id IN (SELECT id FROM archives WHERE key=?1 UNION SELECT id FROM sessions WHERE key=?1)",
      "DELETE FROM archives WHERE key=?1",
      "DELETE FROM steps WHERE owner IN (SELECT id FROM turns WHERE session_key=?1)",
      "DELETE FROM drafts WHERE turn_id IN (SELECT id FROM turns WHERE session_key=?1)",
      "DELETE FROM turns WHERE session_key=?1",
      "DELETE FROM notes WHERE session_key=?1",
      "DELETE FROM approvals WHERE session_key=?1",
      "DELETE FROM grants WHERE session_key=?1",
      "DELETE FROM elevations WHERE session_key=?1",
      "DELETE FROM responses WHERE session_key=?1",
    ].map((sql) => db.statement(sql))
  }

  async get(key: string): Promise<SessionRow | undefined> {
    return this.find(key)
  }

  async byId(id: string): Promise<SessionRow | undefined> {
    const row = this.#byId.get(id)
    return row && decodeSession(row)
  }

  async byLabel(label: string): Promise<SessionRow | undefined> {
    const row = this.#byLabel.get(label)
    return row && decodeSession(row)
  }

  async list(filter: SessionFilter): Promise<{ sessions: SessionRow[]; total: number }> {
    const where: string[] = []
    const values: (string | number)[] = []
    if (filter.agentId !== undefined) {
      where.push("agent_id=?")
      values.push(filter.agentId)
    }
    if (filter.label !== undefined) {
      where.push("label=?")
      values.push(filter.label)
    }
    if (filter.idPrefix !== undefined) {
      where.push("substr(id,1,?)=?")
      values.push(filter.idPrefix.length, filter.idPrefix)
    }
    if (filter.tag !== undefined) {
      where.push("EXISTS (SELECT 1 FROM json_each(tags) WHERE value=?)")
      values.push(filter.tag)
    }
    if (filter.category !== undefined) {
      where.push("settings->>'category'=?")
      values.push(filter.category)
    }
    if (filter.cwd !== undefined) {
      where.push("(cwd=? OR (cwd IS NULL AND agent_id IN (SELECT value FROM json_each(?))))")
      values.push(filter.cwd.path, JSON.stringify(filter.cwd.agentIds))
    }
    if (filter.archived !== undefined) where.push(`archived_at IS ${filter.archived ? "NOT " : ""}NULL`)
    if (filter.updatedAfter !== undefined) {
      where.push("updated_at>?")
      values.push(filter.updatedAfter)
    }
    if (filter.search !== undefined && filter.search !== "") {
      where.push(
        `(instr(lower(key||char(10)||coalesce(label,'')||char(10)||coalesce(name,'')||char(10)||tags||char(10)||coalesce(title,'')||char(10)||coalesce(told_title,'')),lower(?))
          OR id IN (SELECT value FROM json_each(?)))`,
      )
      values.push(filter.search, JSON.stringify(this.#words.sessionsWith(filter.search)))
    }
    const condition = where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`
    const total = int(this.#db.query(`SELECT count(*) AS n FROM sessions ${condition}`, values)[0]!, "n")
    const rows = this.#db.query(`SELECT * FROM sessions ${condition} ORDER BY updated_at DESC, key LIMIT ? OFFSET ?`, [
      ...values,
      filter.limit ?? -1,
      filter.offset ?? 0,
    ])
    return { sessions: rows.map(decodeSession), total }
  }

  ensure(key: string, agentId: string, fields: EnsureFields = {}): Promise<SessionRow> {
    return this.#db.write(() => this.ensureNow(key, agentId, fields))
  }

  patch(key: string, fields: SessionPatch): Promise<SessionRow> {
    return this.#db.write(() => this.patchNow(key, fields))
  }

  /** Within a write. */
  patchNow(key: string, fields: SessionPatch): SessionRow {
    const now = this.#require(key)
    const label = fields.label === undefined ? now.label : fields.label
    if (label !== null && label !== now.label && this.#byLabel.get(label) !== undefined)
      throw new PincerError("ALREADY_EXISTS", `label already in use: ${label}`)
    const next = { ...now, ...fields, label }
    const [tags, settings] = [JSON.stringify(next.tags), JSON.stringify(next.settings)]
    const at = this.#clock.now()
    const row = this.#patch.get(label, next.name, tags, next.archivedAt, next.cwd, next.model, settings, at, key)
    return decodeSession(row!)
  }

  unset(key: string, names: readonly string[]): Promise<boolean> {
    return this.#db.write(() => {
      const session = this.find(key)
      if (!session) return false
      const settings = { ...session.settings }
      for (const name of names) delete settings[name]
      this.patchNow(key, { settings, ...(names.includes("model") ? { model: null } : {}) })
      return true
    })
  }

  reset(key: string): Promise<SessionRow> {
    return this.#db.write(() => this.#resetNow(key))
  }

  #resetNow(key: string): SessionRow {
    const at = this.#clock.now()
    const old = this.#require(key)
    if (old.lastSeq > 0) this.#archive.run(old.id, key, at)
    for (const statement of this.#leaves) statement.run(key)
    this.#words.forget(old.id)
    return decodeSession(this.#reset.get(uuid(at), at, key)!)
  }

  /** Within a write. Throws NOT_FOUND. */
  requireNow(key: string): SessionRow {
    return this.#require(key)
  }

  /** Within a write: the session, empty, with these fields. */
  renewNow(key: string, agentId: string, fields: SessionPatch): SessionRow {
    this.ensureNow(key, agentId, {})
    this.#resetNow(key)
    return this.patchNow(key, fields)
  }

  delete(key: string): Promise<boolean> {
    return this.#db.write(() => {
      if (this.find(key) === undefined) return false
      for (const row of this.#transcripts.all(key)) this.#words.forget(text(row, "id"))
      for (const statement of this.#deletes) statement.run(key)
      return this.#db.statement("DELETE FROM sessions WHERE key=?").run(key) > 0
    })
  }

  /**
   * Deletes, a few at a time, sessions of these kinds (the part of the key after the agent), or all but the main ones, that were last
   * used before `before`, and in which no turn or job is open. Returns how many there were.
   */
  async prune(kinds: readonly string[] | "all", before: number): Promise<number> {
    const where =
      kinds === "all"
        ? "key NOT GLOB 'agent:*:main' OR key GLOB 'agent:*:*:main'"
        : kinds.map(() => "key GLOB ?").join(" OR ")
    const values = kinds === "all" ? [] : kinds.map((kind) => `agent:*:${kind}:*`)
    const unfinished = `EXISTS (SELECT 1 FROM turns WHERE session_key=key AND ended_at IS NULL)
      OR EXISTS (SELECT 1 FROM jobs WHERE session_key=key AND finished_at IS NULL)`
    const sql = `SELECT key FROM sessions WHERE updated_at<? AND (${where}) AND NOT (${unfinished}) LIMIT ${PRUNE_AT_ONCE}`
    let pruned = 0
    for (;;) {
      const keys = this.#db.query(sql, [before, ...values]).map((row) => text(row, "key"))
      for (const key of keys) await this.delete(key)
      pruned += keys.length
      if (keys.length < PRUNE_AT_ONCE) return pruned
    }
  }

  /** Only within a write or where a stale answer does no harm. */
  find(key: string): SessionRow | undefined {
    const row = this.#byKey.get(key)
    return row && decodeSession(row)
  }

  /** Within a write: the session, created when it is not there. */
  ensureNow(key: string, agentId: string, fields: EnsureFields): SessionRow {
    const found = this.find(key)
    if (found) return found
    const at = this.#clock.now()
    const row = this.#insert.get(
      key,
      uuid(at),
      agentId,
      fields.label ?? null,
      fields.cwd ?? null,
      fields.model ?? null,
      at,
      at,
    )
    return decodeSession(row!)
  }

  #require(key: string): SessionRow {
    const session = this.find(key)
    if (!session) throw new PincerError("NOT_FOUND", `Unknown session "${key}": run "pincer session list"`)
    return session
  }
}

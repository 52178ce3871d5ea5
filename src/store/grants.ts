// What humans allowed beyond one call: rules of an agent, which stand until they are removed, and single calls of a session, which go
// with its reset. A grant answers an "ask"; it never lifts a denial.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import type { Approval, RuleOffer } from "../protocol/approval.ts"
import type { Database, Row } from "./database.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"

export interface GrantRow {
  id: string
  scope: "session" | "agent"
  agentId: string
  sessionKey: string | null
  tool: string
  match: RuleOffer["match"]
  /** For people: the rule as it was shown before it was written, or what the call did. */
  text: string
  /** The approval that wrote it. */
  approvalId: string
  createdAt: number
  createdBy: string
  lastUsedAt: number | null
  uses: number
}

export interface GrantFilter {
  scope?: GrantRow["scope"]
  agentId?: string
  sessionKey?: string
}

export function decodeGrant(row: Row): GrantRow {
  return {
    id: text(row, "id"),
    scope: text(row, "scope") as GrantRow["scope"],
    agentId: text(row, "agent_id"),
    sessionKey: textOrNull(row, "session_key"),
    tool: text(row, "tool"),
    match: json<RuleOffer["match"]>(row, "match"),
    text: text(row, "text"),
    approvalId: text(row, "approval_id"),
    createdAt: int(row, "created_at"),
    createdBy: text(row, "created_by"),
    lastUsedAt: intOrNull(row, "last_used_at"),
    uses: int(row, "uses"),
  }
}

export class GrantTable {
  readonly #db: Database
  readonly #clock: Clock
  readonly #get
  readonly #insert
  readonly #same
  readonly #exact
  readonly #inForce
  readonly #remove
  readonly #use

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    this.#get = db.statement("SELECT * FROM grants WHERE id=?")
    this.#insert = db.statement(
      "INSERT INTO grants (id,scope,agent_id,session_key,tool,match,exact,text,approval_id,created_at,created_by) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
    )
    this.#same = db.statement("SELECT * FROM grants WHERE scope='agent' AND agent_id=? AND tool=? AND match=?")
    this.#exact = db.statement("SELECT * FROM grants WHERE scope='session' AND session_key=? AND exact=? LIMIT 1")
    this.#inForce = db.statement(
      `SELECT * FROM grants WHERE scope='agent' AND agent_id=?
       UNION ALL SELECT * FROM grants WHERE scope='session' AND session_key=? ORDER BY created_at,id`,
    )
    this.#remove = db.statement("DELETE FROM grants WHERE id=? RETURNING *")
    this.#use = db.statement("UPDATE grants SET last_used_at=?,uses=uses+1 WHERE id=?")
  }

  async get(id: string): Promise<GrantRow | undefined> {
    const row = this.#get.get(id)
    return row && decodeGrant(row)
  }

  /** Oldest first. */
  async list(filter: GrantFilter = {}): Promise<GrantRow[]> {
    const where = ["1=1"]
    const values: string[] = []
    for (const [column, value] of [
      ["scope", filter.scope],
      ["agent_id", filter.agentId],
      ["session_key", filter.sessionKey],
    ] as const) {
      if (value === undefined) continue
      where.push(`${column}=?`)
      values.push(value)
    }
    const sql = `SELECT * FROM grants WHERE ${where.join(" AND ")} ORDER BY created_at,id`
    return this.#db.query(sql, values).map(decodeGrant)
  }

  /** What counts for a call of this session: the rules of its agent, and the calls that were allowed in it. */
  async inForce(agentId: string, sessionKey: string): Promise<GrantRow[]> {
    return this.#inForce.all(agentId, sessionKey).map(decodeGrant)
  }

  /** The leave for exactly this call in this session. */
  async exact(sessionKey: string, fingerprint: string): Promise<GrantRow | undefined> {
    const row = this.#exact.get(sessionKey, fingerprint)
    return row && decodeGrant(row)
  }

  /** What was removed. Throws NOT_FOUND. `also` runs in the same commit. */
  remove(id: string, also: (gone: GrantRow) => void = () => undefined): Promise<GrantRow> {
    return this.#db.write(() => {
      const row = this.#remove.get(id)
      if (!row)
        throw new PincerError("NOT_FOUND", `Unknown rule "${id}": run "pincer approvals rules"`, { details: { id } })
      const gone = decodeGrant(row)
      also(gone)
      return gone
    })
  }

  /** A rule that no approval wrote. `also` runs in the same commit, unless the rule was there. */
  add(rule: RuleOffer, by: string, also: () => void): Promise<void> {
    return this.#db.write(() => {
      if (this.addRuleNow({ id: "" }, rule, by)) also()
    })
  }

  /** A grant let a call pass. One that was removed meanwhile is not missed. */
  used(id: string): Promise<void> {
    return this.#db.write(() => {
      this.#use.run(this.#clock.now(), id)
    })
  }

  /** Within a write: the rule that an "always" wrote. The same rule is kept once: false when it was there. */
  addRuleNow(approval: Pick<Approval, "id">, offer: RuleOffer, by: string): boolean {
    const match = JSON.stringify(offer.match)
    if (this.#same.get(offer.agentId, offer.tool, match)) return false
    const at = this.#clock.now()
    this.#insert.run(uuid(at), "agent", offer.agentId, null, offer.tool, match, null, offer.text, approval.id, at, by)
    return true
  }

  /** Within a write: exactly this call may run again in its session. */
  addCallNow({ agentId, id, sessionKey, summary, tool }: Approval, fingerprint: string, by: string): void {
    if (this.#exact.get(sessionKey, fingerprint)) return
    const at = this.#clock.now()
    const match = JSON.stringify({ exact: fingerprint })
    this.#insert.run(uuid(at), "session", agentId, sessionKey, tool, match, fingerprint, summary, id, at, by)
  }
}

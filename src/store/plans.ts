// Plans as they stand, kept from the events that declare them, in the same commit. The events stay the truth; this is what can be listed.
import { uuid } from "../base/id.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { Plan } from "../protocol/plan.ts"
import type { Database, Row } from "./database.ts"
import { int, json, text } from "./row.ts"
import type { PlanFilter, PlanRow, Plans, SessionRow } from "./store.ts"

function decodePlan(row: Row): PlanRow {
  return {
    id: text(row, "id"),
    sessionKey: text(row, "session_key"),
    sessionId: text(row, "session_id"),
    agentId: text(row, "agent_id"),
    turnId: text(row, "turn_id"),
    plan: json<Plan>(row, "data"),
    done: int(row, "done") === 1,
    revision: int(row, "revision"),
    createdAt: int(row, "created_at"),
    updatedAt: int(row, "updated_at"),
  }
}

export class PlanTable implements Plans {
  readonly #db: Database
  readonly #get
  readonly #newest
  readonly #insert
  readonly #update
  readonly #delete

  constructor(db: Database) {
    this.#db = db
    this.#get = db.statement("SELECT * FROM plans WHERE id=?")
    this.#newest = db.statement(
      "SELECT * FROM plans WHERE session_id=? AND plan_id=? ORDER BY created_at DESC,id DESC LIMIT 1",
    )
    this.#insert = db.statement("INSERT INTO plans VALUES (?,?,?,?,?,?,?,?,1,?,?)")
    this.#update = db.statement("UPDATE plans SET turn_id=?,data=?,done=?,revision=revision+1,updated_at=? WHERE id=?")
    this.#delete = db.statement("DELETE FROM plans WHERE id=?")
  }

  /** Within a write: what an event says of a plan. A new list after a finished one, in a later turn, is a new plan. */
  hear(session: SessionRow, turnId: string, at: number, event: Extract<RecordedEvent, { type: "plan.updated" }>): void {
    const row = this.#newest.get(session.id, event.planId)
    const known = row && decodePlan(row)
    const { plan } = event
    const isEmpty = !plan || (plan.entries.length === 0 && plan.markdown === undefined && plan.file === undefined)
    const isOver = known?.done === true && known.turnId !== turnId
    if (isEmpty) {
      if (known && !known.done) this.#delete.run(known.id)
      return
    }
    const data = JSON.stringify(plan)
    const done = plan.entries.length > 0 && plan.entries.every(({ status }) => status === "completed") ? 1 : 0
    if (known && !isOver) this.#update.run(turnId, data, done, at, known.id)
    else this.#insert.run(uuid(at), session.key, session.id, session.agentId, event.planId, turnId, data, done, at, at)
  }

  async get(id: string): Promise<PlanRow | undefined> {
    const row = this.#get.get(id)
    return row && decodePlan(row)
  }

  async list(filter: PlanFilter): Promise<{ plans: PlanRow[]; total: number }> {
    const where = ["1=1"]
    const values: (string | number)[] = []
    if (filter.sessionKey !== undefined) {
      where.push("session_key=?")
      values.push(filter.sessionKey)
    }
    if (filter.agentId !== undefined) {
      where.push("agent_id=?")
      values.push(filter.agentId)
    }
    if (filter.open) where.push("done=0")
    const condition = where.join(" AND ")
    const total = int(this.#db.query(`SELECT count(*) AS n FROM plans WHERE ${condition}`, values)[0]!, "n")
    const rows = this.#db.query(`SELECT * FROM plans WHERE ${condition} ORDER BY updated_at DESC,id DESC LIMIT ?`, [
      ...values,
      filter.limit,
    ])
    return { plans: rows.map(decodePlan), total }
  }

  delete(id: string): Promise<boolean> {
    return this.#db.write(() => this.#delete.run(id) > 0)
  }
}

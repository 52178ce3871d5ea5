// Codes by which a device comes in: eight letters that a person types, or the one-time secret of a setup code. Hashes only. Each lets
// one device in, once, and not after its time.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import type { Database, Row } from "./database.ts"
import type { DeviceCode, DeviceCodes } from "./device-rows.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"

const MAX_OPEN = 50
/** Used and expired ones are kept for a day, for those who ask what became of them. */
const KEEP_MS = 86_400_000

function decode(row: Row): DeviceCode {
  return {
    id: text(row, "id"),
    kind: text(row, "kind") === "setup" ? "setup" : "code",
    name: textOrNull(row, "name"),
    role: text(row, "role"),
    scopes: json<string[]>(row, "scopes"),
    nonce: text(row, "nonce"),
    createdBy: text(row, "created_by"),
    createdAt: int(row, "created_at"),
    expiresAt: int(row, "expires_at"),
    misses: int(row, "misses"),
    deviceId: textOrNull(row, "device_id"),
    usedAt: intOrNull(row, "used_at"),
    deliveredAt: intOrNull(row, "delivered_at"),
  }
}

export class DeviceCodeTable implements DeviceCodes {
  readonly #db: Database
  readonly #clock: Clock
  readonly #statements

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    this.#statements = {
      add: db.statement(
        `INSERT INTO device_codes (id,kind,hash,name,role,scopes,nonce,created_by,created_at,expires_at)
         VALUES (?,?,?,?,?,?,?,?,?,?) RETURNING *`,
      ),
      get: db.statement("SELECT * FROM device_codes WHERE id=?"),
      byHash: db.statement("SELECT * FROM device_codes WHERE hash=?"),
      open: db.statement("SELECT * FROM device_codes WHERE used_at IS NULL AND expires_at>? ORDER BY created_at,id"),
      spend: db.statement(
        `UPDATE device_codes SET device_id=?,used_at=coalesce(used_at,?) WHERE id=? AND expires_at>?
         AND (used_at IS NULL OR (device_id=? AND delivered_at IS NULL))`,
      ),
      delivered: db.statement("UPDATE device_codes SET delivered_at=? WHERE id=?"),
      miss: db.statement("UPDATE device_codes SET misses=misses+1 WHERE id=?"),
      tooMany: db.statement("DELETE FROM device_codes WHERE id=? AND misses>=?"),
      withdraw: db.statement("DELETE FROM device_codes WHERE id=? AND used_at IS NULL"),
      withdrawKind: db.statement("DELETE FROM device_codes WHERE kind=? AND used_at IS NULL"),
      forget: db.statement("DELETE FROM device_codes WHERE expires_at<?"),
    }
  }

  add(code: Parameters<DeviceCodes["add"]>[0]): Promise<DeviceCode> {
    return this.#db.write(() => {
      const now = this.#clock.now()
      this.#statements.forget.run(now - KEEP_MS)
      if (this.#statements.open.all(now).length >= MAX_OPEN)
        throw new PincerError(
          "RATE_LIMITED",
          `${MAX_OPEN} pairing codes are open: withdraw one with \`pincer device reject\`, or wait until one expires`,
        )
      const { createdBy, hash, kind, name, nonce, role, scopes, ttlMs } = code
      const given = [kind, hash, name, role, JSON.stringify(scopes), nonce, createdBy, now, now + ttlMs]
      return decode(this.#statements.add.get(uuid(now), ...given)!)
    })
  }

  async get(id: string): Promise<DeviceCode | undefined> {
    const row = this.#statements.get.get(id)
    return row && decode(row)
  }

  async byHash(hash: string): Promise<DeviceCode | undefined> {
    const row = this.#statements.byHash.get(hash)
    return row && decode(row)
  }

  async open(): Promise<DeviceCode[]> {
    return this.#statements.open.all(this.#clock.now()).map(decode)
  }

  spend(id: string, deviceId: string): Promise<boolean> {
    return this.#db.write(() => {
      const now = this.#clock.now()
      return this.#statements.spend.run(deviceId, now, id, now, deviceId) > 0
    })
  }

  delivered(id: string): Promise<void> {
    return this.#db.write(() => {
      this.#statements.delivered.run(this.#clock.now(), id)
    })
  }

  miss(id: string, most: number): Promise<void> {
    return this.#db.write(() => {
      this.#statements.miss.run(id)
      this.#statements.tooMany.run(id, most)
    })
  }

  withdraw(which: { id: string } | { kind: DeviceCode["kind"] }): Promise<number> {
    const { withdraw, withdrawKind } = this.#statements
    return this.#db.write(() => ("id" in which ? withdraw.run(which.id) : withdrawKind.run(which.kind)))
  }
}

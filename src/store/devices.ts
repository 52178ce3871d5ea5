// Devices that may connect, their tokens (hashes only), and connects that wait for a pairing decision.
import type { Clock } from "../base/clock.ts"
import { uuid } from "../base/id.ts"
import type { Database, Row } from "./database.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"
import type { DeviceRow, Devices } from "./store.ts"

/** Pending requests live this long (protocol §4.1), and no more than so many are kept (A13). */
const REQUEST_TTL_MS = 5 * 60_000
const MAX_REQUESTS = 100

function decodeDevice(row: Row): DeviceRow {
  return {
    deviceId: text(row, "device_id"),
    publicKey: text(row, "public_key"),
    displayName: textOrNull(row, "display_name"),
    platform: textOrNull(row, "platform"),
    clientId: textOrNull(row, "client_id"),
    role: text(row, "role"),
    scopes: json<string[]>(row, "scopes"),
    createdAt: int(row, "created_at"),
    lastSeenAt: intOrNull(row, "last_seen_at"),
    revokedAt: intOrNull(row, "revoked_at"),
  }
}

export class DeviceTable implements Devices {
  readonly #db: Database
  readonly #clock: Clock
  readonly #get
  readonly #upsert
  readonly #token
  readonly #byHash
  readonly #touch

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    this.#get = db.statement("SELECT * FROM devices WHERE device_id=?")
    this.#upsert = db.statement(
      `INSERT INTO devices (device_id,public_key,display_name,platform,client_id,role,scopes,created_at)
       VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (device_id) DO UPDATE SET display_name=excluded.display_name,
       platform=excluded.platform,client_id=excluded.client_id,role=excluded.role,scopes=excluded.scopes RETURNING *`,
    )
    this.#token = db.statement(
      `INSERT INTO device_tokens (hash,device_id,role,scopes,created_at) VALUES (?,?,?,?,?)
       ON CONFLICT (device_id,role) DO UPDATE SET hash=excluded.hash,scopes=excluded.scopes,created_at=excluded.created_at`,
    )
    this.#byHash = db.statement(
      `SELECT d.*,t.role AS token_role,t.scopes AS token_scopes FROM device_tokens t JOIN devices d USING (device_id)
       WHERE t.hash=? AND d.revoked_at IS NULL`,
    )
    this.#touch = db.statement("UPDATE devices SET last_seen_at=? WHERE device_id=?")
  }

  async get(deviceId: string): Promise<DeviceRow | undefined> {
    const row = this.#get.get(deviceId)
    return row && decodeDevice(row)
  }

  approve(device: Omit<DeviceRow, "createdAt" | "lastSeenAt" | "revokedAt">): Promise<DeviceRow> {
    return this.#db.write(() => {
      const old = this.#get.get(device.deviceId)
      const scopes = new Set([...(old ? json<string[]>(old, "scopes") : []), ...device.scopes])
      const row = this.#upsert.get(
        device.deviceId,
        device.publicKey,
        device.displayName,
        device.platform,
        device.clientId,
        device.role,
        JSON.stringify([...scopes].sort()),
        this.#clock.now(),
      )
      return decodeDevice(row!)
    })
  }

  setToken(deviceId: string, role: string, tokenHash: string, scopes: string[]): Promise<void> {
    return this.#db.write(() => {
      this.#token.run(tokenHash, deviceId, role, JSON.stringify(scopes), this.#clock.now())
    })
  }

  async byTokenHash(tokenHash: string): Promise<{ device: DeviceRow; role: string; scopes: string[] } | undefined> {
    const row = this.#byHash.get(tokenHash)
    return (
      row && { device: decodeDevice(row), role: text(row, "token_role"), scopes: json<string[]>(row, "token_scopes") }
    )
  }

  request(row: Parameters<Devices["request"]>[0]): Promise<string> {
    return this.#db.write(() => {
      const now = this.#clock.now()
      this.#db.statement("DELETE FROM device_requests WHERE expires_at<?").run(now)
      const known = this.#db.query("SELECT id FROM device_requests WHERE device_id=? AND role=?", [
        row.deviceId,
        row.role,
      ])
      const id = known[0] ? text(known[0], "id") : uuid(now)
      this.#db
        .statement("INSERT OR REPLACE INTO device_requests (id,device_id,role,data,expires_at) VALUES (?,?,?,?,?)")
        .run(id, row.deviceId, row.role, JSON.stringify(row), now + REQUEST_TTL_MS)
      this.#db
        .statement(
          "DELETE FROM device_requests WHERE id NOT IN (SELECT id FROM device_requests ORDER BY expires_at DESC LIMIT ?)",
        )
        .run(MAX_REQUESTS)
      return id
    })
  }

  touch(deviceId: string): Promise<void> {
    return this.#db.write(() => {
      this.#touch.run(this.#clock.now(), deviceId)
    })
  }
}

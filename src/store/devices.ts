// Devices that may connect, their tokens (hashes only), and connects that wait for a pairing decision. Each decision is one transaction
// that reads what it decides on: of two at once, the second finds nothing more to decide.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import type { Database, Row } from "./database.ts"
import type {
  ApprovedVia,
  DeviceRow,
  DeviceSelf,
  Devices,
  DeviceToken,
  DeviceWish,
  PendingDevice,
} from "./device-rows.ts"
import { int, intOrNull, json, text, textOrNull } from "./row.ts"

/** Pending requests live this long (protocol §4.1); no more than so many are kept, and fewer from one network (A13). */
const REQUEST_TTL_MS = 5 * 60_000
const MAX_REQUESTS = 100
const MAX_REQUESTS_OF_NETWORK = 10

function decodeToken(row: Row): DeviceToken {
  return {
    role: text(row, "role"),
    scopes: json<string[]>(row, "scopes"),
    createdAt: int(row, "created_at"),
    rotatedAt: intOrNull(row, "rotated_at"),
    revokedAt: intOrNull(row, "revoked_at"),
    lastUsedAt: intOrNull(row, "last_used_at"),
  }
}

function decodePending(row: Row): PendingDevice {
  return {
    ...json<DeviceWish & { isRepair: boolean }>(row, "data"),
    requestId: text(row, "id"),
    createdAt: int(row, "created_at"),
    expiresAt: int(row, "expires_at"),
  }
}

/** Members that are there. */
function present<T extends object>(fields: T): T {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== ""),
  ) as T
}

function sorted(scopes: Iterable<string>): string[] {
  return [...new Set(scopes)].sort()
}

export class DeviceTable implements Devices {
  readonly #db: Database
  readonly #clock: Clock
  readonly #statements

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    this.#statements = {
      get: db.statement("SELECT * FROM devices WHERE device_id=?"),
      all: db.statement("SELECT * FROM devices ORDER BY approved_at DESC, device_id"),
      roles: db.statement("SELECT role,scopes FROM device_roles WHERE device_id=? ORDER BY role"),
      role: db.statement("SELECT scopes FROM device_roles WHERE device_id=? AND role=?"),
      setRole: db.statement(
        "INSERT INTO device_roles (device_id,role,scopes) VALUES (?,?,?) ON CONFLICT (device_id,role) DO UPDATE SET scopes=excluded.scopes",
      ),
      tokens: db.statement("SELECT * FROM device_tokens WHERE device_id=? ORDER BY role"),
      upsert: db.statement(
        `INSERT INTO devices (device_id,public_key,display_name,platform,device_family,client_id,client_mode,remote_ip,created_at,approved_at,approved_via)
         VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (device_id) DO UPDATE SET display_name=coalesce(excluded.display_name,display_name),
         platform=coalesce(excluded.platform,platform),device_family=coalesce(excluded.device_family,device_family),
         client_id=coalesce(excluded.client_id,client_id),client_mode=coalesce(excluded.client_mode,client_mode),
         remote_ip=coalesce(excluded.remote_ip,remote_ip)`,
      ),
      approved: db.statement("UPDATE devices SET approved_at=?,approved_via=? WHERE device_id=?"),
      token: db.statement(
        `INSERT INTO device_tokens (hash,device_id,role,scopes,created_at) VALUES (?,?,?,?,?)
         ON CONFLICT (device_id,role) DO UPDATE SET hash=excluded.hash,scopes=excluded.scopes,rotated_at=excluded.created_at,
         revoked_at=NULL`,
      ),
      setTokenScopes: db.statement("UPDATE device_tokens SET scopes=? WHERE device_id=? AND role=?"),
      revoke: db.statement("UPDATE device_tokens SET revoked_at=? WHERE device_id=? AND role=? AND revoked_at IS NULL"),
      byHash: db.statement("SELECT device_id,role,scopes FROM device_tokens WHERE hash=? AND revoked_at IS NULL"),
      seen: db.statement("UPDATE devices SET last_seen_at=? WHERE device_id=?"),
      used: db.statement("UPDATE device_tokens SET last_used_at=? WHERE device_id=? AND role=?"),
      rename: db.statement("UPDATE devices SET label=? WHERE device_id=?"),
      remove: db.statement("DELETE FROM devices WHERE device_id=?"),
      expire: db.statement("DELETE FROM device_requests WHERE expires_at<=?"),
      asked: db.statement("SELECT * FROM device_requests WHERE device_id=? AND role=?"),
      waiting: db.statement("SELECT * FROM device_requests WHERE expires_at>? ORDER BY created_at,id"),
      waitingById: db.statement("SELECT * FROM device_requests WHERE id=? AND expires_at>?"),
      counts: db.statement("SELECT count(*) AS total, coalesce(sum(network=?),0) AS here FROM device_requests"),
      ask: db.statement(
        "INSERT INTO device_requests (id,device_id,role,network,data,created_at,expires_at) VALUES (?,?,?,?,?,?,?)",
      ),
      unask: db.statement("DELETE FROM device_requests WHERE id=?"),
      unaskAll: db.statement("DELETE FROM device_requests WHERE device_id=?"),
      extend: db.statement("UPDATE device_requests SET expires_at=? WHERE id=?"),
    }
  }

  #decode(row: Row): DeviceRow {
    const deviceId = text(row, "device_id")
    const roles = this.#statements.roles.all(deviceId)
    return {
      deviceId,
      publicKey: text(row, "public_key"),
      ...present<DeviceSelf & { label?: string }>({
        displayName: textOrNull(row, "display_name") ?? undefined,
        label: textOrNull(row, "label") ?? undefined,
        platform: textOrNull(row, "platform") ?? undefined,
        deviceFamily: textOrNull(row, "device_family") ?? undefined,
        clientId: textOrNull(row, "client_id") ?? undefined,
        clientMode: textOrNull(row, "client_mode") ?? undefined,
        remoteIp: textOrNull(row, "remote_ip") ?? undefined,
      }),
      roles: Object.fromEntries(roles.map((one) => [text(one, "role"), json<string[]>(one, "scopes")])),
      tokens: this.#statements.tokens.all(deviceId).map(decodeToken),
      createdAt: int(row, "created_at"),
      approvedAt: intOrNull(row, "approved_at") ?? int(row, "created_at"),
      approvedVia: textOrNull(row, "approved_via") ?? "operator",
      lastSeenAt: intOrNull(row, "last_seen_at"),
    }
  }

  #known(deviceId: string): DeviceRow | undefined {
    const row = this.#statements.get.get(deviceId)
    return row && this.#decode(row)
  }

  async get(deviceId: string): Promise<DeviceRow | undefined> {
    return this.#known(deviceId)
  }

  async list(): Promise<DeviceRow[]> {
    return this.#statements.all.all().map((row) => this.#decode(row))
  }

  request(wish: DeviceWish, network: string): Promise<{ pending: PendingDevice; isNew: boolean }> {
    return this.#db.write(() => {
      const now = this.#clock.now()
      const { ask, asked, counts, expire, extend, unask } = this.#statements
      expire.run(now)
      const scopes = sorted(wish.scopes)
      const row = asked.get(wish.deviceId, wish.role)
      const known = row && decodePending(row)
      const expiresAt = now + REQUEST_TTL_MS
      if (known && known.scopes.join() === scopes.join()) {
        extend.run(expiresAt, known.requestId)
        return { pending: { ...known, expiresAt }, isNew: false }
      }
      if (known) unask.run(known.requestId)
      const waiting = counts.get(network)!
      if (int(waiting, "here") >= MAX_REQUESTS_OF_NETWORK || int(waiting, "total") >= MAX_REQUESTS)
        throw new PincerError(
          "RATE_LIMITED",
          "too many devices wait to be approved: decide on them with `pincer device list`, or try again in five minutes",
          { retryAfterMs: REQUEST_TTL_MS, details: { code: "PAIRING_QUEUE_FULL" } },
        )
      const isRepair = this.#statements.get.get(wish.deviceId) !== undefined
      const data = { ...present(wish), scopes, isRepair }
      const requestId = uuid(now)
      ask.run(requestId, wish.deviceId, wish.role, network, JSON.stringify(data), now, expiresAt)
      return { pending: { ...data, requestId, createdAt: now, expiresAt }, isNew: true }
    })
  }

  async pending(): Promise<PendingDevice[]> {
    return this.#statements.waiting.all(this.#clock.now()).map(decodePending)
  }

  async pendingById(requestId: string): Promise<PendingDevice | undefined> {
    return this.#waiting(requestId)
  }

  #waiting(requestId: string): PendingDevice | undefined {
    const row = this.#statements.waitingById.get(requestId, this.#clock.now())
    return row && decodePending(row)
  }

  approve(
    requestId: string,
    check: (pending: PendingDevice) => void,
  ): Promise<{ pending: PendingDevice; device: DeviceRow } | undefined> {
    return this.#db.write(() => {
      const pending = this.#waiting(requestId)
      if (!pending) return undefined
      check(pending)
      this.#statements.unask.run(requestId)
      const { tokens } = this.#admit(pending, "operator")
      // What it has shown until now is good for what it was approved for from now on.
      const token = tokens.find((one) => one.role === pending.role)
      const scopes = sorted([...(token?.scopes ?? []), ...pending.scopes])
      if (token) this.#statements.setTokenScopes.run(JSON.stringify(scopes), pending.deviceId, pending.role)
      return { pending, device: this.#known(pending.deviceId)! }
    })
  }

  reject(requestId: string, check: (pending: PendingDevice) => void): Promise<PendingDevice | undefined> {
    return this.#db.write(() => {
      const pending = this.#waiting(requestId)
      if (!pending) return undefined
      check(pending)
      this.#statements.unask.run(requestId)
      return pending
    })
  }

  admit(wish: DeviceWish, via: ApprovedVia): Promise<DeviceRow> {
    return this.#db.write(() => this.#admit(wish, via))
  }

  #admit(wish: DeviceWish, via: ApprovedVia): DeviceRow {
    const { deviceId, role } = wish
    const now = this.#clock.now()
    const { approved, role: roleOf, setRole, upsert } = this.#statements
    const old = this.#statements.get.get(deviceId)
    const { clientId, clientMode, deviceFamily, displayName, platform, remoteIp } = wish
    const said = [displayName, platform, deviceFamily, clientId, clientMode, remoteIp].map((one) => one || null)
    upsert.run(deviceId, wish.publicKey, ...said, now, now, via)
    const row = roleOf.get(deviceId, role)
    const before = row ? json<string[]>(row, "scopes") : undefined
    const scopes = sorted([...(before ?? []), ...wish.scopes])
    if (before?.join() !== scopes.join()) {
      setRole.run(deviceId, role, JSON.stringify(scopes))
      if (old) approved.run(now, via, deviceId)
    }
    return this.#known(deviceId)!
  }

  remove(deviceId: string, check: (device: DeviceRow) => void): Promise<boolean> {
    return this.#db.write(() => {
      const device = this.#known(deviceId)
      if (!device) return false
      check(device)
      this.#statements.unaskAll.run(deviceId)
      return this.#statements.remove.run(deviceId) > 0
    })
  }

  rename(deviceId: string, label: string): Promise<DeviceRow | undefined> {
    return this.#db.write(() => {
      this.#statements.rename.run(label, deviceId)
      return this.#known(deviceId)
    })
  }

  setScopes(
    deviceId: string,
    role: string,
    scopes: readonly string[],
    check: (device: DeviceRow) => void,
  ): Promise<DeviceRow | undefined> {
    return this.#db.write(() => {
      const device = this.#known(deviceId)
      if (!device || device.roles[role] === undefined) return undefined
      check(device)
      const text = JSON.stringify(sorted(scopes))
      this.#statements.setRole.run(deviceId, role, text)
      this.#statements.setTokenScopes.run(text, deviceId, role)
      return this.#known(deviceId)
    })
  }

  setToken(
    deviceId: string,
    role: string,
    tokenHash: string,
    scopes: readonly string[],
    check?: (device: DeviceRow) => void,
  ): Promise<boolean> {
    return this.#db.write(() => {
      const device = this.#known(deviceId)
      if (device?.roles[role] === undefined) return false
      check?.(device)
      this.#statements.token.run(tokenHash, deviceId, role, JSON.stringify(sorted(scopes)), this.#clock.now())
      return true
    })
  }

  revokeToken(deviceId: string, role: string, check?: (device: DeviceRow) => void): Promise<number | undefined> {
    return this.#db.write(() => {
      const now = this.#clock.now()
      const device = this.#known(deviceId)
      if (device) check?.(device)
      return this.#statements.revoke.run(now, deviceId, role) > 0 ? now : undefined
    })
  }

  async byTokenHash(
    tokenHash: string,
  ): Promise<{ device: DeviceRow; role: string; scopes: readonly string[] } | undefined> {
    const row = this.#statements.byHash.get(tokenHash)
    const device = row && this.#known(text(row, "device_id"))
    return device && { device, role: text(row!, "role"), scopes: json<string[]>(row!, "scopes") }
  }

  touch(deviceId: string, role?: string): Promise<void> {
    return this.#db.write(() => {
      const now = this.#clock.now()
      this.#statements.seen.run(now, deviceId)
      if (role !== undefined) this.#statements.used.run(now, deviceId, role)
    })
  }
}

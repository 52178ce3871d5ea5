// Decisions about devices: who may come in, as what, until when. A decision is recorded, then open connections feel it, then those who may
// pair are told. Nobody gives away what he does not hold himself, and what he holds is looked at within the very write.
import type { AuditPort } from "../../agent/approvals.ts"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { secret } from "../../base/id.ts"
import type { Logger } from "../../base/log.ts"
import type { Redactor } from "../../base/redact.ts"
import type { AuditEntry } from "../../protocol/audit.ts"
import { ALL_SCOPES, grants } from "../../protocol/frame.ts"
import type {
  ApprovedVia,
  DeviceCodes,
  DeviceRow,
  Devices,
  DeviceWish,
  PendingDevice,
} from "../../store/device-rows.ts"
import { tokenHash } from "../access/digest.ts"
import { common, DeviceMembers } from "./device-members.ts"
import { deviceView, pendingView } from "./device-views.ts"

export interface DevicePorts {
  devices: Devices
  codes: DeviceCodes
  clock: Clock
  redactor: Redactor
  log: Logger
  audit: AuditPort
}

/** Who decides. `scopes` are looked at when the decision is written. */
export interface Decider {
  readonly scopes: readonly string[]
  readonly deviceId?: string
  readonly connId: string
  /** For people and the audit. */
  readonly who: string
}

export type Resolution = { status: "approved"; scopes: readonly string[] } | { status: "rejected" | "expired" }

/** Decisions remembered for those who ask a moment late. */
const MAX_RESOLUTIONS = 200
/** A device's last use is written down this often at most. */
const TOUCH_MS = 60_000
const MAX_TOUCHED = 10_000

export class DeviceDesk {
  readonly members = new DeviceMembers()
  readonly ports: DevicePorts
  /** Where the gateway really listens; set once it does. */
  port: number | undefined
  /** Told of every event; set by who introduces the desk to the doors. */
  onEvent: (event: string, payload: unknown) => void = () => undefined
  readonly #waiting = new Map<string, Set<(resolution: Resolution) => void>>()
  readonly #resolved = new Map<string, Resolution & { deviceId: string }>()
  readonly #touched = new Map<string, number>()

  constructor(ports: DevicePorts) {
    this.ports = ports
  }

  /** Keeps a refused connect for a decision, and tells those who may make it. */
  async request(wish: DeviceWish, network: string): Promise<PendingDevice> {
    const { pending, isNew } = await this.ports.devices.request(wish, network)
    if (isNew) this.onEvent("device.pair.requested", pendingView(pending))
    return pending
  }

  async approve(requestId: string, decider: Decider): Promise<DeviceRow> {
    const done = await this.ports.devices.approve(requestId, (pending) => {
      mayGrant(decider, pending.role, pending.scopes)
      this.#record(decider.who, `approved device ${short(pending.deviceId)} as ${described(pending)}`)
    })
    if (!done) throw unknownRequest(requestId)
    this.#resolve(done.pending, { status: "approved", scopes: done.pending.scopes })
    return done.device
  }

  async reject(requestId: string, decider: Decider): Promise<PendingDevice> {
    const pending = await this.ports.devices.reject(requestId, () => {
      stillThere(decider)
      this.#record(decider.who, `rejected the request ${requestId}`)
    })
    if (!pending) throw unknownRequest(requestId)
    this.#resolve(pending, { status: "rejected" })
    return pending
  }

  /** Approves without asking, for who has shown what makes asking superfluous. */
  async admit(wish: DeviceWish, via: ApprovedVia, who: string): Promise<DeviceRow> {
    const known = await this.ports.devices.get(wish.deviceId)
    const device = await this.ports.devices.admit(wish, via)
    const held = known?.roles[wish.role]
    if (!held || wish.scopes.some((scope) => !held.includes(scope)))
      await this.ports.audit.record(
        this.#entry(who, `device ${short(wish.deviceId)} came in (${via}) as ${described(wish)}`),
      )
    return device
  }

  async remove(deviceId: string, decider: Decider): Promise<void> {
    const removed = await this.ports.devices.remove(deviceId, (device) => {
      mayTouch(decider, device)
      this.#record(decider.who, `removed device ${short(deviceId)}`)
    })
    if (!removed) throw unknownDevice(deviceId)
    this.members.close(deviceId, "device removed")
  }

  async rename(deviceId: string, label: string, decider: Decider): Promise<DeviceRow> {
    const known = await this.require(deviceId)
    mayTouch(decider, known)
    const device = await this.ports.devices.rename(deviceId, label)
    if (!device) throw unknownDevice(deviceId)
    return device
  }

  /** Sets what a device may do in a role; its open connections feel at once what they lose. */
  async setScopes(deviceId: string, role: string, scopes: readonly string[], decider: Decider): Promise<DeviceRow> {
    const device = await this.ports.devices.setScopes(deviceId, role, scopes, (known) => {
      mayTouch(decider, known)
      mayGrant(decider, role, scopes)
      this.#record(decider.who, `device ${short(deviceId)} is now ${described({ role, scopes })}`)
    })
    if (!device) throw unknownDevice(deviceId, role)
    this.members.cut(deviceId, role, scopes)
    return device
  }

  /**
   * A new token for a role that the device was approved for; the old one ends, with every connection of this role but `except`.
   * Without scopes it has those of the old one. They never grow beyond what was approved.
   */
  async rotate(
    deviceId: string,
    role: string,
    wished: readonly string[] | undefined,
    decider: Decider,
  ): Promise<{ token: string; scopes: readonly string[]; rotatedAt: number }> {
    const device = await this.require(deviceId)
    const approved = device.roles[role]
    if (!approved) throw unknownDevice(deviceId, role)
    const scopes = wished ?? device.tokens.find((one) => one.role === role)?.scopes ?? approved
    const more = scopes.find((scope) => !grants(approved, scope as "operator.read"))
    if (more !== undefined)
      throw new PincerError(
        "PERMISSION_DENIED",
        `"${more}" was not approved for this device: rotating does not give more than ${approved.join(", ") || "nothing"}`,
        { details: { code: "AUTH_SCOPE_MISMATCH", missingScope: more } },
      )
    const token = await this.issue(deviceId, role, scopes, (known) => {
      mayTouch(decider, known)
      mayGrant(decider, role, scopes)
      this.#record(decider.who, `rotated the ${role} token of device ${short(deviceId)}`)
    })
    const own = decider.deviceId === deviceId ? { except: decider.connId } : {}
    this.members.close(deviceId, "device token rotated", { role, ...own })
    this.members.cut(deviceId, role, scopes)
    return { token, scopes, rotatedAt: this.ports.clock.now() }
  }

  async revoke(deviceId: string, role: string, decider: Decider): Promise<number> {
    await this.require(deviceId)
    const revokedAt = await this.ports.devices.revokeToken(deviceId, role, (device) => {
      mayTouch(decider, device)
      this.#record(decider.who, `revoked the ${role} token of device ${short(deviceId)}`)
    })
    if (revokedAt === undefined)
      throw new PincerError("NOT_FOUND", `Device "${deviceId}" has no ${role} token that could be revoked`, {
        details: { code: "UNKNOWN_DEVICE_TOKEN" },
      })
    this.members.close(deviceId, "device token revoked", { role })
    return revokedAt
  }

  /** A fresh token, stored as a hash only. Throws NOT_PAIRED when the device is not approved for the role, or no more. */
  async issue(
    deviceId: string,
    role: string,
    scopes: readonly string[],
    check?: (device: DeviceRow) => void,
  ): Promise<string> {
    const token = secret(32)
    this.ports.redactor.add(token)
    if (!(await this.ports.devices.setToken(deviceId, role, tokenHash(token), scopes, check)))
      throw new PincerError("NOT_PAIRED", "pairing required: device is not approved yet", {
        details: { code: "PAIRING_REQUIRED", reason: "not-paired", deviceId },
      })
    return token
  }

  async require(deviceId: string): Promise<DeviceRow> {
    const device = await this.ports.devices.get(deviceId)
    if (!device) throw unknownDevice(deviceId)
    return device
  }

  /** It was here by its token just now. */
  used(deviceId: string, role: string): void {
    const now = this.ports.clock.now()
    const key = `${deviceId} ${role}`
    if (now - (this.#touched.get(key) ?? Number.NEGATIVE_INFINITY) < TOUCH_MS) return
    this.#touched.delete(key)
    this.#touched.set(key, now)
    if (this.#touched.size > MAX_TOUCHED) this.#touched.delete(this.#touched.keys().next().value!)
    this.ports.devices
      .touch(deviceId, role)
      .catch((error: unknown) =>
        this.ports.log.warn({ err: error, deviceId }, "The last use of a device was not noted"),
      )
  }

  view(device: DeviceRow) {
    return deviceView(device, this.members.isConnected(device.deviceId))
  }

  /** Resolves once a request of this device is decided or has expired. Throws NOT_FOUND for a request of another. */
  async outcome(requestId: string, deviceId: string, signal: AbortSignal): Promise<Resolution> {
    const known = this.#resolved.get(requestId)
    if (known?.deviceId === deviceId) return known
    const pending = await this.ports.devices.pendingById(requestId)
    if (!pending || pending.deviceId !== deviceId) throw unknownRequest(requestId)
    const { clock } = this.ports
    return new Promise((resolve, reject) => {
      const listeners = this.#waiting.get(requestId) ?? new Set()
      this.#waiting.set(requestId, listeners)
      const end = () => {
        stopTimer()
        signal.removeEventListener("abort", onAbort)
        listeners.delete(heard)
        if (listeners.size === 0) this.#waiting.delete(requestId)
      }
      const heard = (resolution: Resolution) => {
        end()
        resolve(resolution)
      }
      const onAbort = () => {
        end()
        reject(new PincerError("ABORTED", "The connection was closed"))
      }
      const stopTimer = clock.after(pending.expiresAt - clock.now(), () => heard({ status: "expired" }))
      listeners.add(heard)
      signal.addEventListener("abort", onAbort, { once: true })
      if (signal.aborted) onAbort()
    })
  }

  #resolve({ deviceId, requestId }: PendingDevice, resolution: Resolution): void {
    this.#resolved.set(requestId, { ...resolution, deviceId })
    if (this.#resolved.size > MAX_RESOLUTIONS) this.#resolved.delete(this.#resolved.keys().next().value!)
    for (const listener of [...(this.#waiting.get(requestId) ?? [])]) listener(resolution)
    const ts = this.ports.clock.now()
    this.onEvent("device.pair.resolved", { requestId, deviceId, decision: resolution.status, ts })
  }

  /** Only within a write of the store. */
  #record(who: string, summary: string): void {
    this.ports.audit.append(this.#entry(who, summary))
  }

  #entry(who: string, summary: string): AuditEntry {
    return {
      type: "device",
      at: this.ports.clock.now(),
      who,
      door: "control",
      agentId: "",
      sessionKey: "",
      turnId: "",
      callId: "",
      tool: "",
      summary,
      argsDigest: "",
    }
  }
}

function short(deviceId: string): string {
  return deviceId.slice(0, 12)
}

function described({ role, scopes }: { role: string; scopes: readonly string[] }): string {
  return scopes.length === 0 ? role : `${role} with ${scopes.join(", ")}`
}

function stillThere(decider: Decider): void {
  if (!grants(decider.scopes, "operator.pairing"))
    throw new PincerError("PERMISSION_DENIED", "missing scope: operator.pairing", {
      details: { code: "MISSING_SCOPE", missingScope: "operator.pairing", requiredScopes: ["operator.pairing"] },
    })
}

/** Throws unless this decider may give these scopes for this role. */
export function mayGrant(decider: Decider, role: string, scopes: readonly string[]): void {
  stillThere(decider)
  const misplaced = scopes.find((scope) => (role === "node" ? scope.startsWith("operator.") : !isScope(scope)))
  if (misplaced !== undefined)
    throw new PincerError("INVALID_PARAMS", `invalid scope for requested roles: ${misplaced}`)
  const missing = scopes.find((scope) => isScope(scope) && !grants(decider.scopes, scope))
  if (missing !== undefined)
    throw new PincerError("PERMISSION_DENIED", `missing scope: ${missing}`, {
      details: { code: "MISSING_SCOPE", missingScope: missing, requiredScopes: [...scopes] },
    })
}

/** Throws when the device may do what the decider may not, unless it is his own. */
function mayTouch(decider: Decider, device: DeviceRow): void {
  stillThere(decider)
  if (decider.deviceId === device.deviceId) return
  const held = Object.values(device.roles).flat()
  if (common(held, decider.scopes).length === common(held, held).length) return
  throw new PincerError(
    "PERMISSION_DENIED",
    `Device "${device.deviceId}" may do more than you: only who may do as much can change it`,
    {
      details: { code: "MISSING_SCOPE", requiredScopes: held },
    },
  )
}

function isScope(scope: string): scope is (typeof ALL_SCOPES)[number] {
  return ALL_SCOPES.some((known) => known === scope)
}

export function unknownRequest(requestId: string): PincerError {
  return new PincerError("INVALID_PARAMS", "unknown requestId", {
    details: { code: "UNKNOWN_REQUEST_ID", requestId, recommendedNextStep: "device.pair.list" },
  })
}

function unknownDevice(deviceId: string, role?: string): PincerError {
  const what = role === undefined ? `There is no device "${deviceId}"` : `Device "${deviceId}" is not paired as ${role}`
  return new PincerError("INVALID_PARAMS", `${what}: see "pincer device list"`, {
    details: { code: "UNKNOWN_DEVICE_ID", deviceId },
  })
}

// Devices that are connected now, at whichever door: what they lose is lost at once. A door that lets a device in says which epoch of its
// rights it had looked at; when they have changed meanwhile, it does not get in.
import { PincerError } from "../../base/errors.ts"
import { ALL_SCOPES, grants, type Scope } from "../../protocol/frame.ts"

/** One open connection, stream or request of a device. */
export interface DeviceMember {
  readonly deviceId: string
  readonly role: string
  readonly connId: string
  readonly scopes: readonly string[]
  /** What it may do from now on. */
  setScopes(scopes: readonly string[]): void
  close(reason: string): void
}

/** Users whom a trusted proxy named stand among the devices, under names that no device has. */
const USER = "user:"

/** Under which name a caller is among the members; undefined for the owner, who loses nothing. */
export function memberName({ deviceId, user }: { deviceId?: string; user?: string }): string | undefined {
  return deviceId ?? (user === undefined ? undefined : `${USER}${user}`)
}

/** Epochs remembered at once; one that was forgotten counts as unchanged only for those who asked after that. */
const MAX_EPOCHS = 10_000

export class DeviceMembers {
  readonly #open = new Map<string, Set<DeviceMember>>()
  readonly #epochs = new Map<string, number>()
  #epoch = 1
  #forgotten = 0

  /** To be asked before the rights of a device are read. */
  epoch(): number {
    return this.#epoch
  }

  /** Takes a connection in; the returned function takes it out. Throws AUTH_REQUIRED when the device lost rights since `epoch`. */
  join(member: DeviceMember, epoch: number): () => void {
    const { deviceId } = member
    if ((this.#epochs.get(deviceId) ?? this.#forgotten) > epoch)
      throw new PincerError(
        "AUTH_REQUIRED",
        "unauthorized: the rights of this device were changed just now: connect again",
        {
          details: { code: "PAIRING_CHANGED" },
          retryable: true,
        },
      )
    const members = this.#open.get(deviceId) ?? new Set()
    this.#open.set(deviceId, members.add(member))
    return () => {
      members.delete(member)
      if (members.size === 0 && this.#open.get(deviceId) === members) this.#open.delete(deviceId)
    }
  }

  isConnected(deviceId: string): boolean {
    return this.#open.has(deviceId)
  }

  /** Puts out whoever is connected as this device, in one role or in all, but for one connection. */
  close(deviceId: string, reason: string, which: { role?: string; except?: string } = {}): void {
    this.#changed(deviceId)
    for (const member of this.#of(deviceId, which)) {
      // What is under way looks at its rights again before it acts.
      member.setScopes([])
      member.close(reason)
    }
  }

  /** Puts out whoever a trusted proxy has named: it is to be asked anew. */
  closeUsers(reason: string): void {
    for (const id of [...this.#open.keys()]) if (id.startsWith(USER)) this.close(id, reason)
  }

  /** Cuts what its connections in this role may do to these scopes. */
  cut(deviceId: string, role: string, scopes: readonly string[]): void {
    this.#changed(deviceId)
    for (const member of this.#of(deviceId, { role })) {
      const left = common(member.scopes, scopes)
      if (left.join() !== common(member.scopes, member.scopes).join()) member.setScopes(left)
    }
  }

  /** Gives one connection more. */
  widen(deviceId: string, connId: string, scopes: readonly string[]): void {
    for (const member of this.#of(deviceId, {}))
      if (member.connId === connId) member.setScopes([...new Set([...member.scopes, ...scopes])].sort())
  }

  #of(deviceId: string, { except, role }: { role?: string; except?: string }): DeviceMember[] {
    return [...(this.#open.get(deviceId) ?? [])].filter(
      (one) => (role === undefined || one.role === role) && one.connId !== except,
    )
  }

  #changed(deviceId: string): void {
    this.#epoch += 1
    this.#epochs.delete(deviceId)
    this.#epochs.set(deviceId, this.#epoch)
    if (this.#epochs.size <= MAX_EPOCHS) return
    const [oldest, at] = this.#epochs.entries().next().value!
    this.#epochs.delete(oldest)
    this.#forgotten = Math.max(this.#forgotten, at)
  }
}

/** A caller, as far as it listens to something. */
interface Listening {
  scopes: readonly string[]
  subscriptions?: Map<string, () => void>
  watched?: Map<string, () => void>
}

/** What a connection may do from now on. What it may no longer read, it is no longer told. */
export function setScopes(caller: Listening, scopes: readonly string[]): void {
  caller.scopes = scopes
  if (grants(scopes, "operator.read")) return
  for (const followed of [caller.subscriptions, caller.watched]) {
    for (const stop of followed?.values() ?? []) stop()
    followed?.clear()
  }
}

/** Scopes that both grant. */
export function common(one: readonly string[], other: readonly string[]): Scope[] {
  return ALL_SCOPES.filter((scope) => grants(one, scope) && grants(other, scope))
}

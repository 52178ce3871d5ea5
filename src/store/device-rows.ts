// Devices as the store knows them: who was approved for what, which tokens they hold, who waits, and by which codes one comes in.

export interface DeviceToken {
  role: string
  scopes: readonly string[]
  createdAt: number
  rotatedAt: number | null
  revokedAt: number | null
  lastUsedAt: number | null
}

/** What a device says of itself; only ever shown. */
export interface DeviceSelf {
  displayName?: string
  platform?: string
  deviceFamily?: string
  clientId?: string
  clientMode?: string
  /** Where it came from; established by the gateway. */
  remoteIp?: string
}

export interface DeviceRow extends DeviceSelf {
  deviceId: string
  publicKey: string
  /** What its owner calls it. */
  label?: string
  /** Scopes that were approved, by role. */
  roles: Readonly<Record<string, readonly string[]>>
  tokens: readonly DeviceToken[]
  createdAt: number
  approvedAt: number
  approvedVia: string
  lastSeenAt: number | null
}

/** A device that asks to be approved for a role with scopes. */
export interface DeviceWish extends DeviceSelf {
  deviceId: string
  publicKey: string
  role: string
  scopes: readonly string[]
}

export interface PendingDevice extends DeviceWish {
  requestId: string
  /** The device is known already, and asks for more. */
  isRepair: boolean
  createdAt: number
  expiresAt: number
}

export type ApprovedVia = "operator" | "silent" | "code" | "setup-code"

export interface DeviceCode {
  id: string
  /** "code": eight letters that a person types. "setup": a long one-time secret that travels in a setup code. */
  kind: "code" | "setup"
  name: string | null
  role: string
  scopes: readonly string[]
  nonce: string
  /** Who vouched: for people and the audit. */
  createdBy: string
  createdAt: number
  expiresAt: number
  misses: number
  /** Whom it let in, and when. */
  deviceId: string | null
  usedAt: number | null
  /** When that device was certainly told its token. */
  deliveredAt: number | null
}

export interface Devices {
  get(deviceId: string): Promise<DeviceRow | undefined>
  /** The newest approval first. */
  list(): Promise<DeviceRow[]>
  /**
   * Keeps a refused connect for a decision. The same wish keeps its id while it lives; one for other scopes gets a new id, so that nobody
   * approves what he has not seen. Throws RATE_LIMITED when too many wait already.
   */
  request(wish: DeviceWish, network: string): Promise<{ pending: PendingDevice; isNew: boolean }>
  /** Those that have not expired, the oldest first. */
  pending(): Promise<PendingDevice[]>
  /** One of them, or undefined when it was decided or has expired. */
  pendingById(requestId: string): Promise<PendingDevice | undefined>
  /**
   * Takes a pending request away and approves it, if `check` does not throw; undefined when it was decided or has expired. A token that
   * the device has for this role gets these scopes, too.
   */
  approve(
    requestId: string,
    check: (pending: PendingDevice) => void,
  ): Promise<{ pending: PendingDevice; device: DeviceRow } | undefined>
  /** Takes a pending request away, if `check` does not throw. */
  reject(requestId: string, check: (pending: PendingDevice) => void): Promise<PendingDevice | undefined>
  /** Approves without a request: widens what the device may do in this role. */
  admit(wish: DeviceWish, via: ApprovedVia): Promise<DeviceRow>
  /** Forgets the device with all its tokens and requests, if `check` does not throw; false when there is none. */
  remove(deviceId: string, check: (device: DeviceRow) => void): Promise<boolean>
  rename(deviceId: string, label: string): Promise<DeviceRow | undefined>
  /** Sets what the device and its token may do in a role that it has. Undefined when it has no such role. */
  setScopes(
    deviceId: string,
    role: string,
    scopes: readonly string[],
    check: (device: DeviceRow) => void,
  ): Promise<DeviceRow | undefined>
  /**
   * Stores the SHA-256 of a new token for a role that the device was approved for; the token itself is never stored. False when it
   * was not, or no more. Nothing is stored when `check` throws.
   */
  setToken(
    deviceId: string,
    role: string,
    tokenHash: string,
    scopes: readonly string[],
    check?: (device: DeviceRow) => void,
  ): Promise<boolean>
  /** When the token was revoked; undefined when there is none, or it is revoked already. */
  revokeToken(deviceId: string, role: string, check?: (device: DeviceRow) => void): Promise<number | undefined>
  /** The device and scopes that a token (by its hash) stands for, or undefined when unknown or revoked. */
  byTokenHash(tokenHash: string): Promise<{ device: DeviceRow; role: string; scopes: readonly string[] } | undefined>
  /** It was here just now; with a role: by its token. */
  touch(deviceId: string, role?: string): Promise<void>
}

export interface DeviceCodes {
  /** Throws RATE_LIMITED when too many are open. */
  add(
    code: Pick<DeviceCode, "kind" | "name" | "role" | "scopes" | "nonce" | "createdBy"> & {
      hash: string
      ttlMs: number
    },
  ): Promise<DeviceCode>
  get(id: string): Promise<DeviceCode | undefined>
  byHash(hash: string): Promise<DeviceCode | undefined>
  /** Unused and not expired. */
  open(): Promise<DeviceCode[]>
  /** Gives the code to one device; false when it has expired, or another was quicker. The same device may come again until it was told. */
  spend(id: string, deviceId: string): Promise<boolean>
  delivered(id: string): Promise<void>
  /** A wrong proof for the right code; after `most` of them it is withdrawn. */
  miss(id: string, most: number): Promise<void>
  /** Withdraws an unused code; all of a kind when there is no id. The number of those withdrawn. */
  withdraw(which: { id: string } | { kind: DeviceCode["kind"] }): Promise<number>
}

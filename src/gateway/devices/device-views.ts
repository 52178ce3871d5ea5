// Devices as clients know them (protocol §4.1): pending requests, paired devices, codes.
import type { DeviceCode, DeviceRow, PendingDevice } from "../../store/device-rows.ts"

export function pendingView({ requestId, createdAt, expiresAt, isRepair, ...wish }: PendingDevice) {
  return { requestId, ...wish, roles: [wish.role], silent: false, isRepair, ts: createdAt, expiresAtMs: expiresAt }
}

export function deviceView(device: DeviceRow, connected: boolean) {
  const { approvedAt, createdAt, lastSeenAt, roles, tokens, ...rest } = device
  const names = Object.keys(roles)
  return {
    ...rest,
    role: names.includes("operator") ? "operator" : (names[0] ?? "operator"),
    roles: names,
    scopes: [...new Set(Object.values(roles).flat())].sort(),
    scopesByRole: roles,
    tokens: tokens.map((token) => ({
      role: token.role,
      scopes: token.scopes,
      createdAtMs: token.createdAt,
      ...(token.rotatedAt === null ? {} : { rotatedAtMs: token.rotatedAt }),
      ...(token.revokedAt === null ? {} : { revokedAtMs: token.revokedAt }),
      ...(token.lastUsedAt === null ? {} : { lastUsedAtMs: token.lastUsedAt }),
    })),
    createdAtMs: createdAt,
    approvedAtMs: approvedAt,
    ...(lastSeenAt === null ? {} : { lastSeenAtMs: lastSeenAt }),
    connected,
  }
}

export function codeView({ createdAt, createdBy, expiresAt, id, kind, name, role, scopes }: DeviceCode) {
  return {
    requestId: id,
    kind,
    ...(name === null ? {} : { name }),
    role,
    scopes,
    createdBy,
    createdAtMs: createdAt,
    expiresAtMs: expiresAt,
  }
}

/** full, limited or node, as setup codes call what they give. */
export function accessOf(role: string, scopes: readonly string[]): "full" | "limited" | "node" {
  if (role === "node") return "node"
  return scopes.includes("operator.admin") ? "full" : "limited"
}

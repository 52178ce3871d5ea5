// A scene for policy tests: a quiet house in which everything works; tests say what differs.
import { type PermissionLayer, resolvePermissions } from "../../src/policy/permissions.ts"
import type { CallFacts, Scene } from "../../src/policy/scene.ts"
import type { Permissions } from "../../src/protocol/permission.ts"

type Changes = Partial<Omit<Scene, "call" | "permissions">> & {
  call?: Partial<CallFacts>
  /** Said on top of the house's own defaults: approve-reads, all tools. */
  permissions?: Permissions
  /** Instead of those. */
  permissionLayers?: PermissionLayer[]
}

export const HOUSE: PermissionLayer = {
  source: "built in",
  permissions: { mode: "approve-reads", allowedTools: [] },
}

export function sceneOf({ call, permissionLayers, permissions, ...more }: Changes = {}): Scene {
  const layers = permissionLayers ?? [HOUSE, ...(permissions ? [{ source: "flag", permissions }] : [])]
  return {
    call: {
      tool: "Read",
      aliases: [],
      class: "read",
      from: "builtin",
      args: {},
      reads: [],
      writes: [],
      hosts: [],
      ...call,
    },
    agentId: "main",
    sessionKey: "agent:main:main",
    origin: { door: "test" },
    provider: undefined,
    model: undefined,
    subAgent: false,
    workspace: "/work",
    home: "/root/.pincer",
    now: Date.UTC(2026, 10, 21, 12),
    utcOffsetMinutes: 0,
    permissions: resolvePermissions(layers),
    layers: [],
    grants: [],
    taint: [],
    elevation: undefined,
    sandbox: {
      available: true,
      profile: "workspace",
      workspace: "read-write",
      network: false,
      detail: "/usr/bin/bwrap",
    },
    counts: { turn: 0, minute: 0, day: 0 },
    canAsk: true,
    ...more,
  }
}

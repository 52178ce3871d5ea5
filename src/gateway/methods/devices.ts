// device.pair.*, device.token.*, device.scopes.*: who may connect as what (protocol §4.1). Decisions and their rules: gateway/devices/device-desk.ts.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { ALL_SCOPES, type Scope } from "../../protocol/frame.ts"
import { networkOf } from "../access/limiter.ts"
import type { Decider } from "../devices/device-desk.ts"
import { codeView, pendingView } from "../devices/device-views.ts"
import { person } from "./approvals.ts"
import { type Caller, type Method, type MethodContext, method } from "./method.ts"
import { renamed } from "./params.ts"

/** Reads rights when they are asked for: the caller may lose them while a decision is written. */
export function deciderOf(caller: Caller): Decider {
  return {
    get scopes() {
      return caller.scopes
    },
    ...(caller.deviceId === undefined ? {} : { deviceId: caller.deviceId }),
    connId: caller.connId,
    who: person(caller),
  }
}

/** The simple dialect's calls of these names pair people in channels (protocol §8.3). */
export function refuseChannels(params: Record<string, unknown>, name: string): Record<string, unknown> {
  if (params["channel"] === undefined) return renamed(params, { requestId: ["id", "code"], deviceId: ["device"] })
  throw new PincerError(
    "NOT_IMPLEMENTED",
    `${name} with "channel" pairs people in a channel, and this gateway has no channels: leave it out to pair a device`,
    { details: { channel: String(params["channel"]).slice(0, 100) } },
  )
}

export const scope = () => z.enum(ALL_SCOPES, { error: `must be one of ${ALL_SCOPES.join(", ")}` })
const role = () => z.enum(["operator", "node"]).optional().describe("Default: operator")
const deviceId = () => z.string().min(1).max(128).describe("SHA-256 of its public key, hex")
const requestId = () => z.string().min(1).max(128)
const device = () =>
  z.looseObject({
    deviceId: z.string(),
    publicKey: z.string(),
    role: z.string(),
    roles: z.array(z.string()),
    scopes: z.array(z.string()),
    tokens: z.array(z.looseObject({ role: z.string(), scopes: z.array(z.string()), createdAtMs: z.number() })),
    createdAtMs: z.number(),
    approvedAtMs: z.number(),
    connected: z.boolean(),
  })

const list = method({
  name: "device.pair.list",
  summary: "Devices that wait, devices that are paired, and pairing codes that are open. Tokens are never shown.",
  scope: "operator.pairing",
  normalize: (params) => refuseChannels(params, "device.pair.list"),
  params: () => z.object({}),
  result: () =>
    z.looseObject({
      pending: z.array(z.looseObject({ requestId: z.string(), deviceId: z.string(), ts: z.number() })),
      paired: z.array(device()),
      codes: z.array(z.looseObject({ requestId: z.string(), kind: z.string(), expiresAtMs: z.number() })),
    }),
  async run(_params, { parts }) {
    const { deviceCodes, devices } = parts.store
    const [pending, paired, codes] = await Promise.all([devices.pending(), devices.list(), deviceCodes.open()])
    return {
      pending: pending.map(pendingView),
      paired: paired.map((one) => parts.devices.view(one)),
      codes: codes.map(codeView),
    }
  },
})

const approve = method({
  name: "device.pair.approve",
  summary: "Lets a waiting device in. Only who holds the scopes that it asks for can give them.",
  scope: "operator.pairing",
  normalize: (params) => refuseChannels(params, "device.pair.approve"),
  params: () => z.object({ requestId: requestId() }),
  result: () => z.looseObject({ requestId: z.string(), device: device() }),
  async run({ requestId }, { caller, parts }) {
    const approved = await parts.devices.approve(requestId, deciderOf(caller))
    return { ok: true, requestId, device: parts.devices.view(approved) }
  },
})

const reject = method({
  name: "device.pair.reject",
  summary: "Turns a waiting device away, or withdraws a pairing code.",
  scope: "operator.pairing",
  normalize: (params) => refuseChannels(params, "device.pair.reject"),
  params: () => z.object({ requestId: requestId() }),
  result: () => z.looseObject({ requestId: z.string(), deviceId: z.string().optional() }),
  async run({ requestId }, { caller, parts }) {
    if ((await parts.store.deviceCodes.withdraw({ id: requestId })) > 0) return { ok: true, requestId, withdrawn: true }
    const { deviceId } = await parts.devices.reject(requestId, deciderOf(caller))
    return { ok: true, requestId, deviceId }
  },
})

const remove = method({
  name: "device.pair.remove",
  summary: "Forgets a device with its tokens; its open connections are closed at once.",
  scope: "operator.pairing",
  normalize: (params) => refuseChannels(params, "device.pair.remove"),
  params: () => z.object({ deviceId: deviceId() }),
  result: () => z.looseObject({ deviceId: z.string() }),
  async run({ deviceId }, { caller, parts }) {
    await parts.devices.remove(deviceId, deciderOf(caller))
    return { ok: true, deviceId }
  },
})

const rename = method({
  name: "device.pair.rename",
  summary: "Gives a device a name of your own.",
  scope: "operator.pairing",
  normalize: (params) => renamed(params, { label: ["name", "displayName"], deviceId: ["id"] }),
  params: () => z.object({ deviceId: deviceId(), label: z.string().trim().min(1).max(64) }),
  result: device,
  async run({ deviceId, label }, { caller, parts }) {
    return parts.devices.view(await parts.devices.rename(deviceId, label, deciderOf(caller)))
  },
})

const rotate = method({
  name: "device.token.rotate",
  summary:
    "Makes a new token for a device, told to the device itself or with `reveal` to an admin; the old one and its connections end.",
  scope: "operator.pairing",
  normalize: (params) => renamed(params, { deviceId: ["id"] }),
  params: () =>
    z.object({
      deviceId: deviceId(),
      role: role(),
      scopes: z.array(scope()).optional().describe("Default: those of the old token"),
      reveal: z.boolean().optional().describe("Tell the token to this caller, who must have operator.admin"),
    }),
  result: () =>
    z.looseObject({
      deviceId: z.string(),
      role: z.string(),
      scopes: z.array(z.string()),
      rotatedAtMs: z.number(),
      token: z.string().optional(),
      tokenDelivery: z.enum(["in-band", "withheld-cross-device"]),
    }),
  demands: ({ reveal }): Scope => (reveal ? "operator.admin" : "operator.pairing"),
  reveals: true,
  async run({ deviceId, reveal, role = "operator", scopes: wished }, { caller, parts }) {
    const { rotatedAt, scopes, token } = await parts.devices.rotate(deviceId, role, wished, deciderOf(caller))
    const told = caller.deviceId === deviceId || reveal
    return {
      deviceId,
      role,
      scopes,
      rotatedAtMs: rotatedAt,
      ...(told ? { token, tokenDelivery: "in-band" } : { tokenDelivery: "withheld-cross-device" }),
    }
  },
})

const revoke = method({
  name: "device.token.revoke",
  summary: "Ends a device's token for a role; open connections of that role are closed at once.",
  scope: "operator.pairing",
  normalize: (params) => renamed(params, { deviceId: ["id"] }),
  params: () => z.object({ deviceId: deviceId(), role: role() }),
  result: () => z.looseObject({ deviceId: z.string(), role: z.string(), revokedAtMs: z.number() }),
  async run({ deviceId, role = "operator" }, { caller, parts }) {
    return { deviceId, role, revokedAtMs: await parts.devices.revoke(deviceId, role, deciderOf(caller)) }
  },
})

const setScopes = method({
  name: "device.scopes.set",
  summary: "Sets what a device may do: what it loses counts from its next call, what it gains from its next connect.",
  scope: "operator.pairing",
  normalize: (params) => renamed(params, { deviceId: ["id"] }),
  params: () => z.object({ deviceId: deviceId(), role: role(), scopes: z.array(scope()) }),
  result: device,
  async run({ deviceId, role = "operator", scopes }, { caller, parts }) {
    return parts.devices.view(await parts.devices.setScopes(deviceId, role, scopes, deciderOf(caller)))
  },
})

/** The paired device that is calling. Throws when it is none. */
async function callingDevice({ caller, parts }: MethodContext) {
  if (caller.deviceId === undefined)
    throw new PincerError(
      "INVALID_PARAMS",
      "Only a paired device can ask for more scopes: connect with a device identity",
    )
  return parts.devices.require(caller.deviceId)
}

const requestUpgrade = method({
  name: "device.scopes.requestUpgrade",
  summary: "Asks, for the device that calls, for more scopes; somebody who may decides with `device.pair.approve`.",
  scope: "operator.read",
  params: () => z.object({ scopes: z.array(scope()).min(1) }),
  result: () =>
    z.looseObject({
      requestId: z.string(),
      status: z.literal("pending"),
      scopes: z.array(z.string()),
      expiresAtMs: z.number(),
    }),
  async run({ scopes }, context) {
    const { approvedAt, approvedVia, createdAt, label, lastSeenAt, roles, tokens, ...self } =
      await callingDevice(context)
    const { caller, parts } = context
    const wished = [...new Set([...(roles[caller.role] ?? []), ...scopes])]
    const wish = { ...self, role: caller.role, scopes: wished }
    const pending = await parts.devices.request(wish, networkOf(self.remoteIp ?? ""))
    return { requestId: pending.requestId, status: "pending", scopes: pending.scopes, expiresAtMs: pending.expiresAt }
  },
})

const waitUpgrade = method({
  name: "device.scopes.waitUpgrade",
  summary: "Waits for that decision; approved, this connection may do more at once and the device has a new token.",
  scope: "operator.read",
  params: () => z.object({ requestId: requestId() }),
  result: () =>
    z.looseObject({
      requestId: z.string(),
      status: z.enum(["approved", "rejected", "expired"]),
      deviceToken: z.string().optional(),
      scopes: z.array(z.string()).optional(),
    }),
  reveals: true,
  async run({ requestId }, context) {
    const { deviceId } = await callingDevice(context)
    const { caller, parts } = context
    const outcome = await parts.devices.outcome(requestId, deviceId, caller.signal)
    if (outcome.status !== "approved") return { requestId, status: outcome.status }
    const { scopes } = outcome
    // Narrowed or removed meanwhile: only what it has now.
    const held = (await parts.devices.require(deviceId)).roles[caller.role] ?? []
    const now = scopes.filter((one) => held.includes(one))
    const deviceToken = await parts.devices.issue(deviceId, caller.role, now)
    parts.devices.members.widen(deviceId, caller.connId, now)
    return { requestId, status: "approved", deviceToken, scopes: now }
  },
})

export const deviceMethods: readonly Method[] = [
  list,
  approve,
  reject,
  remove,
  rename,
  rotate,
  revoke,
  setScopes,
  requestUpgrade,
  waitUpgrade,
]

// device.initiate, device.complete and setup codes: how a new device comes in without anybody approving it at the gateway. Rules and
// bounds: gateway/devices/device-codes.ts.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { ALL_SCOPES, grants } from "../../protocol/frame.ts"
import { CODE_TTL_MS } from "../devices/device-codes.ts"
import { accessOf } from "../devices/device-views.ts"
import { deciderOf, refuseChannels, scope } from "./devices.ts"
import { type Caller, type Method, method } from "./method.ts"
import { renamed } from "./params.ts"

const LIMITED = ["operator.read", "operator.write", "operator.approvals"] as const

const initiate = method({
  name: "device.initiate",
  summary:
    "Makes a code of eight letters; the new device shows it as auth.bootstrapToken, or signs the nonce for `device.complete`.",
  scope: "operator.pairing",
  normalize: (params) => renamed(params, { deviceName: ["name", "displayName"] }),
  params: () =>
    z.object({
      deviceName: z.string().trim().min(1).max(64),
      role: z.enum(["operator", "node"]).optional(),
      scopes: z.array(scope()).optional().describe("Default: read, write and approvals, as far as the caller has them"),
    }),
  result: () => z.looseObject({ requestId: z.string(), code: z.string(), nonce: z.string(), expiresAtMs: z.number() }),
  reveals: true,
  async run({ deviceName, role = "operator", scopes }, { caller, parts }) {
    const given = role === "node" ? [] : (scopes ?? LIMITED.filter((one) => grants(caller.scopes, one)))
    const decider = deciderOf(caller)
    const { code, row } = await parts.deviceCodes.initiate({ name: deviceName, role, scopes: given }, decider)
    const { expiresAt, id, nonce } = row
    return { requestId: id, code, nonce, deviceName, role, scopes: given, expiresAtMs: expiresAt, ttlMs: CODE_TTL_MS }
  },
})

/** Whom wrong codes are counted against. */
function guesser({ address, deviceId }: Caller): string {
  return deviceId ?? address ?? "this machine"
}

const complete = method({
  name: "device.complete",
  summary:
    "Lets the holder of a key in by a code: `response` signs the code's nonce; without a response the nonce is told.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { response: ["signature"] }),
  params: () =>
    z.object({
      code: z.string().min(1).max(128),
      response: z.string().max(200).optional().describe("Ed25519 signature of the nonce, base64url"),
      publicKey: z
        .string()
        .max(1_000)
        .optional()
        .describe("base64url of the raw key, or PEM; default: the key of the paired device that calls"),
      deviceName: z.string().trim().min(1).max(64).optional(),
    }),
  result: () =>
    z.looseObject({
      paired: z.boolean(),
      nonce: z.string().optional(),
      deviceId: z.string().optional(),
      deviceToken: z.string().optional(),
      role: z.string().optional(),
      scopes: z.array(z.string()).optional(),
    }),
  reveals: true,
  async run({ code, deviceName, publicKey, response }, { caller, parts }) {
    if (response === undefined) {
      const { expiresAt, nonce } = await parts.deviceCodes.find(code, guesser(caller))
      return { paired: false, nonce, expiresAtMs: expiresAt }
    }
    const own = caller.deviceId === undefined ? undefined : await parts.store.devices.get(caller.deviceId)
    const key = publicKey ?? own?.publicKey
    if (key === undefined)
      throw new PincerError(
        "INVALID_PARAMS",
        "invalid device.complete params: pass publicKey, the key that made the response",
      )
    const input = { code, response, publicKey: key, deviceName }
    const { code: row, deviceId, token } = await parts.deviceCodes.complete(input, guesser(caller))
    const { role, scopes } = row
    return { paired: true, deviceId, deviceToken: token, role, scopes, issuedAtMs: parts.clock.now() }
  },
})

const setupParams = () =>
  z.object({
    publicUrl: z.string().min(1).max(500).optional().describe("Where the device reaches this gateway"),
    preferRemoteUrl: z.boolean().optional().describe("Accepted; gateway.publicUrl goes before other addresses anyway"),
    includeQr: z.boolean().optional(),
    bootstrapProfile: z.enum(["limited", "node"]).optional().describe("Default: everything the caller has"),
    joinUrl: z.boolean().optional(),
    scopes: z.array(scope()).optional().describe("Exactly these, instead of a profile"),
    name: z.string().trim().min(1).max(64).optional().describe("What the device will be called"),
  })

const setup = method({
  name: "device.pair.setupCode",
  summary: "Makes a setup code: address and one-time secret, base64url JSON, for one device within ten minutes.",
  scope: "operator.admin",
  params: setupParams,
  result: () =>
    z.looseObject({
      setupId: z.string(),
      setupCode: z.string(),
      gatewayUrl: z.string(),
      urlSource: z.string(),
      auth: z.enum(["token", "password"]),
      access: z.enum(["full", "limited", "node"]),
      expiresAtMs: z.number(),
      joinUrl: z.string().optional(),
      qrDataUrl: z.string().optional(),
    }),
  reveals: true,
  async run(params, { caller, parts }) {
    const { isPlainRemote, qrDataUrl, setupCode, whereabouts } = await import("../devices/device-setup.ts")
    const { gateway } = parts.config
    const where = whereabouts(gateway, parts.devices.port ?? gateway.port, params.publicUrl)
    const isNode = params.bootstrapProfile === "node"
    const limited = params.bootstrapProfile === "limited"
    // Whoever listens on the way would have what the device has.
    const downgraded = !isNode && !limited && params.scopes === undefined && isPlainRemote(where.gatewayUrl)
    const all = ALL_SCOPES.filter((one) => grants(caller.scopes, one))
    const scopes = isNode ? [] : (params.scopes ?? (limited || downgraded ? [...LIMITED] : all))
    const role = isNode ? "node" : "operator"
    const grant = { name: params.name, role, scopes }
    const { bootstrapToken, row } = await parts.deviceCodes.setup(grant, deciderOf(caller))
    const { gatewayUrl: url, gatewayUrls: urls } = where
    const text = setupCode({ url, ...(urls ? { urls } : {}), bootstrapToken, role, expiresAtMs: row.expiresAt })
    return {
      setupId: row.id,
      setupCode: text,
      ...where,
      auth: gateway.auth.mode === "password" ? "password" : "token",
      access: accessOf(role, scopes),
      ...(downgraded ? { accessDowngraded: true } : {}),
      role,
      scopes,
      expiresAtMs: row.expiresAt,
      ...(params.joinUrl ? { joinUrl: `pincer://join/${text}` } : {}),
      ...(params.includeQr ? { qrDataUrl: await qrDataUrl(text) } : {}),
    }
  },
})

const status = method({
  name: "device.pair.setupStatus",
  summary: "Whether a device has come in by a code, and which.",
  scope: "operator.admin",
  normalize: (params) => renamed(params, { setupId: ["requestId", "id"] }),
  params: () => z.object({ setupId: z.string().min(1).max(128) }),
  result: () => {
    const who = () => z.looseObject({ setupId: z.string(), deviceId: z.string(), access: z.string(), ts: z.number() })
    return z.looseObject({ status: z.string(), completion: who().optional(), deliveryUncertain: who().optional() })
  },
  async run({ setupId }, { parts }) {
    const code = await parts.store.deviceCodes.get(setupId)
    if (!code) return { status: "unknown" }
    const { deliveredAt, deviceId, expiresAt, role, scopes, usedAt } = code
    if (deviceId === null || usedAt === null) return { status: expiresAt > parts.clock.now() ? "open" : "expired" }
    const device = await parts.store.devices.get(deviceId)
    const deviceName = device?.label ?? device?.displayName
    const named = deviceName === undefined ? {} : { deviceName }
    const who = { setupId, deviceId, ...named, access: accessOf(role, scopes), ts: deliveredAt ?? usedAt }
    return deliveredAt === null
      ? { status: "uncertain", deliveryUncertain: who }
      : { status: "completed", completion: who }
  },
})

const code = method({
  name: "device.pair.code",
  summary: "Where a gateway is, with the token that is given, as base64url JSON; without a token: a setup code.",
  scope: "operator.admin",
  normalize: (params) => refuseChannels(params, "device.pair.code"),
  params: () => z.object({ url: z.string().min(1).max(500), token: z.string().max(500).optional() }),
  result: () => z.looseObject({ code: z.string() }),
  reveals: true,
  async run({ token, url }, context) {
    const { setupCode, whereabouts } = await import("../devices/device-setup.ts")
    if (token === undefined) {
      const made: unknown = await setup.run(setupParams().parse({ publicUrl: url }), context)
      const { setupCode: text } = setup.result.parse(made) as { setupCode: string }
      return { code: text }
    }
    const { gateway } = context.parts.config
    return { code: setupCode({ url: whereabouts(gateway, gateway.port, url).gatewayUrl, token }) }
  },
})

export const deviceCodeMethods: readonly Method[] = [initiate, complete, setup, status, code]

// How a device comes in at connect, once it has proven that it is itself: by the owner's secret, by its own token, or by a code. What it
// may not yet do becomes a wish for the owner to decide on.
import type { IncomingMessage } from "node:http"
import { PincerError } from "../../base/errors.ts"
import { ALL_SCOPES, grants, type Scope } from "../../protocol/frame.ts"
import type { DeviceCode, DeviceRow } from "../../store/device-rows.ts"
import { networkOf } from "../access/limiter.ts"
import { type Auth, tokenHash } from "../auth.ts"
import type { DeviceClaim } from "../devices/device.ts"
import { common } from "../devices/device-members.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import type { ClientInfo, Credentials } from "./connect-params.ts"

/** What is asked for; the device, if there is one, has proven that it is itself. */
export interface Arrival {
  client: ClientInfo
  dialect: Caller["dialect"]
  protocol: 3 | 4
  request: IncomingMessage
  parts: Parts
  auth: Auth
  role: "operator" | "node"
  scopes: string[] | undefined
  device: DeviceClaim | undefined
  credentials: Credentials
  local: boolean
}

export interface Granted {
  scopes: readonly string[]
  method: "token" | "password" | "device-token" | "bootstrap-token" | "trusted-proxy" | "none"
  deviceToken?: string
  /** The code that let it in: to be marked once the device was told. */
  code?: DeviceCode
  user?: string
}

/** By the owner's secret: on this machine that is enough, from elsewhere the device must have been approved as well. */
export async function asOwner(asking: Arrival): Promise<Granted> {
  const { parts, device, role, local } = asking
  const { mode } = parts.config.gateway.auth
  const method = parts.token === undefined ? "none" : mode === "password" ? "password" : "token"
  if (!local && !device)
    throw new PincerError("NOT_PAIRED", "device identity required", { details: { code: "DEVICE_IDENTITY_REQUIRED" } })
  const scopes = ownerScopes(asking)
  if (!device) return { scopes, method }
  const known = await parts.store.devices.get(device.id)
  const held = known?.roles[role]
  const reason = known && !held ? "role-upgrade" : "not-paired"
  // A node has commands, not rights: a wish for both is for a human to see.
  if (role === "node" && asking.scopes?.some((scope) => scope.startsWith("operator.")))
    throw await pairingRequired(asking, device, asking.scopes, reason)
  if (!local) {
    if (!held) throw await pairingRequired(asking, device, scopes, reason)
    if (scopes.some((scope) => !grants(held, scope as Scope)))
      throw await pairingRequired(asking, device, scopes, "scope-upgrade")
    if (isAnother(asking.client, known)) throw await pairingRequired(asking, device, scopes, "metadata-upgrade")
  }
  const wish = { ...selfOf(asking, device), role, scopes }
  if (local) await parts.devices.admit(wish, "silent", `${asking.client.id} on this machine`)
  await parts.store.devices.touch(device.id)
  return { scopes, method, deviceToken: await parts.devices.issue(device.id, role, scopes) }
}

/** By the word of the proxy in front. No device gets anything of its own that way. */
export function asProxied(asking: Arrival, { user, scopes }: { user: string; scopes: readonly Scope[] }): Granted {
  if (asking.role === "node")
    throw new PincerError("NOT_PAIRED", "a node comes in by its own token, not through the proxy's users")
  return { user, scopes: common(ownerScopes(asking), scopes), method: "trusted-proxy" }
}

/** By the token that this very device was given for this role, and for no more than that token grants. */
export async function asDevice(asking: Arrival): Promise<Granted> {
  const { parts, auth, client, request, role, device, credentials, local, protocol } = asking
  const held = device ? await deviceTokenScopes(asking, device.id) : undefined
  if (device && !held && credentials.bootstrapToken !== undefined)
    return await byCode(asking, device, credentials.bootstrapToken)
  if (!device || !held) {
    auth.failed(request)
    throw unauthorized(asking)
  }
  const silent = asking.scopes === undefined || (protocol === 3 && asking.scopes.length === 0)
  const scopes = silent ? held : ALL_SCOPES.filter((scope) => asking.scopes?.includes(scope))
  if (role === "operator" && scopes.some((scope) => !grants(held, scope as Scope)))
    throw await pairingRequired(asking, device, scopes, "scope-upgrade")
  if (isAnother(client, await parts.store.devices.get(device.id))) {
    if (!local) throw await pairingRequired(asking, device, scopes, "metadata-upgrade")
    await parts.devices.admit({ ...selfOf(asking, device), role, scopes }, "silent", `${client.id} on this machine`)
  }
  await parts.store.devices.touch(device.id, role)
  return { scopes, method: "device-token" }
}

async function byCode(asking: Arrival, device: DeviceClaim, secret: string): Promise<Granted> {
  const { auth, parts, request, role, scopes } = asking
  let code: DeviceCode
  try {
    code = await parts.deviceCodes.find(secret, auth.addressOf(request))
  } catch (error) {
    auth.failed(request)
    throw error
  }
  if (code.role !== role)
    throw new PincerError("AUTH_REQUIRED", `unauthorized: this pairing code is for the role ${code.role}`, {
      details: { code: "AUTH_SCOPE_MISMATCH", expectedRole: code.role },
    })
  const { token } = await parts.deviceCodes.redeem(code, selfOf(asking, device))
  const given =
    scopes === undefined || scopes.length === 0
      ? code.scopes
      : ALL_SCOPES.filter((scope) => scopes.includes(scope) && grants(code.scopes, scope))
  return { scopes: given, method: "bootstrap-token", deviceToken: token, code }
}

/** What the owner's secret gives: what was asked for, of what exists. Protocol 3 and the simple dialect take silence as everything. */
function ownerScopes({ role, scopes, dialect, protocol }: Arrival): string[] {
  if (role === "node") return []
  if (scopes === undefined && dialect === "py") return [...ALL_SCOPES]
  if (scopes === undefined || scopes.length === 0) return protocol === 3 ? ["operator.admin"] : []
  return ALL_SCOPES.filter((scope) => scopes.includes(scope))
}

async function deviceTokenScopes(
  { parts, role, credentials }: Arrival,
  deviceId: string,
): Promise<readonly string[] | undefined> {
  for (const token of [credentials.deviceToken, credentials.token]) {
    if (token === undefined) continue
    const found = await parts.store.devices.byTokenHash(tokenHash(token))
    if (!found || found.device.deviceId !== deviceId || found.role !== role) continue
    parts.redactor.add(token)
    return found.scopes
  }
  return undefined
}

function unauthorized({ credentials, device, parts }: Arrival): PincerError {
  const secret = parts.config.gateway.auth.mode === "password" ? "password" : "token"
  const hint =
    secret === "password"
      ? "pass the password of its gateway.auth.password"
      : "run pincer on this machine, or pass the token of its gateway.token file"
  const refusal = (text: string, what: string, how: "MISSING" | "MISMATCH") => {
    const reason = `${what}_${how}`.toLowerCase()
    return new PincerError("AUTH_REQUIRED", `unauthorized: ${text}`, {
      details: {
        code: `AUTH_${what}_${how}`,
        authReason: reason,
        canRetryWithDeviceToken: device !== undefined && credentials.deviceToken === undefined,
        recommendedNextStep: how === "MISSING" ? "update_auth_configuration" : "update_auth_credentials",
      },
    })
  }
  if (credentials.token === undefined && credentials.deviceToken !== undefined)
    return refusal("device token mismatch (connect once with the gateway token)", "DEVICE_TOKEN", "MISMATCH")
  if (credentials.token !== undefined && secret === "token")
    return refusal(`gateway token mismatch (${hint})`, "TOKEN", "MISMATCH")
  if (credentials.token !== undefined || credentials.password !== undefined)
    return refusal(`gateway password mismatch (${hint})`, "PASSWORD", "MISMATCH")
  return refusal(`gateway ${secret} missing (${hint})`, secret === "token" ? "TOKEN" : "PASSWORD", "MISSING")
}

/** A key that turns up in another kind of machine than it was approved for has been carried there: its owner is to know. */
function isAnother(client: ClientInfo, known: DeviceRow | undefined): boolean {
  const differs = (now: string | undefined, then: string | undefined) =>
    now !== undefined && then !== undefined && then !== "" && plain(now) !== plain(then)
  return differs(client.platform, known?.platform) || differs(client.deviceFamily, known?.deviceFamily)
}

/** As both are signed. */
function plain(text: string): string {
  return text.trim().toLowerCase()
}

const PAIRING_TEXTS = {
  "not-paired": "device is not approved yet",
  "role-upgrade": "device is not approved for this role",
  "scope-upgrade": "device asks for more than it was granted",
  "metadata-upgrade": "device says that it is another kind of machine than it was approved as",
} as const

/** Keeps the wish for a decision by the owner, and says where it stands. */
async function pairingRequired(
  asking: Arrival,
  device: DeviceClaim,
  scopes: readonly string[],
  reason: keyof typeof PAIRING_TEXTS,
): Promise<PincerError> {
  const { auth, parts, protocol, request, role } = asking
  const wish = { ...selfOf(asking, device), role, scopes }
  const { requestId } = await parts.devices.request(wish, networkOf(auth.addressOf(request)))
  const text = protocol === 4 ? `pairing required: ${PAIRING_TEXTS[reason]}` : "pairing required"
  const asked = { requestId, deviceId: device.id, requestedRole: role, requestedScopes: scopes }
  const remediationHint = `run: pincer device approve ${requestId}`
  return new PincerError("NOT_PAIRED", text, {
    details: { code: "PAIRING_REQUIRED", reason, ...asked, remediationHint },
  })
}

function selfOf({ auth, client, request }: Arrival, device: DeviceClaim) {
  return {
    deviceId: device.id,
    publicKey: device.publicKey,
    platform: client.platform,
    clientId: client.id,
    clientMode: client.mode,
    remoteIp: auth.addressOf(request),
    ...(client.displayName === undefined ? {} : { displayName: client.displayName }),
    ...(client.deviceFamily === undefined ? {} : { deviceFamily: client.deviceFamily }),
  }
}

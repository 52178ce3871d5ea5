// connect: which dialect and protocol, who is calling, what they may (protocol §2, §9.1, §9.2). Order of checks: shape, protocol,
// role, device, credential, pairing. Texts and close codes are those that existing clients match on.
import type { IncomingMessage } from "node:http"
import { PincerError } from "../../base/errors.ts"
import { secret } from "../../base/id.ts"
import { isObject } from "../../base/json.ts"
import { ALL_SCOPES, grants, type Scope } from "../../protocol/frame.ts"
import { type Auth, tokenHash } from "../auth.ts"
import { type DeviceClaim, verifyDevice } from "../device.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import {
  type ClientInfo,
  type Credentials,
  clientOf,
  credentialsOf,
  deviceOf,
  dialectOf,
  invalid,
  protocolOf,
  type ResumeClaim,
  resumeOf,
  stringsOf,
} from "./connect-params.ts"

/** A refused handshake: what is answered, and how the socket is closed afterwards. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError"
  readonly refusal: PincerError
  readonly dialect: Caller["dialect"]
  readonly protocol: 3 | 4
  readonly closeCode: number
  readonly closeReason: string

  constructor(
    refusal: PincerError,
    dialect: Caller["dialect"],
    protocol: 3 | 4,
    closeCode = 1008,
    closeReason = refusal.message,
  ) {
    super(refusal.message)
    this.refusal = refusal
    this.dialect = dialect
    this.protocol = protocol
    this.closeCode = closeCode
    this.closeReason = closeReason
  }
}

export interface Welcome {
  caller: Omit<Caller, "connId" | "signal">
  client: ClientInfo
  method: "token" | "device-token" | "none"
  deviceToken?: string
  resume?: ResumeClaim
}

interface Challenge {
  nonce: string
  ts: number
}

/** Says who the caller is, or throws HandshakeError. */
export async function welcome(
  params: unknown,
  request: IncomingMessage,
  challenge: Challenge,
  parts: Parts,
  auth: Auth,
): Promise<Welcome> {
  if (!isObject(params)) throw new HandshakeError(invalid("must be object"), "claw", 4)
  const dialect = dialectOf(params)
  const offered = protocolOf(params, dialect)
  const protocol = offered.protocol
  const fail = (error: PincerError, code?: number, reason?: string) =>
    new HandshakeError(error, dialect, protocol, code, reason)
  try {
    if (offered.error?.details) throw fail(offered.error, 1002, "protocol mismatch")
    if (offered.error) throw offered.error
    const client = clientOf(params, parts.config.gateway.strict)
    return await identify({ params, client, dialect, protocol, request, challenge, parts, auth })
  } catch (error) {
    if (error instanceof PincerError) {
      const pairing = error.code === "NOT_PAIRED" && typeof error.details?.["requestId"] === "string"
      throw fail(
        error,
        1008,
        pairing ? `${error.message} (requestId: ${String(error.details?.["requestId"])})` : error.message,
      )
    }
    throw error
  }
}

interface Identifying {
  params: Record<string, unknown>
  client: ClientInfo
  dialect: Caller["dialect"]
  protocol: 3 | 4
  request: IncomingMessage
  challenge: Challenge
  parts: Parts
  auth: Auth
}

/** What is asked for, once the device, if there is one, has proven that it is itself. */
interface Asking extends Identifying {
  role: "operator" | "node"
  scopes: string[] | undefined
  device: DeviceClaim | undefined
  credentials: Credentials
  local: boolean
}

type Granted = Pick<Welcome, "method" | "deviceToken"> & { scopes: readonly string[] }

async function identify(input: Identifying): Promise<Welcome> {
  const { params, client, dialect, protocol, request, auth } = input
  const role = params["role"] ?? "operator"
  if (role !== "operator" && role !== "node") throw new PincerError("INVALID_PARAMS", "invalid role")
  const limited = auth.isCounted(request) ? auth.limiter.refusal(request.socket.remoteAddress ?? "") : undefined
  if (limited) throw limited
  const asking: Asking = {
    ...input,
    role,
    scopes: params["scopes"] === undefined ? undefined : stringsOf(params["scopes"]),
    device: deviceOf(params["device"]),
    credentials: credentialsOf(params["auth"]),
    local: auth.isLocal(request),
  }
  if (asking.device) proveDevice(asking, asking.device)
  const { scopes, ...granted } = ownsSecret(asking) ? await asOwner(asking) : await asDevice(asking)
  return {
    caller: {
      dialect,
      protocol,
      role,
      // A node has commands, not rights.
      scopes: role === "node" ? [] : scopes,
      caps: stringsOf(params["caps"]),
      clientId: client.id,
      ...(asking.device ? { deviceId: asking.device.id } : {}),
    },
    client,
    ...granted,
    ...resumeOf(params["resume"]),
  }
}

function proveDevice(asking: Asking, device: DeviceClaim): void {
  const { params, client, credentials, role, scopes, challenge, parts, auth, local } = asking
  const fields = {
    clientId: client.id,
    clientMode: isObject(params["client"]) ? String(params["client"]["mode"]) : client.mode,
    role,
    scopes: scopes ?? [],
    token: credentials.token ?? credentials.deviceToken ?? credentials.bootstrapToken ?? "",
    platform: client.platform,
    deviceFamily: client.deviceFamily ?? "",
  }
  const options = { now: parts.clock.now(), skewMs: parts.config.gateway.auth.deviceSkewMs, local }
  verifyDevice(device, fields, challenge, options)
  // With a nonce the challenge sees to it that a recorded signature is good for nothing.
  if (device.nonce === undefined && !auth.isFirstUse(device.signature))
    throw new PincerError("AUTH_REQUIRED", "device signature expired", {
      details: { code: "DEVICE_AUTH_SIGNATURE_EXPIRED", reason: "device-signature-stale" },
    })
}

function ownsSecret({ credentials, parts, auth }: Asking): boolean {
  if (parts.token === undefined) return auth.isToken(undefined)
  return [credentials.token, credentials.password].some((one) => one !== undefined && auth.isToken(one))
}

/** By the owner's secret: on this machine that is enough, from elsewhere the device must have been approved as well. */
async function asOwner(asking: Asking): Promise<Granted> {
  const { parts, device, role, local } = asking
  const method = parts.token === undefined ? "none" : "token"
  if (!local && !device)
    throw new PincerError("NOT_PAIRED", "device identity required", { details: { code: "DEVICE_IDENTITY_REQUIRED" } })
  const scopes = ownerScopes(asking)
  if (!device) return { scopes, method }
  const known = await parts.store.devices.get(device.id)
  const revoked = known !== undefined && known.revokedAt !== null
  if (!local) {
    const missing = scopes.find((scope) => !grants(known?.scopes ?? [], scope as Scope))
    if (!known || revoked) throw await pairingRequired(asking, device, scopes, "not-paired")
    if (known.role !== role) throw await pairingRequired(asking, device, scopes, "role-upgrade")
    if (missing !== undefined) throw await pairingRequired(asking, device, scopes, "scope-upgrade")
  }
  return revoked ? { scopes, method } : { scopes, method, deviceToken: await issue(asking, device, scopes) }
}

/** By the token that this very device was given for this role, and for no more than that token grants. */
async function asDevice(asking: Asking): Promise<Granted> {
  const { parts, auth, request, device, credentials, protocol } = asking
  const held = device ? await deviceTokenScopes(asking, device.id) : undefined
  if (!device || !held) {
    if (auth.isCounted(request)) auth.limiter.fail(request.socket.remoteAddress ?? "")
    throw unauthorized(credentials, device !== undefined)
  }
  const silent = asking.scopes === undefined || (protocol === 3 && asking.scopes.length === 0)
  const scopes = silent ? held : ALL_SCOPES.filter((scope) => asking.scopes?.includes(scope))
  if (scopes.some((scope) => !grants(held, scope as Scope)))
    throw await pairingRequired(asking, device, scopes, "scope-upgrade")
  await parts.store.devices.touch(device.id)
  return { scopes, method: "device-token" }
}

/** What the owner's secret gives: what was asked for, of what exists. Protocol 3 and the simple dialect take silence as everything. */
function ownerScopes({ scopes, dialect, protocol }: Asking): string[] {
  if (scopes === undefined && dialect === "py") return [...ALL_SCOPES]
  if (scopes === undefined || scopes.length === 0) return protocol === 3 ? ["operator.admin"] : []
  return ALL_SCOPES.filter((scope) => scopes.includes(scope))
}

async function deviceTokenScopes(
  { parts, role, credentials }: Asking,
  deviceId: string,
): Promise<string[] | undefined> {
  for (const token of [credentials.deviceToken, credentials.token]) {
    if (token === undefined) continue
    const found = await parts.store.devices.byTokenHash(tokenHash(token))
    if (!found || found.device.deviceId !== deviceId || found.role !== role) continue
    parts.redactor.add(token)
    return found.scopes
  }
  return undefined
}

function unauthorized(credentials: Credentials, hasDevice: boolean): PincerError {
  const hint = "run pincer on this machine, or pass the token of its gateway.token file"
  const details = (code: string, reason: string) => ({
    code,
    authReason: reason,
    canRetryWithDeviceToken: hasDevice && credentials.deviceToken === undefined,
    recommendedNextStep: reason === "token_missing" ? "update_auth_configuration" : "update_auth_credentials",
  })
  if (credentials.token === undefined && credentials.deviceToken !== undefined)
    return new PincerError(
      "AUTH_REQUIRED",
      "unauthorized: device token mismatch (connect once with the gateway token)",
      {
        details: details("AUTH_DEVICE_TOKEN_MISMATCH", "device_token_mismatch"),
      },
    )
  if (credentials.token !== undefined)
    return new PincerError("AUTH_REQUIRED", `unauthorized: gateway token mismatch (${hint})`, {
      details: details("AUTH_TOKEN_MISMATCH", "token_mismatch"),
    })
  if (credentials.password !== undefined)
    return new PincerError("AUTH_REQUIRED", `unauthorized: gateway password mismatch (${hint})`, {
      details: details("AUTH_PASSWORD_MISMATCH", "password_mismatch"),
    })
  return new PincerError("AUTH_REQUIRED", `unauthorized: gateway token missing (${hint})`, {
    details: details("AUTH_TOKEN_MISSING", "token_missing"),
  })
}

const PAIRING_TEXTS = {
  "not-paired": "device is not approved yet",
  "role-upgrade": "device is not approved for this role",
  "scope-upgrade": "device asks for more than it was granted",
} as const

/** Keeps the wish for a decision by the owner, and says where it stands. */
async function pairingRequired(
  { parts, client, request, role, protocol }: Asking,
  device: DeviceClaim,
  scopes: readonly string[],
  reason: keyof typeof PAIRING_TEXTS,
): Promise<PincerError> {
  const requestId = await parts.store.devices.request({
    deviceId: device.id,
    publicKey: device.publicKey,
    role,
    scopes: [...scopes],
    clientId: client.id,
    platform: client.platform,
    remoteIp: request.socket.remoteAddress ?? "",
  })
  const text = protocol === 4 ? `pairing required: ${PAIRING_TEXTS[reason]}` : "pairing required"
  const asked = { requestId, deviceId: device.id, requestedRole: role, requestedScopes: scopes }
  return new PincerError("NOT_PAIRED", text, { details: { code: "PAIRING_REQUIRED", reason, ...asked } })
}

/** A device that shows the owner's secret is approved without asking on this machine; it gets a token of its own, stored as a hash. */
async function issue({ parts, client, role }: Asking, device: DeviceClaim, scopes: string[]): Promise<string> {
  const { devices } = parts.store
  const { displayName = null, platform, id: clientId } = client
  const { id: deviceId, publicKey } = device
  await devices.approve({ deviceId, publicKey, displayName, platform, clientId, role, scopes })
  const token = secret(32)
  parts.redactor.add(token)
  await devices.setToken(deviceId, role, tokenHash(token), scopes)
  await devices.touch(deviceId)
  return token
}

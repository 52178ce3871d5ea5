// connect: which dialect and protocol, who is calling, what they may (protocol §2, §9.1, §9.2). Order of checks: shape, protocol,
// role, device, credential, pairing. Texts and close codes are those that existing clients match on.
import type { IncomingMessage } from "node:http"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { Auth } from "../auth.ts"
import { type DeviceClaim, verifyDevice } from "../devices/device.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import {
  type ClientInfo,
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
import { type Arrival, asDevice, asOwner, asProxied, type Granted } from "./device-entry.ts"

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

export interface Welcome extends Omit<Granted, "scopes" | "user"> {
  caller: Omit<Caller, "connId" | "signal">
  client: ClientInfo
  /** Of the devices' rights that were looked at (device-members.ts). */
  epoch: number
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

async function identify(input: Identifying): Promise<Welcome> {
  const { params, client, dialect, protocol, request, auth, parts } = input
  const role = params["role"] ?? "operator"
  if (role !== "operator" && role !== "node") throw new PincerError("INVALID_PARAMS", "invalid role")
  const limited = auth.limited(request)
  if (limited) throw limited
  const epoch = parts.devices.members.epoch()
  const asking: Arrival & Pick<Identifying, "params" | "challenge"> = {
    ...input,
    role,
    scopes: params["scopes"] === undefined ? undefined : stringsOf(params["scopes"]),
    device: deviceOf(params["device"]),
    credentials: credentialsOf(params["auth"]),
    local: auth.isLocal(request),
  }
  if (asking.device) proveDevice(asking, asking.device)
  const { scopes, user, ...granted } = await grant(asking)
  // Of a device that only the proxy's user vouches for, nothing is believed.
  const deviceId = user === undefined ? asking.device?.id : undefined
  return {
    caller: {
      dialect,
      protocol,
      role,
      // A node has commands, not rights.
      scopes: role === "node" ? [] : scopes,
      caps: stringsOf(params["caps"]),
      clientId: client.id,
      ...(deviceId === undefined ? {} : { deviceId }),
      ...(user === undefined ? {} : { user }),
    },
    client,
    epoch,
    ...granted,
    ...resumeOf(params["resume"]),
  }
}

async function grant(asking: Arrival): Promise<Granted> {
  const { auth, request } = asking
  const proxied = auth.proxied(request)
  if (proxied instanceof PincerError) {
    auth.failed(request)
    throw proxied
  }
  if (proxied) return asProxied(asking, proxied)
  return ownsSecret(asking) ? asOwner(asking) : asDevice(asking)
}

function proveDevice(asking: Arrival & Pick<Identifying, "params" | "challenge">, device: DeviceClaim): void {
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

function ownsSecret({ credentials, parts, auth }: Arrival): boolean {
  if (parts.token === undefined) return auth.isToken(undefined)
  return [credentials.token, credentials.password].some((one) => one !== undefined && auth.isToken(one))
}

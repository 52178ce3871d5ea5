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

export interface ClientInfo {
  id: string
  displayName?: string
  version: string
  platform: string
  mode: string
  deviceFamily?: string
  modelIdentifier?: string
  instanceId?: string
}

export interface Welcome {
  caller: Omit<Caller, "connId" | "signal">
  client: ClientInfo
  method: "token" | "device-token" | "none"
  deviceToken?: string
  resume?: { connId: string; lastSeq: number; bootId?: string }
}

interface Challenge {
  nonce: string
  ts: number
}

const KNOWN_IDS =
  /^(webchat|webchat-ui|cli|gateway-client|node-host|test|fingerprint|(clawdbot|openclaw|pincer)-[a-z-]+)$/
const MODES = ["webchat", "cli", "ui", "backend", "node", "worker", "probe", "test"]

function invalid(text: string): PincerError {
  return new PincerError("INVALID_PARAMS", `invalid connect params: ${text}`)
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
    if (offered.error) throw fail(offered.error, 1002, "protocol mismatch")
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

function dialectOf(params: Record<string, unknown>): Caller["dialect"] {
  const caps = stringsOf(params["caps"])
  if (caps.includes("dialect:py")) return "py"
  if (caps.includes("dialect:claw") || isObject(params["client"])) return "claw"
  return typeof params["clientName"] === "string" || params["client"] === undefined ? "py" : "claw"
}

function protocolOf(
  params: Record<string, unknown>,
  dialect: Caller["dialect"],
): { protocol: 3 | 4; error?: PincerError } {
  const py = dialect === "py"
  const min = params["minProtocol"] ?? (py ? 1 : undefined)
  const max = params["maxProtocol"] ?? (py ? 3 : undefined)
  if (!isVersion(min)) return { protocol: 4, error: invalid("must have required property 'minProtocol' (integer)") }
  if (!isVersion(max)) return { protocol: 4, error: invalid("must have required property 'maxProtocol' (integer)") }
  if (min <= 4 && max >= 4 && !py) return { protocol: 4 }
  if (min <= 3 && max >= 3) return { protocol: 3 }
  const details = {
    code: "PROTOCOL_MISMATCH",
    clientMinProtocol: min,
    clientMaxProtocol: max,
    expectedProtocol: 4,
    minimumProbeProtocol: 3,
    supported: [3, 4],
  }
  return { protocol: 4, error: new PincerError("INVALID_PARAMS", "protocol mismatch", { details }) }
}

function isVersion(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string").slice(0, 100) : []
}

/** What a client says of itself, cut to a sensible length; only ever shown. */
function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value.slice(0, 200) : undefined
}

function clientOf(params: Record<string, unknown>, strict: boolean): ClientInfo {
  const wire = params["client"]
  if (!isObject(wire)) return { id: textOf(params["clientName"]) ?? "py", version: "", platform: "", mode: "backend" }
  for (const field of ["id", "version", "platform", "mode"])
    if (typeof wire[field] !== "string") throw invalid(`at /client: must have required property '${field}'`)
  const id = textOf(wire["id"])!
  const mode = textOf(wire["mode"])!
  if (strict && !KNOWN_IDS.test(id)) throw invalid("at /client/id: must be equal to constant")
  if (strict && !MODES.includes(mode)) throw invalid("at /client/mode: must be equal to constant")
  return {
    id,
    version: textOf(wire["version"])!,
    platform: textOf(wire["platform"])!,
    mode: MODES.includes(mode) ? mode : "backend",
    displayName: textOf(wire["displayName"]),
    deviceFamily: textOf(wire["deviceFamily"]),
    modelIdentifier: textOf(wire["modelIdentifier"]),
    instanceId: textOf(wire["instanceId"]),
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
  const { params, client, dialect, protocol, request, challenge, parts, auth } = input
  const role = params["role"] ?? "operator"
  if (role !== "operator" && role !== "node") throw new PincerError("INVALID_PARAMS", "invalid role")
  const address = request.socket.remoteAddress ?? ""
  const local = auth.isLocal(request)
  const counted = !local || request.headers.origin !== undefined
  const limited = counted ? auth.limiter.refusal(address) : undefined
  if (limited) throw limited
  const device = deviceOf(params["device"])
  const credentials = credentialsOf(params["auth"])
  const asked = params["scopes"] === undefined ? undefined : stringsOf(params["scopes"])
  if (device) {
    const fields = {
      clientId: client.id,
      clientMode: isObject(params["client"]) ? String(params["client"]["mode"]) : client.mode,
      role,
      scopes: asked ?? [],
      token: credentials.token ?? credentials.deviceToken ?? credentials.bootstrapToken ?? "",
      platform: client.platform,
      deviceFamily: client.deviceFamily ?? "",
    }
    const options = { now: parts.clock.now(), skewMs: parts.config.gateway.auth.deviceSkewMs, local }
    verifyDevice(device, fields, challenge, options)
  }
  const shared =
    [credentials.token, credentials.password].some((one) => one !== undefined && auth.isToken(one)) ||
    (parts.token === undefined && auth.isToken(undefined))
  const caps = stringsOf(params["caps"])
  const build = (scopes: readonly string[], method: Welcome["method"], deviceToken?: string): Welcome => ({
    caller: { dialect, protocol, role, scopes, caps, clientId: client.id, ...(device ? { deviceId: device.id } : {}) },
    client,
    method,
    ...(deviceToken === undefined ? {} : { deviceToken }),
    ...resumeOf(params["resume"]),
  })
  if (!shared) {
    const granted = device ? await byDeviceToken(input, device.id, role, credentials) : undefined
    if (!granted) {
      if (counted) auth.limiter.fail(address)
      throw unauthorized(credentials, device !== undefined)
    }
    const scopes = asked ?? granted
    const missing = scopes.find((scope) => !grants(granted, scope as Scope))
    if (missing !== undefined)
      throw new PincerError("NOT_PAIRED", `pairing required: this device was not granted ${missing}`, {
        details: { code: "AUTH_SCOPE_MISMATCH", reason: "scope-upgrade", missingScope: missing },
      })
    return build(scopes, "device-token")
  }
  const method = parts.token === undefined ? "none" : "token"
  if (!local && !device)
    throw new PincerError("NOT_PAIRED", "device identity required", { details: { code: "DEVICE_IDENTITY_REQUIRED" } })
  const scopes = scopesOf(asked, input)
  if (!device) return build(scopes, method)
  const known = await parts.store.devices.get(device.id)
  const covered =
    known !== undefined && known.revokedAt === null && scopes.every((scope) => grants(known.scopes, scope as Scope))
  if (!local && !covered) throw await pairingRequired(input, device, role, scopes, known !== undefined)
  return build(scopes, method, await issue(input, device, role, scopes))
}

function deviceOf(wire: unknown): DeviceClaim | undefined {
  if (wire === undefined || wire === null) return undefined
  if (!isObject(wire)) throw invalid("at /device: must be object")
  const { id, publicKey, signature, signedAt, nonce } = wire
  if (
    typeof id !== "string" ||
    typeof publicKey !== "string" ||
    typeof signature !== "string" ||
    typeof signedAt !== "number"
  )
    throw invalid("at /device: must have id, publicKey, signature and signedAt")
  if (nonce !== undefined && typeof nonce !== "string") throw invalid("at /device/nonce: must be string")
  return { id, publicKey, signature, signedAt, ...(nonce === undefined ? {} : { nonce }) }
}

interface Credentials {
  token?: string
  password?: string
  deviceToken?: string
  bootstrapToken?: string
}

function credentialsOf(wire: unknown): Credentials {
  if (!isObject(wire)) return {}
  const found: Credentials = {}
  for (const name of ["token", "password", "deviceToken", "bootstrapToken"] as const) {
    const value = wire[name]
    if (typeof value === "string" && value !== "") found[name] = value
  }
  return found
}

function resumeOf(wire: unknown): Pick<Welcome, "resume"> {
  if (!isObject(wire) || typeof wire["connId"] !== "string" || typeof wire["lastSeq"] !== "number") return {}
  const bootId = typeof wire["bootId"] === "string" ? { bootId: wire["bootId"] } : {}
  return { resume: { connId: wire["connId"], lastSeq: wire["lastSeq"], ...bootId } }
}

/** What the owner's secret gives: what was asked for, of what exists. Protocol 3 and the simple dialect take silence as everything. */
function scopesOf(asked: string[] | undefined, { dialect, protocol }: Identifying): string[] {
  if (dialect === "py") return [...ALL_SCOPES]
  if (asked === undefined || asked.length === 0) return protocol === 3 ? ["operator.admin"] : []
  return ALL_SCOPES.filter((scope) => asked.includes(scope))
}

/** The scopes of a device token that belongs to this very device and role. */
async function byDeviceToken(
  { parts }: Identifying,
  deviceId: string,
  role: string,
  credentials: Credentials,
): Promise<string[] | undefined> {
  for (const token of [credentials.deviceToken, credentials.token]) {
    if (token === undefined) continue
    const found = await parts.store.devices.byTokenHash(tokenHash(token))
    if (found && found.device.deviceId === deviceId && found.role === role) return found.scopes
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
  if (credentials.token !== undefined || credentials.deviceToken !== undefined)
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

async function pairingRequired(
  input: Identifying,
  device: DeviceClaim,
  role: string,
  scopes: string[],
  known: boolean,
): Promise<PincerError> {
  const { parts, client, request } = input
  const requestId = await parts.store.devices.request({
    deviceId: device.id,
    publicKey: device.publicKey,
    role,
    scopes,
    clientId: client.id,
    platform: client.platform,
    remoteIp: request.socket.remoteAddress ?? "",
  })
  const reason = known ? "scope-upgrade" : "not-paired"
  const text = input.protocol === 4 ? "pairing required: device is not approved yet" : "pairing required"
  return new PincerError("NOT_PAIRED", text, {
    details: {
      code: "PAIRING_REQUIRED",
      reason,
      requestId,
      deviceId: device.id,
      requestedRole: role,
      requestedScopes: scopes,
    },
  })
}

/** A device on this machine with the owner's secret is approved without asking; it gets a token of its own. */
async function issue(
  { parts, client }: Identifying,
  device: DeviceClaim,
  role: string,
  scopes: string[],
): Promise<string> {
  const { devices } = parts.store
  const { displayName = null, platform, id } = client
  await devices.approve({
    deviceId: device.id,
    publicKey: device.publicKey,
    displayName,
    platform,
    clientId: id,
    role,
    scopes,
  })
  const token = secret(32)
  await devices.setToken(device.id, role, tokenHash(token), scopes)
  await devices.touch(device.id)
  return token
}

// What connect may say, in both shapes (protocol §2.1, §9.1): read, cut to sensible lengths, not yet believed. Pure.
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { DeviceClaim } from "../devices/device.ts"
import type { Caller } from "../methods/method.ts"

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

const KNOWN_IDS =
  /^(webchat|webchat-ui|cli|gateway-client|node-host|test|fingerprint|(clawdbot|openclaw|pincer)-[a-z-]+)$/
const MODES = ["webchat", "cli", "ui", "backend", "node", "worker", "probe", "test"]

export function invalid(text: string): PincerError {
  return new PincerError("INVALID_PARAMS", `invalid connect params: ${text}`)
}

export function dialectOf(params: Record<string, unknown>): Caller["dialect"] {
  const caps = stringsOf(params["caps"])
  if (caps.includes("dialect:py")) return "py"
  if (caps.includes("dialect:claw") || isObject(params["client"])) return "claw"
  return typeof params["clientName"] === "string" || params["client"] === undefined ? "py" : "claw"
}

export function protocolOf(
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

export function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string").slice(0, 100) : []
}

/** What a client says of itself, cut to a sensible length; only ever shown. */
function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value.slice(0, 200) : undefined
}

export function clientOf(params: Record<string, unknown>, strict: boolean): ClientInfo {
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

export function deviceOf(wire: unknown): DeviceClaim | undefined {
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

export interface Credentials {
  token?: string
  password?: string
  deviceToken?: string
  bootstrapToken?: string
}

export function credentialsOf(wire: unknown): Credentials {
  if (!isObject(wire)) return {}
  const found: Credentials = {}
  for (const name of ["token", "password", "deviceToken", "bootstrapToken"] as const) {
    const value = wire[name]
    if (typeof value === "string" && value !== "") found[name] = value
  }
  return found
}

export interface ResumeClaim {
  connId: string
  lastSeq: number
}

/** Which earlier connection is to be taken up, and after which of its events. */
export function resumeOf(wire: unknown): { resume?: ResumeClaim } {
  if (!isObject(wire) || typeof wire["connId"] !== "string" || typeof wire["lastSeq"] !== "number") return {}
  return { resume: { connId: wire["connId"], lastSeq: wire["lastSeq"] } }
}

// This home as a device of other gateways: its key, and the tokens that they gave it. Both files are for their owner only. A token is
// kept by the address that it was given at, and shown to no other.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto"
import { renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { makeFolder } from "../base/folder.ts"
import { isObject } from "../base/json.ts"
import { readRegularFile } from "../config/regular-file.ts"

const MAX_BYTES = 1024 * 1024

export interface DeviceIdentity {
  deviceId: string
  publicKeyPem: string
  privateKeyPem: string
}

export interface JoinedGateway {
  token: string
  role: string
  scopes: string[]
  joinedAtMs: number
}

interface Signed {
  clientId: string
  clientMode: string
  role: string
  scopes: readonly string[]
  token: string
  platform: string
}

function placeOf(home: string, name: string): string {
  return join(home, "identity", name)
}

function read(path: string): Record<string, unknown> | undefined {
  const file = readRegularFile(path, "The identity file", MAX_BYTES)
  if (!file) return undefined
  const me = process.getuid?.()
  if (process.platform !== "win32" && ((file.mode & 0o077) !== 0 || (me !== undefined && file.uid !== me)))
    throw new PincerError(
      "PERMISSION_DENIED",
      `${path} can be read by others or belongs to somebody else: run "chmod 600 ${path}", or remove it and pair anew`,
    )
  try {
    const value: unknown = JSON.parse(file.bytes.toString("utf8"))
    if (isObject(value)) return value
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `${path} is not readable as JSON: remove it and pair this machine anew`, {
      cause: error,
    })
  }
  throw new PincerError("INVALID_PARAMS", `${path} is not what it should be: remove it and pair this machine anew`)
}

/** Appears complete or not at all, readable for its owner only. */
function write(home: string, name: string, value: unknown): void {
  const path = placeOf(home, name)
  makeFolder(join(home, "identity"))
  const draft = `${path}.${process.pid}.next`
  try {
    writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600, flag: "wx" })
    renameSync(draft, path)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** The key of this home, made when there is none. */
export function deviceIdentity(home: string): DeviceIdentity {
  const found = read(placeOf(home, "device.json"))
  if (found) {
    const { privateKeyPem } = found
    if (typeof privateKeyPem === "string") return identityOf(privateKeyPem)
    throw new PincerError("INVALID_PARAMS", `${placeOf(home, "device.json")} holds no key: remove it and pair anew`)
  }
  const { privateKey } = generateKeyPairSync("ed25519")
  const identity = identityOf(privateKey.export({ type: "pkcs8", format: "pem" }).toString())
  write(home, "device.json", { version: 1, ...identity, createdAtMs: Date.now() })
  return identity
}

function rawOf(publicKeyPem: string): Buffer {
  return createPublicKey(publicKeyPem).export({ type: "spki", format: "der" }).subarray(-32)
}

function identityOf(privateKeyPem: string): DeviceIdentity {
  const publicKeyPem = createPublicKey(privateKeyPem).export({ type: "spki", format: "pem" }).toString()
  const deviceId = createHash("sha256").update(rawOf(publicKeyPem)).digest("hex")
  return { deviceId, publicKeyPem, privateKeyPem }
}

/** The `device` member of connect, signed over everything that it stands for (protocol §3.2, version 3). */
export function deviceClaim(identity: DeviceIdentity, signed: Signed, nonce: string): Record<string, unknown> {
  const signedAt = Date.now()
  const { clientId, clientMode, platform, role, scopes, token } = signed
  const fields = [identity.deviceId, clientId, clientMode, role, scopes.join(","), signedAt, token, nonce, platform, ""]
  const key = createPrivateKey(identity.privateKeyPem)
  return {
    id: identity.deviceId,
    publicKey: rawOf(identity.publicKeyPem).toString("base64url"),
    signature: sign(null, Buffer.from(["v3", ...fields].join("|")), key).toString("base64url"),
    signedAt,
    nonce,
  }
}

function joinedGateways(home: string): Record<string, JoinedGateway> {
  const found = read(placeOf(home, "gateways.json"))
  const gateways = found?.["gateways"]
  const known: Record<string, JoinedGateway> = {}
  if (!isObject(gateways)) return known
  for (const [url, entry] of Object.entries(gateways)) {
    if (!isObject(entry) || typeof entry["token"] !== "string") continue
    const { joinedAtMs, role, scopes, token } = entry
    known[url] = {
      token,
      role: typeof role === "string" ? role : "operator",
      scopes: Array.isArray(scopes) ? scopes.filter((one) => typeof one === "string") : [],
      joinedAtMs: typeof joinedAtMs === "number" ? joinedAtMs : 0,
    }
  }
  return known
}

/** What this home was given at this very address. */
export function joinedGateway(home: string, url: string): JoinedGateway | undefined {
  return joinedGateways(home)[addressOf(url)]
}

export function keepGateway(home: string, url: string, gateway: JoinedGateway): void {
  write(home, "gateways.json", { version: 1, gateways: { ...joinedGateways(home), [addressOf(url)]: gateway } })
}

/** wss and ws are two addresses: a token that came over the one is never shown over the other. */
function addressOf(url: string): string {
  return new URL(url).href.replace(/\/+$/, "")
}

// Device identities: Ed25519 keys that sign each connect (protocol §3.1, §3.2). Pure checks; nothing the device says about itself
// counts before its signature over this connection's nonce has been verified.
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto"
import { PincerError } from "../../base/errors.ts"

export interface DeviceClaim {
  id: string
  publicKey: string
  signature: string
  signedAt: number
  nonce?: string
}

export interface SignedFields {
  clientId: string
  clientMode: string
  role: string
  scopes: readonly string[]
  /** The credential that was sent along, or "". */
  token: string
  platform: string
  deviceFamily: string
}

/** DER prefix of an Ed25519 public key (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex")

function refuse(message: string, code: string, reason?: string): PincerError {
  return new PincerError("AUTH_REQUIRED", message, { details: { code, ...(reason ? { reason } : {}) } })
}

/** The 32 bytes of a public key given as base64url, base64 or PEM; undefined when it is none. */
export function rawKey(publicKey: string): Buffer | undefined {
  if (publicKey.includes("BEGIN PUBLIC KEY")) {
    try {
      const der = createPublicKey(publicKey).export({ type: "spki", format: "der" })
      return der.length === SPKI.length + 32 && der.subarray(0, SPKI.length).equals(SPKI)
        ? der.subarray(SPKI.length)
        : undefined
    } catch {
      // Not a key: the caller says so.
      return undefined
    }
  }
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(publicKey)) return undefined
  const raw = Buffer.from(publicKey, "base64url")
  return raw.length === 32 ? raw : undefined
}

/** A public key in both its forms. Throws AUTH_REQUIRED when it is none. */
export function publicKeyOf(publicKey: string): { raw: Buffer; der: Buffer } {
  const raw = rawKey(publicKey)
  if (!raw) throw refuse("device public key invalid", "DEVICE_AUTH_PUBLIC_KEY_INVALID")
  return { raw, der: Buffer.concat([SPKI, raw]) }
}

export function deviceIdOf(raw: Buffer): string {
  return createHash("sha256").update(raw).digest("hex")
}

/** The strings that may have been signed, newest version first; v1 only where there is no nonce. */
export function signedStrings(claim: DeviceClaim, fields: SignedFields): string[] {
  const { clientId, clientMode, role, scopes, token } = fields
  const common = [claim.id, clientId, clientMode, role, scopes.join(","), String(claim.signedAt), token]
  if (claim.nonce === undefined) return [["v1", ...common].join("|")]
  const lower = (text: string) => text.trim().replace(/[A-Z]/g, (c) => c.toLowerCase())
  return [
    ["v3", ...common, claim.nonce, lower(fields.platform), lower(fields.deviceFamily)].join("|"),
    ["v2", ...common, claim.nonce].join("|"),
  ]
}

/**
 * Throws AUTH_REQUIRED with the exact text and sub-code of protocol §2.4 unless the claim is this connection's own, fresh, and
 * signed by the key that its id names. `challenge`: when it was sent and its nonce.
 */
export function verifyDevice(
  claim: DeviceClaim,
  fields: SignedFields,
  challenge: { nonce: string; ts: number },
  options: { now: number; skewMs: number; local: boolean },
): void {
  const { raw, der } = publicKeyOf(claim.publicKey)
  if (claim.id !== deviceIdOf(raw)) throw refuse("device identity mismatch", "DEVICE_AUTH_DEVICE_ID_MISMATCH")
  const age = Math.min(Math.abs(options.now - claim.signedAt), Math.abs(challenge.ts - claim.signedAt))
  if (!(age <= options.skewMs))
    throw refuse("device signature expired", "DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale")
  if (claim.nonce === undefined && !options.local) throw refuse("device nonce required", "DEVICE_AUTH_NONCE_REQUIRED")
  if (claim.nonce !== undefined && claim.nonce !== challenge.nonce)
    throw refuse("device nonce mismatch", "DEVICE_AUTH_NONCE_MISMATCH")
  const key: KeyObject = createPublicKey({ key: der, format: "der", type: "spki" })
  const signature = Buffer.from(claim.signature, "base64url")
  const good =
    signature.length === 64 &&
    signedStrings(claim, fields).some((text) => verify(null, Buffer.from(text), key, signature))
  if (!good) throw refuse("device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID")
}

// Secrets are compared and stored as hashes only.
import { createHash, timingSafeEqual } from "node:crypto"

export function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest()
}

/** The hash under which a device token is stored. */
export function tokenHash(token: string): string {
  return sha256(token).toString("hex")
}

/** Hashing first makes lengths equal, so that neither length nor content shows in the time it takes. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(sha256(a), sha256(b))
}

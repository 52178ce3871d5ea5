// Ids: UUID version 7 (RFC 9562), so that ids sort by the time they were made.
import { randomBytes, randomFillSync } from "node:crypto"

// Random bytes are drawn in blocks: one system call serves 256 ids.
const pool = Buffer.alloc(4096)
let used = pool.length

/** A UUID version 7 for the given time (ms since 1970). */
export function uuid(now: number = Date.now()): string {
  if (used + 10 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const b = pool.subarray(used, used + 10)
  used += 10
  const time = now.toString(16).padStart(12, "0")
  const tail = b.toString("hex")
  const variant = ((b[2]! & 0x3f) | 0x80).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${tail.slice(1, 4)}-${variant}${tail.slice(6, 8)}-${tail.slice(8, 20)}`
}

/** A new secret: `bytes` random bytes as base64url without padding. */
export function secret(bytes = 32): string {
  return randomBytes(bytes).toString("base64url")
}

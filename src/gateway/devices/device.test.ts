import assert from "node:assert/strict"
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import { test } from "node:test"
import { PincerError } from "../../base/errors.ts"
import { type DeviceClaim, deviceIdOf, rawKey, type SignedFields, signedStrings, verifyDevice } from "./device.ts"

const keys = generateKeyPairSync("ed25519")
const raw = keys.publicKey.export({ type: "spki", format: "der" }).subarray(-32)
const id = createHash("sha256").update(raw).digest("hex")
const challenge = { nonce: "n-1", ts: 1_000_000 }
const options = { now: 1_000_500, skewMs: 120_000, local: true }
const fields: SignedFields = {
  clientId: "cli",
  clientMode: "cli",
  role: "operator",
  scopes: ["operator.write", "operator.read"],
  token: "secret",
  platform: " LINUX ",
  deviceFamily: "Linux",
}

const TEXTS = {
  v1: `v1|${id}|cli|cli|operator|operator.write,operator.read|1000000|secret`,
  v2: `v2|${id}|cli|cli|operator|operator.write,operator.read|1000000|secret|n-1`,
  v3: `v3|${id}|cli|cli|operator|operator.write,operator.read|1000000|secret|n-1|linux|linux`,
}

function claim(version: keyof typeof TEXTS, change: Partial<DeviceClaim> = {}): DeviceClaim {
  const signature = sign(null, Buffer.from(TEXTS[version]), keys.privateKey).toString("base64url")
  const nonce = version === "v1" ? {} : { nonce: "n-1" }
  return { id, publicKey: raw.toString("base64url"), signature, signedAt: 1_000_000, ...nonce, ...change }
}

function refusal(act: () => void): [string, unknown] {
  try {
    act()
  } catch (error) {
    assert.ok(error instanceof PincerError)
    return [error.message, error.details?.["code"]]
  }
  throw new assert.AssertionError({ message: "It was accepted" })
}

test("all three versions of the signed string are accepted where they may be", () => {
  for (const version of ["v1", "v2", "v3"] as const) verifyDevice(claim(version), fields, challenge, options)
  for (const version of ["v2", "v3"] as const)
    verifyDevice(claim(version), fields, challenge, { ...options, local: false })
})

test("the signed strings are byte for byte those of the protocol, newest first", () => {
  assert.deepEqual(signedStrings(claim("v3"), fields), [TEXTS.v3, TEXTS.v2])
  assert.deepEqual(signedStrings(claim("v1"), fields), [TEXTS.v1])
  const bare = { ...fields, scopes: [], token: "", platform: "", deviceFamily: "" }
  assert.equal(signedStrings(claim("v3"), bare)[0], `v3|${id}|cli|cli|operator||1000000||n-1||`)
})

test("a signature without nonce is for this machine only", () => {
  assert.deepEqual(
    refusal(() => verifyDevice(claim("v1"), fields, challenge, { ...options, local: false })),
    ["device nonce required", "DEVICE_AUTH_NONCE_REQUIRED"],
  )
})

test("changing any signed field after signing is refused", () => {
  const changes: Partial<SignedFields>[] = [
    { clientId: "gateway-client" },
    { clientMode: "ui" },
    { role: "node" },
    { scopes: ["operator.admin"] },
    { scopes: ["operator.read", "operator.write"] },
    { token: "other" },
  ]
  for (const version of ["v1", "v2", "v3"] as const)
    for (const change of changes)
      assert.deepEqual(
        refusal(() => verifyDevice(claim(version), { ...fields, ...change }, challenge, options)),
        ["device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID"],
        JSON.stringify(change),
      )
  for (const change of [{ platform: "macos" }, { deviceFamily: "Mac" }])
    assert.deepEqual(
      refusal(() => verifyDevice(claim("v3"), { ...fields, ...change }, challenge, options)),
      ["device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID"],
    )
})

test("another connection's nonce, an old time, a foreign id and broken keys are refused by their own words", () => {
  const cases: [DeviceClaim, string, string][] = [
    [claim("v2", { nonce: "n-2" }), "device nonce mismatch", "DEVICE_AUTH_NONCE_MISMATCH"],
    [claim("v2", { signedAt: 1_000_500 - 120_501 }), "device signature expired", "DEVICE_AUTH_SIGNATURE_EXPIRED"],
    [claim("v2", { signedAt: Number.NaN }), "device signature expired", "DEVICE_AUTH_SIGNATURE_EXPIRED"],
    [claim("v2", { id: "0".repeat(64) }), "device identity mismatch", "DEVICE_AUTH_DEVICE_ID_MISMATCH"],
    [claim("v2", { publicKey: "AAAA" }), "device public key invalid", "DEVICE_AUTH_PUBLIC_KEY_INVALID"],
    [
      claim("v2", { publicKey: "-----BEGIN PUBLIC KEY-----\nx" }),
      "device public key invalid",
      "DEVICE_AUTH_PUBLIC_KEY_INVALID",
    ],
    [claim("v2", { signature: "" }), "device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID"],
    [claim("v2", { signature: "A".repeat(86) }), "device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID"],
  ]
  for (const [wrong, message, code] of cases)
    assert.deepEqual(
      refusal(() => verifyDevice(wrong, fields, challenge, options)),
      [message, code],
    )
})

test("a key is read as base64url, base64 or PEM, and only when it is Ed25519", () => {
  assert.deepEqual(rawKey(raw.toString("base64url")), raw)
  assert.deepEqual(rawKey(raw.toString("base64")), raw)
  assert.deepEqual(rawKey(String(keys.publicKey.export({ type: "spki", format: "pem" }))), raw)
  const other = generateKeyPairSync("x25519").publicKey
  assert.equal(rawKey(String(other.export({ type: "spki", format: "pem" }))), undefined)
  assert.equal(deviceIdOf(raw), id)
})

// Codes by which a new device comes in without anybody at the gateway: eight letters for people, a one-time secret in a setup code for
// cameras. Guessing is bounded per guesser, per code and in all. A code gives what its maker held, once, for a while.
import { createPublicKey, randomBytes, verify } from "node:crypto"
import { PincerError } from "../../base/errors.ts"
import { secret } from "../../base/id.ts"
import type { DeviceCode, DeviceWish } from "../../store/device-rows.ts"
import { tokenHash } from "../access/digest.ts"
import { Limiter } from "../access/limiter.ts"
import { deviceIdOf, publicKeyOf } from "./device.ts"
import { type Decider, type DeviceDesk, mayGrant } from "./device-desk.ts"
import { accessOf } from "./device-views.ts"

export const CODE_TTL_MS = 60 * 60_000
export const SETUP_TTL_MS = 10 * 60_000
/** 32 letters: none of them looks like another. */
const LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
/** Wrong proofs for a right code, until it is withdrawn. */
const MAX_MISSES = 5
/** Wrong codes within an hour, from wherever, until all codes of eight letters are withdrawn. */
const MAX_GUESSES = 100
const GUESSES = { maxAttempts: 10, windowMs: 60_000, lockoutMs: 5 * 60_000 }

export interface CodeGrant {
  name?: string | undefined
  role: string
  scopes: readonly string[]
}

export interface Admission {
  code: DeviceCode
  token: string
}

export class DeviceCodeDesk {
  readonly #desk: DeviceDesk
  readonly #limiter: Limiter
  #guesses = { since: Number.NEGATIVE_INFINITY, count: 0 }

  constructor(desk: DeviceDesk) {
    this.#desk = desk
    this.#limiter = new Limiter(() => GUESSES, desk.ports.clock)
  }

  /** Eight letters for a person to type. */
  async initiate(grant: CodeGrant, decider: Decider): Promise<{ code: string; row: DeviceCode }> {
    mayGrant(decider, grant.role, grant.scopes)
    const code = [...randomBytes(8)].map((byte) => LETTERS[byte & 31]).join("")
    return { code, row: await this.#add("code", code, CODE_TTL_MS, grant, decider) }
  }

  /** A one-time secret for a setup code. */
  async setup(grant: CodeGrant, decider: Decider): Promise<{ bootstrapToken: string; row: DeviceCode }> {
    mayGrant(decider, grant.role, grant.scopes)
    const bootstrapToken = secret(32)
    this.#desk.ports.redactor.add(bootstrapToken)
    return { bootstrapToken, row: await this.#add("setup", bootstrapToken, SETUP_TTL_MS, grant, decider) }
  }

  #add(kind: DeviceCode["kind"], text: string, ttlMs: number, grant: CodeGrant, decider: Decider) {
    const { name = null, role, scopes } = grant
    const nonce = secret(16)
    const createdBy = decider.who
    return this.#desk.ports.codes.add({ kind, hash: hashOf(text), name, role, scopes, nonce, createdBy, ttlMs })
  }

  /** The open code that this text is. Throws AUTH_REQUIRED when there is none, RATE_LIMITED after too many guesses of `guesser`. */
  async find(text: string, guesser: string): Promise<DeviceCode> {
    const limited = this.#limiter.refusal(guesser)
    if (limited) throw limited
    const { clock, codes } = this.#desk.ports
    const found = await codes.byHash(hashOf(text))
    if (found && found.expiresAt > clock.now() && found.deliveredAt === null) return found
    this.#limiter.fail(guesser)
    await this.#guessed()
    throw new PincerError(
      "AUTH_REQUIRED",
      found
        ? "unauthorized: this pairing code was used or has expired: ask for another with `pincer device pair`"
        : "unauthorized: there is no such pairing code: check its letters, or ask for another with `pincer device pair`",
      { details: { code: "AUTH_BOOTSTRAP_TOKEN_INVALID", authReason: "bootstrap_token_invalid" } },
    )
  }

  async #guessed(): Promise<void> {
    const { clock, codes, log } = this.#desk.ports
    const now = clock.now()
    if (now - this.#guesses.since >= CODE_TTL_MS) this.#guesses = { since: now, count: 0 }
    this.#guesses.count += 1
    if (this.#guesses.count < MAX_GUESSES) return
    this.#guesses = { since: now, count: 0 }
    const withdrawn = await codes.withdraw({ kind: "code" })
    log.warn({ withdrawn }, "Somebody guesses pairing codes: all that were open are withdrawn")
  }

  /** The device has shown that it holds its key: it is let in with what the code gives. Throws AUTH_REQUIRED when another was quicker. */
  async redeem(code: DeviceCode, wish: Omit<DeviceWish, "role" | "scopes">): Promise<Admission> {
    const { codes } = this.#desk.ports
    const { name, role, scopes } = code
    if (!(await codes.spend(code.id, wish.deviceId)))
      throw new PincerError(
        "AUTH_REQUIRED",
        "unauthorized: this pairing code was used or has expired: ask for another",
        {
          details: { code: "AUTH_BOOTSTRAP_TOKEN_INVALID", authReason: "bootstrap_token_invalid" },
        },
      )
    const named = name === null ? {} : { displayName: name }
    const via = code.kind === "setup" ? "setup-code" : "code"
    await this.#desk.admit({ ...wish, ...named, role, scopes }, via, code.createdBy)
    return { code, token: await this.#desk.issue(wish.deviceId, role, scopes) }
  }

  /** The device was certainly told. */
  async delivered({ id, role, scopes }: DeviceCode, deviceId: string, deviceName?: string): Promise<void> {
    await this.#desk.ports.codes.delivered(id)
    this.#desk.onEvent("device.pair.setup.completed", {
      setupId: id,
      deviceId,
      ...(deviceName === undefined ? {} : { deviceName }),
      access: accessOf(role, scopes),
      ts: this.#desk.ports.clock.now(),
    })
  }

  /** It was let in and then gone before it could be told. */
  undelivered({ id, role, scopes }: DeviceCode, deviceId: string): void {
    const ts = this.#desk.ports.clock.now()
    const access = accessOf(role, scopes)
    this.#desk.onEvent("device.pair.setup.deliveryUncertain", { setupId: id, deviceId, access, ts })
  }

  /** `response`: the signature of the code's nonce by the device's key, base64url. Throws AUTH_REQUIRED. */
  async complete(
    input: { code: string; response: string; publicKey: string; deviceName?: string | undefined },
    guesser: string,
  ): Promise<Admission & { deviceId: string }> {
    const code = await this.find(input.code, guesser)
    const raw = publicKeyOf(input.publicKey)
    const signature = Buffer.from(input.response, "base64url")
    const key = createPublicKey({ key: raw.der, format: "der", type: "spki" })
    if (signature.length !== 64 || !verify(null, Buffer.from(code.nonce), key, signature)) {
      this.#limiter.fail(guesser)
      await this.#desk.ports.codes.miss(code.id, MAX_MISSES)
      throw new PincerError("AUTH_REQUIRED", "device signature invalid", {
        details: { code: "DEVICE_AUTH_SIGNATURE_INVALID" },
      })
    }
    const deviceId = deviceIdOf(raw.raw)
    const self = input.deviceName === undefined ? {} : { displayName: input.deviceName }
    const admission = await this.redeem(code, { deviceId, publicKey: raw.raw.toString("base64url"), ...self })
    await this.delivered(code, deviceId, code.name ?? input.deviceName)
    return { ...admission, deviceId }
  }
}

/** People type small letters, spaces and dashes; long secrets are taken as they are. */
function hashOf(text: string): string {
  const letters = text.replace(/[\s-]/g, "").toUpperCase()
  return letters.length === 8 ? tokenHash(`code:${letters}`) : tokenHash(`setup:${text}`)
}

// What the audit keeps outside its database, so that a cut-off tail or an older copy is noticed: the number and hash of a late record,
// signed with a key beside it (both 0600). The anchor may lag behind the database, never lead it.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { closeSync, fchmodSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import { canonicalJson, isObject } from "../base/json.ts"
import type { ChainLink } from "./audit-chain.ts"

/** Something that was found wrong and stays on record until it is pruned. */
export interface Flaw {
  at: number
  firstBad: number
  reason: string
}

export interface Anchor {
  head: ChainLink
  /** ms since 1970. */
  at: number
  flaws: readonly Flaw[]
}

export type AnchorState =
  | { type: "absent" }
  | { type: "good"; anchor: Anchor }
  /** `reason`: a sentence. */
  | { type: "bad"; reason: string }

const KEY_BYTES = 32

export class AnchorFile {
  readonly path: string
  readonly keyPath: string
  #key: Buffer | undefined

  constructor(home: string) {
    this.path = join(home, "audit.anchor")
    this.keyPath = join(home, "audit.key")
  }

  read(): AnchorState {
    const text = readIfThere(this.path)
    if (text === undefined) return { type: "absent" }
    const key = this.#readKey()
    if (!key) return { type: "bad", reason: `The key ${this.keyPath} that signs the audit's anchor is missing` }
    return parseAnchor(text.toString("utf8"), key, this.path)
  }

  /** Replaces the anchor; it appears complete or not at all. Makes the key when there is none. */
  write(anchor: Anchor): void {
    const body = { version: 1, ...anchor }
    const mac = this.sign(body)
    replaceFile(this.path, `${JSON.stringify({ ...body, mac })}\n`)
  }

  /** The signature of any JSON value under this home's key. */
  sign(value: unknown): string {
    return macOf(value, this.#readKey() ?? this.#makeKey())
  }

  /** Whether the signature is this home's. False when there is no key. */
  signed(value: unknown, mac: string): boolean {
    const key = this.#readKey()
    return key !== undefined && sameText(macOf(value, key), mac)
  }

  #readKey(): Buffer | undefined {
    if (this.#key) return this.#key
    const key = readIfThere(this.keyPath)
    if (key?.length === KEY_BYTES) this.#key = key
    return this.#key
  }

  #makeKey(): Buffer {
    const key = randomBytes(KEY_BYTES)
    replaceFile(this.keyPath, key)
    this.#key = key
    return key
  }
}

function parseAnchor(text: string, key: Buffer, path: string): AnchorState {
  const bad: AnchorState = { type: "bad", reason: `The audit's anchor ${path} was changed: its signature does not fit` }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return bad
    throw error
  }
  if (!isObject(value)) return bad
  const { mac, ...body } = value
  if (typeof mac !== "string" || !sameText(macOf(body, key), mac)) return bad
  const { at, flaws, head } = body as unknown as Anchor
  return { type: "good", anchor: { at, flaws, head } }
}

function macOf(value: unknown, key: Buffer): string {
  return createHmac("sha256", key).update(canonicalJson(value)).digest("hex")
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}

function replaceFile(path: string, content: string | Buffer): void {
  const draft = `${path}.${process.pid}.tmp`
  try {
    const fd = openSync(draft, "w", 0o600)
    try {
      fchmodSync(fd, 0o600)
      writeSync(fd, content as string)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

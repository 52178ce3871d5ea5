// A backup closed with a passphrase: one line that says how (in clear), then AES-256-GCM under a key from scrypt, then the tag. The
// line is authenticated too. Nothing that was opened may be used before the tag was found right.
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto"
import { createReadStream } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { type Readable, Transform } from "node:stream"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"

const MAGIC = "PINCER-SEALED-BACKUP "
const TAG_BYTES = 16
const MAX_LINE = 4096
const COST = { N: 2 ** 17, r: 8, p: 1 }
const MAX_COST = 2 ** 20
export const MIN_PASSPHRASE = 8

/** What can be known of a sealed backup without its passphrase. */
export interface SealedFacts {
  createdAt: string
  pincer: string
  schema: number | null
}

interface Seal extends SealedFacts {
  salt: Buffer
  iv: Buffer
  cost: typeof COST
  /** The line as it stands in the file. */
  line: Buffer
}

/** Refuses a passphrase that would protect nothing. */
export function checkPassphrase(passphrase: string): void {
  if (passphrase.length >= MIN_PASSPHRASE) return
  throw new PincerError(
    "INVALID_PARAMS",
    `The passphrase is shorter than ${MIN_PASSPHRASE} characters: use a longer one`,
  )
}

/** Seals what is written to it. */
export async function sealing(passphrase: string, facts: SealedFacts): Promise<Transform> {
  const salt = randomBytes(16)
  const iv = randomBytes(12)
  const said = { version: 1, ...facts, ...COST, salt: salt.toString("base64"), iv: iv.toString("base64") }
  const line = Buffer.from(`${MAGIC}${JSON.stringify(said)}\n`)
  const cipher = createCipheriv("aes-256-gcm", await keyOf(passphrase, salt, COST), iv)
  cipher.setAAD(line)
  let begun = false
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (!begun) this.push(line)
      begun = true
      done(null, cipher.update(chunk))
    },
    flush(done) {
      if (!begun) this.push(line)
      this.push(cipher.final())
      done(null, cipher.getAuthTag())
    },
  })
}

/** What the file says of itself, or undefined when it is not sealed. */
export async function sealOf(path: string): Promise<SealedFacts | undefined> {
  return readSeal(path)
}

/** The content of a sealed file as a stream that ends with an error unless the passphrase and every byte are right. */
export async function unsealing(path: string, passphrase: string): Promise<Readable> {
  const seal = await readSeal(path)
  if (!seal) throw new PincerError("INVALID_PARAMS", `${path} is not sealed`)
  const { size, tag } = await lastBytes(path)
  if (size < seal.line.length + TAG_BYTES) throw wrong(path)
  const decipher = createDecipheriv("aes-256-gcm", await keyOf(passphrase, seal.salt, seal.cost), seal.iv)
  decipher.setAAD(seal.line)
  decipher.setAuthTag(tag)
  const opened = new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(null, decipher.update(chunk)),
    flush(done) {
      try {
        done(null, decipher.final())
      } catch {
        done(wrong(path))
      }
    },
  })
  const end = size - TAG_BYTES - 1
  // A file without content: the stream's end would lie before its start.
  if (end < seal.line.length) opened.end()
  else
    createReadStream(path, { start: seal.line.length, end })
      .on("error", (error) => opened.destroy(error))
      .pipe(opened)
  return opened
}

function wrong(path: string): PincerError {
  return new PincerError(
    "PERMISSION_DENIED",
    `${path} cannot be opened: the passphrase is wrong, or the file was changed`,
  )
}

async function readSeal(path: string): Promise<Seal | undefined> {
  const file = await open(path, "r")
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_LINE), 0, MAX_LINE, 0)
    const head = buffer.subarray(0, bytesRead)
    if (!head.subarray(0, MAGIC.length).equals(Buffer.from(MAGIC))) return undefined
    const end = head.indexOf(10)
    if (end < 0) throw wrong(path)
    return decode(head.subarray(0, end + 1), path)
  } finally {
    await file.close()
  }
}

function decode(line: Buffer, path: string): Seal {
  let value: unknown
  try {
    value = JSON.parse(line.toString("utf8", MAGIC.length))
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong(path)
    throw error
  }
  if (!isObject(value) || value["version"] !== 1)
    throw new PincerError("INVALID_PARAMS", `${path} was sealed by a newer Pincer: install that one to read it`)
  const { N, r, p, salt, iv, createdAt, pincer, schema } = value
  if (![N, r, p].every((one) => typeof one === "number" && Number.isInteger(one) && one > 0)) throw wrong(path)
  const cost = { N: Number(N), r: Number(r), p: Number(p) }
  if (cost.N > MAX_COST || cost.r > 32 || cost.p > 16) throw wrong(path)
  return {
    createdAt: String(createdAt),
    pincer: String(pincer),
    schema: typeof schema === "number" ? schema : null,
    salt: Buffer.from(String(salt), "base64"),
    iv: Buffer.from(String(iv), "base64"),
    cost,
    line,
  }
}

async function lastBytes(path: string): Promise<{ size: number; tag: Buffer }> {
  const file: FileHandle = await open(path, "r")
  try {
    const { size } = await file.stat()
    const tag = Buffer.alloc(TAG_BYTES)
    await file.read(tag, 0, TAG_BYTES, Math.max(0, size - TAG_BYTES))
    return { size, tag }
  } finally {
    await file.close()
  }
}

function keyOf(passphrase: string, salt: Buffer, cost: typeof COST): Promise<Buffer> {
  const maxmem = 2 * 128 * cost.N * cost.r
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize("NFKC"), salt, 32, { ...cost, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

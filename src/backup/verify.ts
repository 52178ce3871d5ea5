// Reads a backup as a stranger would: unpacks only plain files that its manifest names, compares each with its size and SHA-256, and
// looks through the database in it. Nothing of the home is touched.
import { createReadStream } from "node:fs"
import { chmod, mkdir, readdir, readFile, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGunzip } from "node:zlib"
import { asPincerError, PincerError } from "../base/errors.ts"
import { reason } from "../config/regular-file.ts"
import { SCHEMA } from "../store/migrations/index.ts"
import { type DatabaseFacts, examineCopy } from "../store/snapshot.ts"
import { DATABASE } from "./contents.ts"
import { digestOf } from "./digest.ts"
import { MANIFEST, type Manifest, parseManifest } from "./manifest.ts"
import { sealOf, unsealing } from "./seal.ts"

export interface Verified {
  ok: boolean
  /** Sentences; empty when all is well. */
  problems: string[]
  manifest?: Manifest
  database?: DatabaseFacts
}

export interface ReadOptions {
  passphrase?: string
  /** A folder that is not there yet, for what is unpacked. */
  scratch: string
}

const MAX_MANIFEST = 64 * 1024 * 1024
const GZIP = Buffer.from([0x1f, 0x8b])

/** Unpacks and checks a backup, then removes what it unpacked. Throws only when the file cannot be read or opened. */
export async function verifyBackup(path: string, options: ReadOptions): Promise<Verified> {
  try {
    const { manifest, problems, database } = await unpackBackup(path, options)
    return { ok: problems.length === 0, problems, manifest, ...(database ? { database } : {}) }
  } catch (error) {
    const { code, message } = asPincerError(error)
    if (code !== "INVALID_PARAMS" || !(error instanceof PincerError)) throw error
    return { ok: false, problems: [message] }
  } finally {
    await rm(options.scratch, { recursive: true, force: true })
  }
}

export interface Unpacked {
  manifest: Manifest
  problems: string[]
  database?: DatabaseFacts
  /** The folder that stands for the home. */
  home: string
}

/**
 * Unpacks a backup into `scratch` and says what is wrong with it. Throws NOT_FOUND, AUTH_REQUIRED when it is sealed and no passphrase
 * was given, PERMISSION_DENIED when the passphrase is wrong, INVALID_PARAMS when it is no backup.
 */
export async function unpackBackup(path: string, { passphrase, scratch }: ReadOptions): Promise<Unpacked> {
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  await extract(path, passphrase, scratch)
  const manifest = await manifestIn(scratch, path)
  const home = join(scratch, "home")
  const problems = await compare(home, manifest)
  const database = manifest.schema === null ? undefined : examineCopy(join(home, DATABASE))
  if (database) {
    for (const flaw of database.flaws) problems.push(`${DATABASE}: ${flaw}`)
    if (database.schema !== manifest.schema)
      problems.push(`${DATABASE} has schema ${database.schema}, the manifest says ${manifest.schema}`)
    if (database.schema > SCHEMA)
      problems.push(`${DATABASE} has schema ${database.schema}, this Pincer knows ${SCHEMA}: install the newer Pincer`)
  }
  return { manifest, problems, home, ...(database ? { database } : {}) }
}

/** The manifest alone; undefined for a sealed backup. Throws NOT_FOUND, INVALID_PARAMS. */
export async function readManifest(path: string): Promise<Manifest | undefined> {
  if (await sealOf(path)) return undefined
  const { createTarDecoder } = await import("modern-tar")
  const source = await content(path, undefined)
  try {
    const entries = Readable.toWeb(Readable.from(source)).pipeThrough(createTarDecoder())
    for await (const entry of entries) {
      if (entry.header.name !== MANIFEST || entry.header.size > MAX_MANIFEST) break
      return parseManifest(await new Response(entry.body).text(), path)
    }
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw noBackup(path, error)
  } finally {
    source.destroy()
  }
  throw noBackup(path)
}

function noBackup(path: string, cause?: unknown): PincerError {
  const why = cause === undefined ? `it does not begin with ${MANIFEST}` : reason(cause)
  return new PincerError("INVALID_PARAMS", `${path} is not a whole backup of Pincer: ${why}`, { cause })
}

/** The tar stream in a file. */
async function content(path: string, passphrase: string | undefined): Promise<Readable> {
  const facts = await stat(path).catch(() => undefined)
  if (!facts) throw new PincerError("NOT_FOUND", `${path} does not exist: "pincer backup list" shows what there is`)
  if (!facts.isFile()) throw new PincerError("INVALID_PARAMS", `${path} is not a file`)
  const sealed = await sealOf(path)
  if (sealed && passphrase === undefined)
    throw new PincerError(
      "AUTH_REQUIRED",
      `${path} is sealed: give its passphrase (asked for on a terminal, or PINCER_BACKUP_PASSPHRASE, or --passphrase-file)`,
    )
  if (!sealed && !(await startsAsGzip(path))) throw noBackup(path, new Error("it is not a gzip file"))
  const bytes: Readable =
    sealed && passphrase !== undefined ? await unsealing(path, passphrase) : createReadStream(path)
  const unzipped = createGunzip()
  bytes.on("error", (error) => unzipped.destroy(error))
  bytes.pipe(unzipped)
  return unzipped
}

async function startsAsGzip(path: string): Promise<boolean> {
  for await (const chunk of createReadStream(path, { end: 1 }) as AsyncIterable<Buffer>) return chunk.equals(GZIP)
  return false
}

async function extract(path: string, passphrase: string | undefined, scratch: string): Promise<void> {
  const { unpackTar } = await import("modern-tar/fs")
  const strange: string[] = []
  const filter = (header: { name: string; type?: string | undefined }) => {
    const plain = header.type === undefined || header.type === "file"
    const known = header.name === MANIFEST || header.name.startsWith("home/")
    if (!plain || !known) strange.push(header.name)
    return plain && known
  }
  const tar = await content(path, passphrase)
  try {
    await pipeline(tar, unpackTar(scratch, { filter, fmode: 0o600, dmode: 0o700, maxDepth: 128 }))
  } catch (error) {
    if (error instanceof PincerError || reason(error) === "ENOSPC") throw error
    // A wrong passphrase shows as a broken archive before the end of the stream tells why.
    if (passphrase !== undefined && (await sealOf(path))) throw await whyNotOpened(path, passphrase, error)
    throw noBackup(path, error)
  }
  if (strange.length > 0) throw noBackup(path, new Error(`it holds ${strange[0]}, which no backup holds`))
}

/** Reads a sealed file to its end, so that its tag decides whether the passphrase or the archive is wrong. */
async function whyNotOpened(path: string, passphrase: string, error: unknown): Promise<unknown> {
  try {
    for await (const _ of await unsealing(path, passphrase));
  } catch (wrong) {
    return wrong
  }
  return noBackup(path, error)
}

async function manifestIn(scratch: string, path: string): Promise<Manifest> {
  const file = join(scratch, MANIFEST)
  const facts = await stat(file).catch(() => undefined)
  if (!facts) throw noBackup(path)
  if (facts.size > MAX_MANIFEST) throw new PincerError("TOO_LARGE", `${path}: its manifest is too large`)
  return parseManifest(await readFile(file, "utf8"), path)
}

/** What differs from the manifest. Files get the permissions that it says, never more than the owner had. */
async function compare(home: string, manifest: Manifest): Promise<string[]> {
  const problems: string[] = []
  const present = new Set(await filesIn(home))
  for (const { path, bytes, sha256, mode } of manifest.files) {
    if (!present.delete(path)) {
      problems.push(`${path} is missing`)
      continue
    }
    const found = await digestOf(join(home, path))
    if (found.bytes !== bytes || found.sha256 !== sha256) problems.push(`${path} is not as it was`)
    await chmod(join(home, path), mode & 0o777)
  }
  for (const path of present) problems.push(`${path} is not in the manifest`)
  return problems
}

async function filesIn(home: string): Promise<string[]> {
  if (!(await stat(home).catch(() => undefined))) return []
  const entries = await readdir(home, { recursive: true, withFileTypes: true })
  const depth = home.length + 1
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(depth).replaceAll("\\", "/"))
}

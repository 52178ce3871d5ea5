// Makes a backup: files are copied first, so that they hold still, the database last (the anchor of the audit may lag behind it, never
// lead), then packed, sealed if so asked, and read back whole before it gets its name.
import { constants, createWriteStream } from "node:fs"
import { chmod, copyFile, lstat, mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import type { Readable, Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import { PincerError } from "../base/errors.ts"
import { makeFolder } from "../base/folder.ts"
import { uuid } from "../base/id.ts"
import { readConfigFile } from "../config/load.ts"
import { redactText } from "../config/redact.ts"
import { reason } from "../config/regular-file.ts"
import { snapshotDatabase } from "../store/snapshot.ts"
import { CONFIG, contentsOf, DATABASE, type Kind, kindOf, topOf } from "./contents.ts"
import { digestOf } from "./digest.ts"
import { type BackupFile, MANIFEST, type Manifest } from "./manifest.ts"
import { checkPassphrase, sealing } from "./seal.ts"
import { type Verified, verifyBackup } from "./verify.ts"

export interface CreateOptions {
  home: string
  /** The config file, wherever it lies. */
  config: string
  /** Where backups are kept. */
  folder: string
  /** A file to write instead of one with a made-up name in the folder. */
  output?: string
  secrets: boolean
  workspace: boolean
  passphrase?: string
  /** Version of this Pincer. */
  pincer: string
  /** ms since 1970. */
  now: number
}

export interface Created {
  path: string
  bytes: number
  manifest: Manifest
  verified: Verified
}

const DRAFT_MS = 86_400_000

/** Makes and verifies a backup. Throws NOT_FOUND when there is nothing to back up, ALREADY_EXISTS, UNAVAILABLE; then no file is left. */
export async function createBackup(options: CreateOptions): Promise<Created> {
  if (options.passphrase !== undefined) checkPassphrase(options.passphrase)
  const target = options.output ?? (await freeName(options))
  if (options.output !== undefined && (await exists(target)))
    throw new PincerError("ALREADY_EXISTS", `${target} is there already: choose another name`)
  const staging = join(dirname(target), `.${basename(target)}-${uuid()}`)
  try {
    makeFolder(dirname(target))
    await clearDrafts(dirname(target), options.now)
    await mkdir(staging, { mode: 0o700 })
    const manifest = await stage(options, staging)
    await pack(options, manifest, staging, `${target}.partial`)
    const given = options.passphrase === undefined ? {} : { passphrase: options.passphrase }
    const verified = await verifyBackup(`${target}.partial`, { scratch: join(staging, "read-back"), ...given })
    if (!verified.ok)
      throw new PincerError("UNAVAILABLE", `The backup could not be read back: ${verified.problems.join("; ")}`)
    await rename(`${target}.partial`, target)
    return { path: target, bytes: (await stat(target)).size, manifest, verified }
  } catch (error) {
    await rm(`${target}.partial`, { force: true })
    throw notMade(target, error)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** What a backup left behind that was killed; one that is being made is younger. */
async function clearDrafts(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^\.pincer-backup-.*-[0-9a-f]{12}$|^pincer-backup-.*\.partial$/.test(name)) continue
    const facts = await lstat(join(folder, name)).catch(() => undefined)
    if (facts && now - facts.mtimeMs > DRAFT_MS) await rm(join(folder, name), { recursive: true, force: true })
  }
}

function notMade(target: string, error: unknown): unknown {
  if (error instanceof PincerError) return error
  const why = reason(error)
  const next = why === "ENOSPC" ? ": make room there, or name another file with --output" : ""
  return new PincerError("UNAVAILABLE", `Cannot write the backup ${target}: ${why}${next}`, {
    cause: error,
    retryable: false,
  })
}

async function freeName({ folder, now, passphrase }: CreateOptions): Promise<string> {
  const at = new Date(now).toISOString().replaceAll(/[-:]/g, "").replace("T", "-").slice(0, 15)
  const ending = passphrase === undefined ? "tar.gz" : "tar.gz.sealed"
  for (let count = 1; ; count++) {
    const path = join(folder, `pincer-backup-${at}${count === 1 ? "" : `-${count}`}.${ending}`)
    if (!(await exists(path))) return path
  }
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined
}

/** Copies everything to the staging folder and describes it. */
async function stage(options: CreateOptions, staging: string): Promise<Manifest> {
  const { home, folder, now, pincer, secrets, workspace } = options
  if (!(await exists(home))) throw nothing(home)
  const { files, folders, links, left } = await contentsOf(home, [
    folder,
    staging,
    ...(options.output ? [options.output] : []),
  ])
  const isWanted = (kind: Kind) => (kind === "secret" ? secrets : kind === "workspace" ? workspace : true)
  const wanted = files.filter(({ kind }) => isWanted(kind))
  await checkRoom(home, wanted, staging)
  const described: BackupFile[] = []
  for (const { path, mode } of wanted) {
    const copy = await copyInto(join(home, path), join(staging, path))
    if (copy) described.push({ path, mode, ...copy })
  }
  const config = await stageConfig(options, staging)
  if (config) described.push(config)
  const schema = await stageDatabase(home, staging, described)
  if (described.length === 0) throw nothing(home)
  return {
    format: "pincer-backup",
    version: 1,
    createdAt: new Date(now).toISOString(),
    pincer,
    node: process.versions.node,
    home,
    schema,
    secrets,
    workspace,
    files: described,
    links: links.filter(({ path }) => isWanted(kindOf(topOf(path)))),
    folders: folders.filter((path) => isWanted(kindOf(topOf(path)))),
    left,
  }
}

function nothing(home: string): PincerError {
  return new PincerError("NOT_FOUND", `There is nothing to back up in ${home}: no gateway has run there yet`, {
    details: { code: "no_data" },
  })
}

/** Refuses before a disk is filled: copies, archive and what is read back lie there for a moment. */
async function checkRoom(home: string, files: readonly { path: string }[], staging: string): Promise<void> {
  let bytes = 0
  for (const path of [DATABASE, ...files.map((file) => file.path)])
    bytes += (await stat(join(home, path)).catch(() => undefined))?.size ?? 0
  const { bavail, bsize } = await statfs(staging)
  if (bavail * bsize > bytes * 3) return
  const [needs, has] = [bytes * 3, bavail * bsize].map((count) => `${Math.ceil(count / 1_000_000)} MB`)
  throw new PincerError(
    "UNAVAILABLE",
    `A backup needs about ${needs} at ${dirname(staging)} while it is made, and ${has} are free: make room there, or name another file with --output`,
    { retryable: false },
  )
}

/** Undefined when the file went away meanwhile. */
async function copyInto(from: string, to: string): Promise<{ bytes: number; sha256: string } | undefined> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE)
  } catch (error) {
    if (reason(error) === "ENOENT") return undefined
    throw error
  }
  await chmod(to, 0o600)
  return digestOf(to)
}

/** The configuration as it stands, or with its secrets masked. */
async function stageConfig({ config, secrets }: CreateOptions, staging: string): Promise<BackupFile | undefined> {
  const file = readConfigFile(config)
  if (!file) return undefined
  const to = join(staging, CONFIG)
  await writeFile(to, secrets ? file.text : redactText(file.text), { mode: 0o600 })
  return { path: CONFIG, mode: 0o600, ...(await digestOf(to)) }
}

async function stageDatabase(home: string, staging: string, described: BackupFile[]): Promise<number | null> {
  const from = join(home, DATABASE)
  if (!(await exists(from))) return null
  const to = join(staging, DATABASE)
  const { schema } = await snapshotDatabase(from, to)
  described.push({ path: DATABASE, mode: 0o600, ...(await digestOf(to)) })
  return schema
}

async function pack(options: CreateOptions, manifest: Manifest, staging: string, draft: string): Promise<void> {
  const { packTar } = await import("modern-tar/fs")
  const mtime = new Date(options.now)
  const text = `${JSON.stringify(manifest, null, 1)}\n`
  const tar: Readable = packTar([
    { type: "content", content: text, target: MANIFEST, mode: 0o600, mtime },
    ...manifest.files.map(({ path, mode }) => ({
      type: "file" as const,
      source: join(staging, path),
      target: `home/${path}`,
      mode,
      mtime,
      uid: 0,
      gid: 0,
    })),
  ])
  const { createdAt, pincer, schema } = manifest
  const steps: Transform[] = [createGzip()]
  if (options.passphrase !== undefined) steps.push(await sealing(options.passphrase, { createdAt, pincer, schema }))
  await pipeline([tar, ...steps, createWriteStream(draft, { mode: 0o600, flags: "wx" })])
  const file = await open(draft, "r")
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

// Puts a backup back. All of it is unpacked and checked beside the home first; then one file, restore.json, says what goes where. From the
// moment that file is there the restore will be finished, by this process or by the next start of a gateway; before, nothing has
// happened. What is replaced is kept in before-restore/.
import { existsSync } from "node:fs"
import { cp, mkdir, open, readdir, rm, stat, symlink, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import { claimHome } from "../config/gateway-file.ts"
import { reason } from "../config/regular-file.ts"
import { SCHEMA } from "../store/migrations/index.ts"
import { examineCopy } from "../store/snapshot.ts"
import { CONFIG, DATABASE, isDatabase, isKept, kindOf, topOf } from "./contents.ts"
import type { Manifest } from "./manifest.ts"
import {
  finishRestore,
  JOURNAL,
  type Move,
  type RestoreJournal,
  type RestorePoint,
  writeJournal,
} from "./restore-journal.ts"
import { unmask } from "./unmask.ts"
import { unpackBackup } from "./verify.ts"

export interface RestoreOptions {
  /** A backup, a copy of the database from before a change of schema, or a folder that an earlier restore put aside. */
  from: string
  home: string
  /** The config file, wherever it lies. */
  config: string
  passphrase?: string
  /** ms since 1970. */
  now: number
  /** Told each point between two facts: where crash tests kill the process. */
  reached?(point: RestorePoint): void
}

export interface RestoreOutcome {
  /** Names at the top of the home that were replaced. */
  replaced: string[]
  /** Where what was there before is. */
  aside: string
  /** Keys of the configuration whose secrets were not in the backup and must be set again. */
  missing: string[]
  manifest?: Manifest
}

/** What is to be put in place, unpacked and checked. */
interface Staged {
  /** The folder that stands for the home. */
  folder: string
  /** Names at the top of the home to put aside. */
  replaces: (name: string) => boolean
  missing: string[]
  manifest?: Manifest
}

/**
 * Restores. Throws CONFLICT while a gateway runs on the home, INVALID_PARAMS when the backup is damaged or from a newer Pincer: then
 * nothing has changed.
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreOutcome> {
  const { home, now, reached } = options
  await finishRestore(home)
  const claim = claimHome(home)
  const id = `${new Date(now).toISOString().replaceAll(/[-:]/g, "").replace("T", "-").slice(0, 15)}-${uuid(now).slice(-6)}`
  const scratch = join(home, `restore-${id}`)
  try {
    await clearDrafts(home)
    const staged = await stage(options, scratch)
    reached?.("staged")
    await syncTree(scratch)
    const aside = join(home, "before-restore", id)
    const journal: RestoreJournal = {
      version: 1,
      id,
      from: options.from,
      at: now,
      moves: await movesFor(options, staged, aside),
    }
    await mkdir(aside, { recursive: true, mode: 0o700 })
    await writeJournal(home, journal)
    reached?.("journalled")
    await finishRestore(home, { claimed: true, ...(reached ? { reached } : {}) })
    const { manifest, missing } = staged
    const replaced = journal.moves
      .filter(({ staged: name }) => name !== undefined)
      .map(({ target }) => basename(target))
    return { replaced, aside, missing, ...(manifest ? { manifest } : {}) }
  } catch (error) {
    if (!existsSync(join(home, JOURNAL))) await rm(scratch, { recursive: true, force: true })
    throw notRestored(error, home)
  } finally {
    claim.release()
  }
}

/** What the journal promises is on disk before it. */
async function syncTree(folder: string): Promise<void> {
  if (process.platform === "win32") return
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() && !entry.isDirectory()) continue
    const file = await open(join(entry.parentPath, entry.name), "r")
    await file.sync().finally(() => file.close())
  }
}

function notRestored(error: unknown, home: string): unknown {
  if (error instanceof PincerError) return error
  const why = reason(error)
  const next = why === "ENOSPC" ? ": make room there and try again" : ""
  return new PincerError("UNAVAILABLE", `The backup cannot be restored to ${home}: ${why}${next}`, {
    cause: error,
    retryable: false,
  })
}

/** What an attempt left that was killed before anything happened. */
async function clearDrafts(home: string): Promise<void> {
  for (const name of await readdir(home))
    if (/^restore-\d{8}-/.test(name)) await rm(join(home, name), { recursive: true, force: true })
}

async function stage(options: RestoreOptions, scratch: string): Promise<Staged> {
  const facts = await stat(options.from).catch(() => undefined)
  if (facts?.isDirectory()) return stageFolder(options.from, scratch)
  if (facts && options.from.endsWith(".db")) return stageDatabase(options.from, scratch)
  return stageArchive(options, scratch)
}

async function stageArchive({ from, passphrase, config }: RestoreOptions, scratch: string): Promise<Staged> {
  const given = passphrase === undefined ? {} : { passphrase }
  const { manifest, problems, home } = await unpackBackup(from, { scratch, ...given })
  if (problems.length > 0)
    throw new PincerError("INVALID_PARAMS", `${from} is not restored: ${problems.slice(0, 5).join("; ")}`, {
      details: { problems: problems.slice(0, 100) },
    })
  await mkdir(home, { recursive: true, mode: 0o700 })
  for (const path of manifest.folders) await mkdir(join(home, path), { recursive: true, mode: 0o700 })
  for (const { path, target } of manifest.links) {
    await mkdir(dirname(join(home, path)), { recursive: true, mode: 0o700 })
    await symlink(target, join(home, path))
  }
  const missing = manifest.secrets ? [] : await unmask(join(home, CONFIG), config)
  const inBackup = new Set(
    [...[...manifest.files, ...manifest.links].map(({ path }) => path), ...manifest.folders].map(topOf),
  )
  const replaces = (name: string) => {
    if (inBackup.has(name)) return true
    if (isDatabase(name)) return manifest.schema !== null
    // What a backup without secrets or without workspaces could not hold stays.
    return kindOf(name) === "workspace" ? manifest.workspace : manifest.secrets
  }
  return { folder: home, replaces, missing, manifest }
}

/** A bare database: everything else stays. */
async function stageDatabase(from: string, scratch: string): Promise<Staged> {
  checkDatabase(from)
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  await cp(from, join(scratch, DATABASE))
  // The anchor of the audit stays: that later records are gone must be seen.
  return { folder: scratch, replaces: isDatabase, missing: [] }
}

async function stageFolder(from: string, scratch: string): Promise<Staged> {
  const names = (await readdir(from)).filter((name) => isKept(name))
  if (names.length === 0) throw new PincerError("INVALID_PARAMS", `${from} holds nothing that could be put back`)
  if (names.includes(DATABASE) && !names.includes(`${DATABASE}-wal`)) checkDatabase(join(from, DATABASE))
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  for (const name of names)
    await cp(join(from, name), join(scratch, name), {
      recursive: true,
      verbatimSymlinks: true,
      preserveTimestamps: true,
    })
  const present = new Set(names)
  const replaces = (name: string) => present.has(name) || (present.has(DATABASE) && isDatabase(name))
  return { folder: scratch, replaces, missing: [] }
}

function checkDatabase(path: string): void {
  const { flaws, schema } = examineCopy(path)
  if (flaws.length > 0) throw new PincerError("INVALID_PARAMS", `${path} is damaged: ${flaws.slice(0, 3).join("; ")}`)
  if (schema > SCHEMA)
    throw new PincerError(
      "INVALID_PARAMS",
      `${path} has schema ${schema}, this Pincer knows ${SCHEMA}: install the newer Pincer`,
    )
}

/** One move for every name at the top: out with what is there, in with what was unpacked. */
async function movesFor({ home, config }: RestoreOptions, staged: Staged, aside: string): Promise<Move[]> {
  const names = await readdir(staged.folder)
  const moves: Move[] = []
  for (const name of names) {
    if (name === CONFIG && config !== join(home, CONFIG)) continue
    moves.push({ staged: join(staged.folder, name), target: join(home, name), aside: join(aside, name) })
  }
  if (names.includes(CONFIG) && config !== join(home, CONFIG)) moves.push(await outsideConfig(config, staged, aside))
  for (const name of await readdir(home)) {
    if (names.includes(name) || name === CONFIG || !isKept(name) || !staged.replaces(name)) continue
    moves.push({ target: join(home, name), aside: join(aside, name) })
  }
  return moves
}

/** The config file may lie on another disk: its new content is laid beside it, so that it can be renamed. */
async function outsideConfig(config: string, { folder }: Staged, aside: string): Promise<Move> {
  await mkdir(dirname(config), { recursive: true })
  const beside = `${config}.restored`
  await cp(join(folder, CONFIG), beside)
  if (existsSync(config)) {
    await mkdir(aside, { recursive: true, mode: 0o700 })
    await writeFile(join(aside, "README.txt"), `${CONFIG} was ${config}; it is kept as ${config}.before-restore\n`)
  }
  return { staged: beside, target: config, aside: `${config}.before-restore` }
}

// `pincer backup`: copies of this home, made while a gateway runs or not, looked through, and put back. For a gateway that was named
// by its address, create and status go through its own hand.
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { loadConfig } from "../config/load.ts"
import { expandPath, type Paths, resolvePaths } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import type { Cli } from "./cli.ts"
import { confirmed } from "./confirm.ts"
import { openClient, otherGateway, type Target } from "./connect.ts"
import { passphraseOf } from "./passphrase.ts"
import { Exit } from "./report.ts"
import { countOf } from "./sessions.ts"
import { bytes } from "./status.ts"

interface Row {
  path: string
  size: number
  createdAt: number
  sealed: boolean
  automatic: boolean
}

interface Said {
  createdAt: string
  pincer: string
  schema: number | null
  secrets: boolean
  workspace: boolean
  files: { path: string; bytes: number }[]
  left: { path: string; reason: string }[]
}

interface Checked {
  ok: boolean
  problems: string[]
  manifest?: Said
}

/** What the room of backups lends: handed in by the command. */
export interface BackupRoom {
  createBackup(options: {
    home: string
    config: string
    folder: string
    output?: string
    secrets: boolean
    workspace: boolean
    passphrase?: string
    pincer: string
    now: number
  }): Promise<{ path: string; bytes: number; manifest: Said }>
  verifyBackup(path: string, options: { passphrase?: string; scratch: string }): Promise<Checked>
  sealOf(path: string): Promise<{ createdAt: string } | undefined>
  listBackups(folder: string): Promise<Row[]>
  pruneBackups(folder: string, keep: number, dryRun: boolean): Promise<Row[]>
  backupFolder(config: Pick<Config, "backup">, home: string): string
  restoreBackup(options: {
    from: string
    home: string
    config: string
    passphrase?: string
    now: number
  }): Promise<{ replaced: string[]; aside: string; missing: string[] }>
  restorePending(home: string): boolean
}

export interface CreateFlags {
  output?: string
  secrets: boolean
  workspace: boolean
  encrypt?: boolean
  passphraseFile?: string
  json?: boolean
}

interface Place {
  paths: Paths
  folder: string
  keep: number
}

export async function createBackupFile(cli: Cli, flags: CreateFlags, room: BackupRoom): Promise<void> {
  const named = await otherGateway(cli)
  if (named) return createThere(cli, flags, named)
  const { paths, folder } = placeOf(cli, room)
  const encrypt = flags.encrypt === true || flags.passphraseFile !== undefined
  const passphrase = encrypt ? await passphraseOf(cli, { file: flags.passphraseFile, twice: true }) : undefined
  if (encrypt && passphrase === undefined) throw noPassphrase()
  const made = await room.createBackup({
    home: paths.home,
    config: paths.config,
    folder,
    ...(flags.output === undefined ? {} : { output: expandPath(flags.output, cli.env, cli.cwd) }),
    secrets: flags.secrets,
    workspace: flags.workspace,
    ...(passphrase === undefined ? {} : { passphrase }),
    pincer: cli.version,
    now: Date.now(),
  })
  const { manifest } = made
  if (flags.json)
    cli.out.json({
      path: made.path,
      size: made.bytes,
      files: manifest.files.length,
      sealed: encrypt,
      ...wordsOf(manifest),
    })
  else {
    cli.out.line(`${made.path} (${bytes(made.bytes)}, ${manifest.files.length} files), read back and whole.`)
    if (manifest.left.length > 0)
      cli.out.line(
        `Left out: ${manifest.left.length} entries, for example ${manifest.left[0]?.path} (${manifest.left[0]?.reason}).`,
      )
    if (!encrypt && manifest.secrets)
      cli.out.line("It holds tokens and keys: keep it where only you can read it, or use --encrypt.")
  }
}

function wordsOf({ createdAt, pincer, schema, secrets, workspace, left }: Said) {
  return { createdAt, pincer, schema, secrets, workspace, left }
}

function noPassphrase(): PincerError {
  return new PincerError(
    "INVALID_PARAMS",
    "No passphrase: set PINCER_BACKUP_PASSPHRASE, name a file with --passphrase-file, or run this on a terminal",
  )
}

async function createThere(cli: Cli, flags: CreateFlags, target: Target): Promise<void> {
  if (flags.output !== undefined || flags.encrypt || flags.passphraseFile !== undefined)
    throw new PincerError(
      "INVALID_PARAMS",
      `${target.url} keeps its backups on its own machine: --output and --encrypt work only on the machine of the home`,
    )
  const params = { secrets: flags.secrets, workspace: flags.workspace }
  const answer = await askedOf(cli, target, "backup.export", params)
  if (flags.json) cli.out.json(answer)
  else
    cli.out.line(
      `Made at the gateway: ${String(answer["path"])} (${bytes(Number(answer["size"]))}, ${String(answer["files"])} files).`,
    )
}

async function askedOf(cli: Cli, target: Target, method: string, params: Record<string, unknown>) {
  const client = await openClient(cli, target)
  try {
    const answer: unknown = await client.request(method, params, { timeoutMs: 600_000 })
    return isObject(answer) ? answer : {}
  } finally {
    client.close()
  }
}

/** A configuration that is broken must not keep anybody from a backup: then the default folder counts. */
function placeOf(cli: Cli, room: BackupRoom): Place {
  const paths = resolvePaths(cli.env, cli.flags)
  try {
    const { config } = loadConfig({ env: cli.env, flags: cli.flags })
    return { paths, folder: room.backupFolder(config, paths.home), keep: config.backup.keep }
  } catch (error) {
    if (!(error instanceof PincerError)) throw error
    cli.err.line(`! The configuration is not valid; backups are looked for in ${join(paths.home, "backups")}`)
    return { paths, folder: join(paths.home, "backups"), keep: 10 }
  }
}

export async function listBackupFiles(cli: Cli, flags: { json?: boolean }, room: BackupRoom): Promise<void> {
  const named = await otherGateway(cli)
  const rows = named ? await rowsThere(cli, named) : await room.listBackups(placeOf(cli, room).folder)
  if (flags.json) cli.out.json({ backups: rows, count: rows.length })
  else if (rows.length === 0) cli.out.line('No backup yet: "pincer backup create" makes one.')
  else
    cli.out.table(
      ["MADE", "SIZE", "KIND", "FILE"],
      rows.map((row) => [timeOf(row.createdAt), bytes(row.size), kindOf(row), row.path]),
    )
}

async function rowsThere(cli: Cli, target: Target): Promise<Row[]> {
  const { backups } = await askedOf(cli, target, "backup.status", {})
  return (Array.isArray(backups) ? backups.filter(isObject) : []).map((row) => ({
    path: String(row["path"]),
    size: Number(row["size"]),
    createdAt: Number(row["createdAt"]),
    sealed: row["sealed"] === true,
    automatic: row["automatic"] === true,
  }))
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace("T", " ")
}

function kindOf({ automatic, sealed }: Row): string {
  return automatic ? "database, before a change of schema" : sealed ? "sealed" : "whole"
}

/** How it stands with backups: the newest, how many, and a restore that was cut off. */
export async function showBackupStatus(cli: Cli, flags: { json?: boolean }, room: BackupRoom): Promise<void> {
  const { paths, folder, keep } = placeOf(cli, room)
  const rows = await room.listBackups(folder)
  const newest = rows.find((row) => !row.automatic)
  const size = rows.reduce((sum, row) => sum + row.size, 0)
  const pending = room.restorePending(paths.home)
  if (flags.json) {
    cli.out.json({ folder, count: rows.length, size, keep, newest: newest ?? null, restorePending: pending })
    return
  }
  cli.out.line(newest ? `The newest backup is of ${timeOf(newest.createdAt)} UTC.` : "There is no backup of this home.")
  cli.out.facts([
    ["Folder", folder],
    ["Backups", `${rows.length}, ${bytes(size)}`],
    ["Newest", newest?.path ?? "none"],
  ])
  if (pending) cli.out.line("! A restore was cut off: the next start of the gateway finishes it.")
  if (!newest) cli.out.line("  fix: pincer backup create")
}

/** Throws Exit(1) when the backup is damaged. */
export async function verifyBackupFile(
  cli: Cli,
  given: string,
  flags: { passphraseFile?: string; json?: boolean },
  room: BackupRoom,
): Promise<void> {
  const place = placeOf(cli, room)
  const path = await named(cli, given, place, room)
  const passphrase = await opening(cli, path, flags.passphraseFile, room)
  const scratch = join(place.folder, `.verify-${process.pid}-${Date.now()}`)
  const { ok, problems, manifest } = await room.verifyBackup(path, { scratch, ...passphrase })
  if (flags.json)
    cli.out.json({ ok, path, problems, ...(manifest ? { files: manifest.files.length, ...wordsOf(manifest) } : {}) })
  else {
    cli.out.line(ok ? `${path} is whole.` : `${path} is damaged.`)
    for (const problem of problems) cli.out.line(`  ${problem}`)
    if (manifest)
      cli.out.facts([
        ["Made", `${timeOf(Date.parse(manifest.createdAt))} UTC by Pincer ${manifest.pincer}`],
        ["Files", String(manifest.files.length)],
        ["Schema", String(manifest.schema ?? "no database")],
        ["Secrets", manifest.secrets ? "in it" : "left out"],
        ["Workspaces", manifest.workspace ? "in it" : "left out"],
      ])
  }
  if (!ok) throw new Exit(1)
}

export async function restoreBackupFile(
  cli: Cli,
  given: string,
  flags: { passphraseFile?: string; yes?: boolean; json?: boolean },
  room: BackupRoom,
): Promise<void> {
  const place = placeOf(cli, room)
  const { home, config } = place.paths
  const from = await named(cli, given, place, room)
  if (!existsSync(from))
    throw new PincerError("NOT_FOUND", `The backup ${from} does not exist: see "pincer backup list"`)
  const passphrase = await opening(cli, from, flags.passphraseFile, room)
  const question = `Replace what is in ${home} by ${from}? What is there now is kept aside.`
  if (!(await confirmed(cli, question, flags.yes === true))) throw new PincerError("ABORTED", "Nothing was restored")
  const { replaced, aside, missing } = await room.restoreBackup({ from, home, config, now: Date.now(), ...passphrase })
  if (flags.json) {
    cli.out.json({ restored: from, home, replaced, aside, missing })
    return
  }
  cli.out.line(`Restored ${home} from ${from}.`)
  cli.out.facts([
    ["Replaced", replaced.join(", ")],
    ["Before", aside],
  ])
  for (const key of missing)
    cli.out.line(`! ${key} is not set: its secret was not in the backup. fix: pincer config set ${key} <value>`)
  cli.out.line(`To go back: pincer backup restore ${aside}. To go on: pincer gateway start`)
}

/** "latest", a name in the folder of backups, or a path. */
async function named(cli: Cli, given: string, { folder }: Place, room: BackupRoom): Promise<string> {
  const rows = await room.listBackups(folder)
  if (given === "latest") {
    const newest = rows.find((row) => !row.automatic)
    if (!newest) throw new PincerError("NOT_FOUND", `There is no backup in ${folder}: name a file`)
    return newest.path
  }
  const known = rows.find((row) => row.path === join(folder, given))
  return known?.path ?? resolve(expandPath(given, cli.env, cli.cwd))
}

async function opening(cli: Cli, path: string, file: string | undefined, room: BackupRoom) {
  if (path.endsWith(".db") || (await room.sealOf(path).catch(() => undefined)) === undefined) return {}
  const passphrase = await passphraseOf(cli, { file, twice: false })
  return passphrase === undefined ? {} : { passphrase }
}

export async function pruneBackupFiles(
  cli: Cli,
  flags: { keep?: string; dryRun?: boolean; json?: boolean },
  room: BackupRoom,
): Promise<void> {
  const place = placeOf(cli, room)
  const keep = flags.keep === undefined ? place.keep : countOf(flags.keep, "--keep")
  const gone = await room.pruneBackups(place.folder, keep, flags.dryRun === true)
  if (flags.json)
    cli.out.json({ removed: gone.map(({ path }) => path), count: gone.length, dryRun: flags.dryRun === true })
  else if (gone.length === 0) cli.out.line(`Nothing to remove: there are not more than ${keep}.`)
  else for (const { path } of gone) cli.out.line(`${flags.dryRun ? "Would remove" : "Removed"} ${path}`)
}

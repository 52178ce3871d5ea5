// Puts right what checks found, and takes it back. Whatever is changed is kept first, in <home>/doctor/<id>/ with a record; a repair whose
// check does not pass afterwards is taken back at once. Nothing is put back over what somebody changed since.
import { createHash } from "node:crypto"
import {
  chmodSync,
  closeSync,
  cpSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { makeFolder } from "../../base/folder.ts"
import { isObject } from "../../base/json.ts"
import { redactText } from "../../config/redact.ts"
import { reason } from "../../config/regular-file.ts"
import { diffOf } from "../../tools/diff.ts"
import type { Change, Diagnosis } from "./check.ts"

export interface RepairPlan {
  id: string
  changes: Change[]
}

type Done =
  | { type: "mode"; path: string; from: number; to: number }
  | { type: "remove"; path: string; kept: string }
  | { type: "write"; path: string; kept: string; sha256: string }

export interface RepairRecord {
  id: string
  /** ms since 1970. */
  at: number
  version: string
  /** Ids of the checks that were repaired. */
  checks: string[]
  changes: Done[]
  undoneAt: number | null
}

/** What would be done about these findings. */
export function plansOf(found: readonly Diagnosis[]): RepairPlan[] {
  return found.flatMap(({ id, repair }) => (repair === undefined ? [] : [{ id, changes: repair }]))
}

/** The changes as a person reads them; secrets are masked. */
export function shownPlan({ id, changes }: RepairPlan): string[] {
  return [`${id}:`, ...changes.flatMap(shownChange)]
}

function shownChange(change: Change): string[] {
  const { path } = change
  switch (change.type) {
    case "mode":
      return [`--- ${path}`, `-mode ${octal(change.from)}`, `+mode ${octal(change.to)}`]
    case "remove":
      return [`--- ${path}`, "-is there", "+is kept with the record of the repair"]
    case "write":
      return [`--- ${path}`, ...diffOf(redactText(change.before), redactText(change.after)).text.split("\n")]
    default:
      return change satisfies never
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0")
}

export interface RepairPlace {
  home: string
  version: string
  /** ms since 1970. */
  now: number
  /** Told each point between two facts: where crash tests kill the process. */
  reached?(point: "kept" | "changed"): void
}

/**
 * Carries out the plans. What is to be changed is on record before it is; when one change fails, those before it are taken back. Throws
 * CONFLICT when something is not as it was looked at, UNAVAILABLE.
 */
export function repair(plans: readonly RepairPlan[], place: RepairPlace): RepairRecord {
  const id = freeId(place)
  const folder = join(place.home, "doctor", id)
  const record: RepairRecord = {
    id,
    at: place.now,
    version: place.version,
    checks: plans.map((plan) => plan.id),
    changes: [],
    undoneAt: null,
  }
  try {
    makeFolder(folder)
    for (const change of plans.flatMap(({ changes }) => changes)) {
      record.changes.push(keep(change, folder, record.changes.length))
      write(folder, record)
      place.reached?.("kept")
      apply(change)
      place.reached?.("changed")
    }
    return record
  } catch (error) {
    takeBack(record, folder)
    write(folder, { ...record, undoneAt: place.now })
    if (error instanceof PincerError) throw error
    throw new PincerError("UNAVAILABLE", `The repair failed and was taken back: ${reason(error)}`, {
      cause: error,
      retryable: false,
    })
  }
}

function freeId({ home, now }: RepairPlace): string {
  const at = new Date(now).toISOString().replaceAll(/[-:]/g, "").replace("T", "-").slice(0, 15)
  for (let count = 1; ; count++) {
    const id = count === 1 ? at : `${at}-${count}`
    if (!statSync(join(home, "doctor", id), { throwIfNoEntry: false })) return id
  }
}

/** Lays a copy aside and says how to take the change back. */
function keep(change: Change, folder: string, count: number): Done {
  const stat = lstatSync(change.path, { throwIfNoEntry: false })
  const moved = () =>
    new PincerError("CONFLICT", `${change.path} is not as it was looked at: run "pincer doctor" again`)
  if (!stat || (stat.isSymbolicLink() && change.type !== "remove")) throw moved()
  const kept = join(folder, `${count}-${basename(change.path)}`)
  switch (change.type) {
    case "mode":
      if ((stat.mode & 0o777) !== change.from) throw moved()
      return change
    case "remove":
      cpSync(change.path, kept, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
      return { type: "remove", path: change.path, kept }
    case "write":
      if (readFileSync(change.path, "utf8") !== change.before) throw moved()
      cpSync(change.path, kept, { preserveTimestamps: true })
      return { type: "write", path: change.path, kept, sha256: digest(change.after) }
    default:
      return change satisfies never
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}

function apply(change: Change): void {
  switch (change.type) {
    case "mode":
      chmodSync(change.path, change.to)
      return
    case "remove":
      rmSync(change.path, { recursive: true })
      return
    case "write":
      replace(change.path, change.after)
      return
    default:
      change satisfies never
  }
}

/** Whole or not at all; the mode stays, a new file is for its owner. */
function replace(path: string, text: string): void {
  const draft = `${path}.doctor.tmp`
  const fd = openSync(draft, "w", 0o600)
  try {
    fchmodSync(fd, (statSync(path, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777)
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(draft, path)
}

function write(folder: string, record: RepairRecord): void {
  replace(join(folder, "record.json"), `${JSON.stringify(record, null, 1)}\n`)
}

/** Last change first; what was not done yet is as it was. */
function takeBack({ changes }: RepairRecord, folder: string): string[] {
  const left: string[] = []
  for (const done of changes.toReversed()) {
    const why = takeBackOne(done, folder)
    if (why !== undefined) left.push(why)
  }
  return left
}

/** Why it stays; undefined when all is as before. */
function takeBackOne(done: Done, folder: string): string | undefined {
  const { path } = done
  const stat = lstatSync(path, { throwIfNoEntry: false })
  switch (done.type) {
    case "mode": {
      if (!stat) return `${path} is gone`
      const mode = stat.mode & 0o777
      if (mode === done.from) return undefined
      if (mode !== done.to) return `${path} has got another mode since`
      chmodSync(path, done.from)
      return undefined
    }
    case "remove":
      if (stat) return sameFile(path, done.kept) ? undefined : `${path} is there again`
      makeFolder(dirname(path))
      cpSync(done.kept, path, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
      return undefined
    case "write": {
      if (!stat?.isFile()) return `${path} is gone`
      const text = readFileSync(path, "utf8")
      const before = readFileSync(join(folder, basename(done.kept)), "utf8")
      if (text === before) return undefined
      if (digest(text) !== done.sha256) return `${path} was changed since`
      replace(path, before)
      return undefined
    }
    default:
      return done satisfies never
  }
}

function sameFile(path: string, kept: string): boolean {
  const [a, b] = [lstatSync(path), lstatSync(kept, { throwIfNoEntry: false })]
  if (!b || a.isFile() !== b.isFile()) return false
  return !a.isFile() || readFileSync(path).equals(readFileSync(kept))
}

/** Repairs of this home, newest first. */
export function repairs(home: string): RepairRecord[] {
  const folder = join(home, "doctor")
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return []
  return readdirSync(folder)
    .sort()
    .reverse()
    .flatMap((id) => readRecord(join(folder, id)) ?? [])
}

function readRecord(folder: string): RepairRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, "record.json"), "utf8"))
    return isObject(value) && Array.isArray(value["changes"]) ? (value as unknown as RepairRecord) : undefined
  } catch {
    // A folder of something else, or of a repair that was killed before its first change.
    return undefined
  }
}

/** Takes a repair back: the one with this id, or the newest that still stands. `left`: what was changed since and stays. Throws NOT_FOUND. */
export function undoRepair(
  home: string,
  id: string | undefined,
  now: number,
): { record: RepairRecord; left: string[] } {
  const all = repairs(home)
  const record = id === undefined ? all.find((one) => one.undoneAt === null) : all.find((one) => one.id === id)
  if (!record) {
    const what = id === undefined ? "There is no repair that could be taken back" : `There is no repair "${id}"`
    throw new PincerError("NOT_FOUND", `${what}: "pincer doctor undo --list" shows what there is`)
  }
  if (record.undoneAt !== null) throw new PincerError("CONFLICT", `The repair ${record.id} was taken back already`)
  const folder = join(home, "doctor", record.id)
  const left = takeBack(record, folder)
  write(folder, { ...record, undoneAt: now })
  return { record, left }
}

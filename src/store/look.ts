// A look into the database from outside, for the doctor: whether it is sound, and what work lies in it. Nothing of the home is written:
// of a database whose log was left by a crash a copy is looked at.
import { constants, copyFileSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"
import { SCHEMA } from "./migrations/index.ts"

export interface DatabaseLook {
  state: "absent" | "good" | "bad"
  /** What was found, as a sentence. */
  text: string
  schema: number
  /** What this Pincer writes. */
  knows: number
  bytes: number
  /** Bytes in the log beside it. */
  logBytes: number
  /** Rows that point to nothing. */
  dangling: number
  /** Absent where the database is too old or damaged to tell. */
  work?: {
    /** Effects that began before `stuckBefore` and have no outcome. */
    uncertain: number
    /** Turns that have not ended and began before `stuckBefore`. */
    stuck: number
    approvals: number
    /** The oldest approval that waits; ms since 1970. */
    oldestApproval: number | undefined
  }
}

export interface LookOptions {
  path: string
  /** Somebody has it open: its log is being written. */
  inUse: boolean
  /** ms since 1970: turns that began before and have not ended count as stuck. */
  stuckBefore: number
  /** A larger one is not looked through, only opened. */
  maxBytes?: number
}

/** A copy is not made of more than this. */
const MAX_COPY = 4_000_000_000

/** Never throws. */
export function lookInto(options: LookOptions): DatabaseLook {
  const { path, inUse } = options
  const bytes = statSync(path, { throwIfNoEntry: false })?.size
  const logBytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const base = { schema: 0, knows: SCHEMA, bytes: bytes ?? 0, logBytes, dangling: 0 }
  if (bytes === undefined)
    return { ...base, state: "absent", text: `${path} does not exist yet: the gateway makes it when it first starts` }
  try {
    if (inUse)
      return { ...base, ...examine(new DatabaseSync(path, { readOnly: true, timeout: 2_000 }), options, bytes) }
    if (logBytes === 0) return { ...base, ...examine(openUnchanging(path), options, bytes) }
    if (bytes + logBytes > MAX_COPY)
      return { ...base, state: "good", text: `${path} is there and too large to be copied` }
    return { ...base, ...examineCopyOf(options, bytes) }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { ...base, state: "bad", text: `${path} cannot be read: ${reason}` }
  }
}

function openUnchanging(path: string): DatabaseSync {
  const url = pathToFileURL(path)
  url.searchParams.set("immutable", "1")
  return new DatabaseSync(url, { readOnly: true })
}

type Examined = Pick<DatabaseLook, "state" | "text" | "schema" | "dangling" | "work">

function examineCopyOf(options: LookOptions, bytes: number): Examined {
  const folder = mkdtempSync(join(tmpdir(), "pincer-look-"))
  try {
    const copy = join(folder, "pincer.db")
    for (const suffix of ["", "-wal"]) copyFileSync(options.path + suffix, copy + suffix, constants.COPYFILE_FICLONE)
    return examine(new DatabaseSync(copy), options, bytes)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function examine(db: DatabaseSync, { path, stuckBefore, maxBytes }: LookOptions, bytes: number): Examined {
  try {
    const schema = first(db, "PRAGMA user_version")
    if (maxBytes !== undefined && bytes > maxBytes)
      return { state: "good", text: `${path} can be read`, schema, dangling: 0, ...workIn(db, stuckBefore) }
    const verdict = String(Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {})[0])
    if (verdict !== "ok") return { state: "bad", text: `${path} is damaged: ${verdict}`, schema, dangling: 0 }
    const dangling = db.prepare("PRAGMA foreign_key_check").all().length
    return { state: "good", text: `${path} is sound`, schema, dangling, ...workIn(db, stuckBefore) }
  } finally {
    db.close()
  }
}

function first(db: DatabaseSync, sql: string, ...values: number[]): number {
  return Number(Object.values(db.prepare(sql).get(...values) ?? {})[0] ?? 0)
}

function workIn(db: DatabaseSync, stuckBefore: number): Pick<DatabaseLook, "work"> {
  const tables = first(
    db,
    "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name IN ('turns','steps','approvals')",
  )
  if (tables !== 3) return {}
  const uncertain = first(
    db,
    "SELECT count(*) FROM steps WHERE state='intended' AND effect='once' AND at<?",
    stuckBefore,
  )
  const stuck = first(
    db,
    "SELECT count(*) FROM turns WHERE ended_at IS NULL AND status IN ('running','interrupted') AND coalesce(started_at,accepted_at)<?",
    stuckBefore,
  )
  const approvals = first(db, "SELECT count(*) FROM approvals WHERE decision IS NULL")
  const oldest = first(db, "SELECT min(created_at) FROM approvals WHERE decision IS NULL")
  return { work: { uncertain, stuck, approvals, oldestApproval: oldest === 0 ? undefined : oldest } }
}

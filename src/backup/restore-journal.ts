// restore.json: what a restore has decided to move, and the moving. Each move can be done again from any point, so whoever finds the file
// goes on with it: a restore that began is finished, and a gateway never starts on half of one.
import { existsSync } from "node:fs"
import { mkdir, open, readFile, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { claimHome } from "../config/gateway-file.ts"

export const JOURNAL = "restore.json"

export type RestorePoint = "staged" | "journalled" | "put-aside" | "put-in" | "moved" | "finished"

/** All absolute. Without `staged` the target is only put aside. */
export interface Move {
  staged?: string
  target: string
  aside: string
}

export interface RestoreJournal {
  version: 1
  id: string
  from: string
  /** ms since 1970. */
  at: number
  moves: Move[]
}

/** Writes it so that it is there whole, and on disk, or not at all. */
export async function writeJournal(home: string, journal: RestoreJournal): Promise<void> {
  const path = join(home, JOURNAL)
  const file = await open(`${path}.tmp`, "w", 0o600)
  try {
    await file.writeFile(`${JSON.stringify(journal, null, 1)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.tmp`, path)
  await syncFolder(home)
}

/** Whether a restore of this home began and was not finished. */
export function restorePending(home: string): boolean {
  return existsSync(join(home, JOURNAL))
}

/**
 * Finishes what restore.json says; false when there is none. Takes the home for itself unless the caller has. Throws CONFLICT while a
 * gateway runs on it, UNAVAILABLE when the file is damaged.
 */
export async function finishRestore(
  home: string,
  { claimed = false, reached }: { claimed?: boolean; reached?(point: RestorePoint): void } = {},
): Promise<boolean> {
  if (!restorePending(home)) return false
  const claim = claimed ? undefined : claimHome(home)
  try {
    const journal = decode(await readFile(join(home, JOURNAL), "utf8"), home)
    for (const move of journal.moves) await carryOut(move, reached)
    for (const folder of new Set(journal.moves.flatMap(({ target, aside }) => [dirname(target), dirname(aside)])))
      await syncFolder(folder)
    reached?.("moved")
    // What was done stays readable beside what was put aside.
    await rename(join(home, JOURNAL), join(home, "before-restore", journal.id, JOURNAL))
    await syncFolder(home)
    reached?.("finished")
    await rm(join(home, `restore-${journal.id}`), { recursive: true, force: true })
    return true
  } finally {
    claim?.release()
  }
}

async function carryOut({ staged, target, aside }: Move, reached?: (point: RestorePoint) => void): Promise<void> {
  // With its new content gone from the staging folder, a move was done.
  if (staged !== undefined && !existsSync(staged)) return
  if (existsSync(target)) {
    await mkdir(dirname(aside), { recursive: true, mode: 0o700 })
    await rename(target, freeName(aside))
    reached?.("put-aside")
  }
  if (staged === undefined) return
  await rename(staged, target)
  reached?.("put-in")
}

/** Nothing that was put aside is written over. */
function freeName(path: string): string {
  if (!existsSync(path)) return path
  for (let count = 2; ; count++) if (!existsSync(`${path}.${count}`)) return `${path}.${count}`
}

function decode(text: string, home: string): RestoreJournal {
  const damaged = () =>
    new PincerError(
      "UNAVAILABLE",
      `${join(home, JOURNAL)} is damaged: the restore that it tells of cannot be finished by itself. What was there before is in ${join(home, "before-restore")}`,
      { retryable: false },
    )
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged()
    throw error
  }
  if (!isObject(value) || value["version"] !== 1 || !Array.isArray(value["moves"])) throw damaged()
  const { id, from, at, moves } = value
  if (typeof id !== "string" || !/^[\w-]+$/.test(id) || !moves.every(isMove)) throw damaged()
  return { version: 1, id, from: String(from), at: Number(at), moves }
}

function isMove(value: unknown): value is Move {
  if (!isObject(value) || typeof value["target"] !== "string" || typeof value["aside"] !== "string") return false
  return value["staged"] === undefined || typeof value["staged"] === "string"
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32" || !existsSync(path)) return
  const folder = await open(path, "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

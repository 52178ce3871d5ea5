// What the configuration said before each change that went through Pincer: whole files in a folder of the home, the newest first, the
// oldest forgotten. They hold what the file held, secrets too, so they are as private.
import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { makeFolder } from "../base/folder.ts"
import { hashOf } from "./edit.ts"
import { readConfigFile } from "./load.ts"
import { reason } from "./regular-file.ts"

/** One earlier text of the file. */
export interface ConfigVersion {
  /** 1 is what stood there before the last change. */
  number: number
  /** ms since 1970 at which it was replaced. */
  replacedAt: number
  hash: string
  path: string
}

const KEPT = 30
const NAME = /^(\d{13})-([0-9a-f]{16})\.json$/

/** Keeps a text that is about to be replaced, unless it is the one that was kept last. */
export function keepVersion(home: string, text: string, now: number): void {
  const folder = folderIn(home)
  const hash = hashOf(text).slice(0, 16)
  if (versionsIn(home)[0]?.hash === hash) return
  makeFolder(folder)
  const path = join(folder, `${String(now).padStart(13, "0")}-${hash}.json`)
  writeFileSync(`${path}.next`, text, { mode: 0o600 })
  renameSync(`${path}.next`, path)
  for (const old of versionsIn(home).slice(KEPT)) rmSync(old.path, { force: true })
}

/** The newest first. */
export function versionsIn(home: string): ConfigVersion[] {
  const folder = folderIn(home)
  return namesIn(folder)
    .flatMap((name) => {
      const [, at, hash] = NAME.exec(name) ?? []
      return at === undefined || hash === undefined ? [] : [{ at: Number(at), hash, path: join(folder, name) }]
    })
    .sort((a, b) => b.at - a.at)
    .map(({ at, hash, path }, i) => ({ number: i + 1, replacedAt: at, hash, path }))
}

/** The text of one of them. Throws NOT_FOUND. */
export function versionText(home: string, number: number): string {
  const versions = versionsIn(home)
  const version = versions[number - 1]
  const text = version && readConfigFile(version.path)?.text
  if (text !== undefined) return text
  const known = versions.length === 0 ? "nothing was changed yet" : `1 to ${versions.length} are there`
  throw new PincerError("NOT_FOUND", `There is no version ${number} of the configuration: ${known}`)
}

function folderIn(home: string): string {
  return join(home, "config-history")
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (reason(error) === "ENOENT") return []
    throw error
  }
}

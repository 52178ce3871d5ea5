// Where words of a command lead on the disk: programs through PATH, and paths with every symlink resolved.
import { basename, dirname, isAbsolute, join, resolve } from "node:path"
import type { Disk } from "./disk.ts"

/** Folders that only the system's own installer writes: what lies there goes by its name and is not hashed. */
const SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/nix/store", "/opt/homebrew", "/System", "/Library/Developer"]
/** Files of the system that hold many programs and are the one by whose name they are called. */
const MANY_IN_ONE: ReadonlySet<string> = new Set(["busybox", "toybox", "coreutils", "uutils", "box"])
const MAX_LINKS = 40

export function isSystem(path: string): boolean {
  return SYSTEM.some((folder) => path.startsWith(`${folder}/`))
}

/** Absolute, symlinks resolved as far as there is something; null when the links do not end. */
export async function realTarget(path: string, cwd: string, disk: Disk, links = MAX_LINKS): Promise<string | null> {
  const full = isAbsolute(path) ? resolve(path) : resolve(cwd, path)
  // "a/../b" through a link at a is not "b".
  const lexical = path.split("/").includes("..") ? await disk.real(isAbsolute(path) ? path : `${cwd}/${path}`) : null
  const real = lexical ?? (await disk.real(full))
  if (real !== null) return real
  const parent = dirname(full)
  if (parent === full || links === 0) return links === 0 ? null : full
  const above = await realTarget(parent, cwd, disk, links - 1)
  if (above === null) return null
  const candidate = join(above, basename(full))
  const link = await disk.link(candidate)
  return link === null ? candidate : realTarget(resolve(above, link), cwd, disk, links - 1)
}

export interface FoundProgram {
  /** Symlinks resolved. */
  path: string
  /** Names under which tables may know it; the first is the one it goes by. */
  names: string[]
  /** Not the system's: its content is part of what is judged. */
  own: boolean
}

export type ProgramSearch = { type: "found"; program: FoundProgram } | { type: "unknown"; why: string }

export interface SearchOptions {
  cwd: string | null
  path: string | undefined
  disk: Disk
}

export async function findProgram(word: string, { cwd, path, disk }: SearchOptions): Promise<ProgramSearch> {
  if (!/^[\x21-\x7e]+$/.test(word)) return unknown(`a program name with unusual characters: ${JSON.stringify(word)}`)
  if (word.includes("/")) {
    if (cwd === null && !isAbsolute(word)) return unknown(`which program ${word} is`)
    return found(word, isAbsolute(word) ? word : `${cwd}/${word}`, disk)
  }
  for (const folder of (path ?? "").split(":")) {
    if (!isAbsolute(folder)) return unknown("PATH holds a folder that depends on where the command runs")
    const entry = await disk.look(join(folder, word))
    if (entry?.type === "file" && entry.executable) return found(word, join(folder, word), disk)
  }
  return unknown(`${word} is not a program that is found`)
}

async function found(word: string, path: string, disk: Disk): Promise<ProgramSearch> {
  const [real, entry] = [await disk.real(path), await disk.look(path)]
  if (real === null || entry?.type !== "file" || !entry.executable)
    return unknown(`${word} is not a program that is found`)
  // The folder's links are the system's business (/bin is /usr/bin); the name's are not.
  const place = await disk.real(dirname(path))
  const bySystem = place !== null && isSystem(`${place}/x`) && isSystem(real)
  const [called, file] = [basename(word), basename(real)]
  const ownFile = bySystem && MANY_IN_ONE.has(file) ? [] : [file]
  const names = bySystem ? [called, ...ownFile] : [file, called]
  return { type: "found", program: { path: real, names: [...new Set(names)], own: !isSystem(real) } }
}

function unknown(why: string): ProgramSearch {
  return { type: "unknown", why }
}

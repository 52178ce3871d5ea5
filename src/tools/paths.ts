// Paths as tools take them: relative to the working directory or absolute, with symlinks resolved before anybody judges them.
import { lstat, readlink, realpath } from "node:fs/promises"
import { basename, dirname, isAbsolute, join, resolve } from "node:path"
import { PincerError } from "../base/errors.ts"

const MAX_LINKS = 40

/**
 * The real path that `path` means: every symlink resolved, also when the file itself does not exist yet. Throws INVALID_PARAMS for
 * NUL bytes, URLs and "~", so that nobody can mean one thing and reach another.
 */
export async function resolvePath(path: string, cwd: string): Promise<string> {
  if (path.includes("\0")) throw new PincerError("INVALID_PARAMS", "A path must not hold a NUL character")
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw new PincerError("INVALID_PARAMS", `"${path}" is a URL: give a file path`)
  if (path === "~" || path.startsWith("~/"))
    throw new PincerError("INVALID_PARAMS", `"${path}": write the home directory out, "~" is not expanded`)
  return realTarget(isAbsolute(path) ? resolve(path) : resolve(cwd, path), MAX_LINKS)
}

async function realTarget(path: string, links: number): Promise<string> {
  if (links === 0) throw new PincerError("INVALID_PARAMS", `${path} goes through too many symbolic links`)
  try {
    return await realpath(path)
  } catch (error) {
    if (!isMissing(error))
      throw new PincerError("INVALID_PARAMS", `${path} cannot be resolved: ${reasonOf(error)}`, { cause: error })
  }
  // A dangling link would be followed when the file is made: where it points is what counts.
  const stat = await lstat(path).catch(() => undefined)
  if (stat?.isSymbolicLink()) return realTarget(resolve(dirname(path), await readlink(path)), links - 1)
  const parent = dirname(path)
  return parent === path ? path : join(await realTarget(parent, links), basename(path))
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")
}

/** What a file system error says, without its path. */
export function reasonOf(error: unknown): string {
  const words: Record<string, string> = {
    ENOENT: "it does not exist",
    EACCES: "permission denied",
    EISDIR: "it is a directory",
    ENOTDIR: "a part of the path is not a directory",
    ELOOP: "too many symbolic links",
    ENOSPC: "the disk is full",
    EROFS: "the file system is read-only",
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  return words[code] ?? (code || (error instanceof Error ? error.message : String(error)))
}

/** `path` as people read it: relative to the working directory when it lies below it. */
export function shownPath(path: string, cwd: string): string {
  return path === cwd ? "." : path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path
}

// Paths as tools take them: relative to the working directory or absolute, with symlinks resolved before anybody judges them.
import { lstat, readlink, realpath } from "node:fs/promises"
import { basename, dirname, isAbsolute, join, resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import type { ToolContext } from "./tool.ts"

const MAX_LINKS = 40

/**
 * The real path that `path` means: every symlink resolved, also when the file itself does not exist yet. Throws INVALID_PARAMS for
 * NUL bytes, URLs and "~", so that nobody can mean one thing and reach another, and for the inside of a process (its environment
 * and memory), the gateway's own among them.
 */
export async function resolvePath(path: string, cwd: string): Promise<string> {
  if (path.includes("\0")) throw new PincerError("INVALID_PARAMS", "A path must not hold a NUL character")
  if (/^(?:[a-z][a-z0-9+.-]*:\/\/|file:|data:)/i.test(path))
    throw new PincerError("INVALID_PARAMS", `"${printed(path)}" is a URL: give a file path`)
  if (/^~[\w-]*(?:\/|$)/.test(path))
    throw new PincerError("INVALID_PARAMS", `"${printed(path)}": write the home directory out, "~" is not expanded`)
  const target = await realTarget(isAbsolute(path) ? resolve(path) : resolve(cwd, path), MAX_LINKS)
  if (/^\/proc\/\d+(?:\/|$)/.test(target))
    throw new PincerError("INVALID_PARAMS", `"${printed(path)}" lies inside a process: processes are not read as files`)
  return target
}

/**
 * The path a call acts on: resolved anew and compared with what policy judged, so that a link swapped in between (while a person
 * thinks about an approval, say) leads nowhere. Throws CONFLICT then.
 */
export async function judgedPath(path: string, context: ToolContext, use: "reads" | "writes"): Promise<string> {
  const target = await resolvePath(path, context.cwd)
  if (context.judged && !context.judged[use].includes(target)) throw movedAway(shownPath(target, context.cwd))
  return target
}

export function movedAway(shown: string): PincerError {
  return new PincerError("CONFLICT", `${shown} leads elsewhere than when it was judged: nothing was done, call again`)
}

async function realTarget(path: string, links: number): Promise<string> {
  if (links === 0)
    throw new PincerError("INVALID_PARAMS", `${printed(path)} goes through too many symbolic links: name the real path`)
  try {
    return await realpath(path)
  } catch (error) {
    if (!isMissing(error))
      throw new PincerError("INVALID_PARAMS", `${printed(path)} cannot be resolved: ${reasonOf(error)}`, {
        cause: error,
      })
  }
  const parent = dirname(path)
  if (parent === path) return path
  // The parent first: a relative link is read from where its folder really is, not from where it seems to be.
  const real = join(await realTarget(parent, links), basename(path))
  const stat = await lstat(real).catch(() => undefined)
  // A dangling link would be followed when the file is made: where it points is what counts.
  if (stat?.isSymbolicLink()) return realTarget(resolve(dirname(real), await readlink(real)), links - 1)
  return real
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")
}

/** What a file system error says, without its path. */
export function reasonOf(error: unknown): string {
  const words: Record<string, string> = {
    ENOENT: "it does not exist",
    EACCES: "permission denied",
    EPERM: "not permitted",
    EISDIR: "it is a directory",
    ENOTDIR: "a part of the path is not a directory",
    EEXIST: "a part of the path is not a directory",
    ELOOP: "too many symbolic links",
    ENAMETOOLONG: "the name is too long",
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    EROFS: "the file system is read-only",
    EMFILE: "too many files are open",
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  return words[code] ?? (code || (error instanceof Error ? error.message : String(error)))
}

/** `path` as people read it: relative to the working directory when it lies below it, in one line. */
export function shownPath(path: string, cwd: string): string {
  const root = cwd.endsWith("/") ? cwd : `${cwd}/`
  return path === cwd ? "." : printed(path.startsWith(root) ? path.slice(root.length) : path)
}

/** A file name may hold line ends and terminal control, and so say what nobody wrote: those are shown escaped. */
export function printed(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) =>
    c === "\n" ? "\\n" : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}

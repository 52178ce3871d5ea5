// The files of an agent's workspace as clients may read them, and the few that describe the agent and may be written. Nothing outside
// the workspace is reached, also not through links; sizes are bounded.
import { createHash } from "node:crypto"
import { lstat, mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join, relative, resolve, sep } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"

/** Files that say who an agent is and how it works, as existing clients know them. */
export const AGENT_FILES = [
  "AGENTS.md",
  "SOUL.md",
  "TOOLS.md",
  "IDENTITY.md",
  "USER.md",
  "HEARTBEAT.md",
  "BOOTSTRAP.md",
  "MEMORY.md",
] as const

export const MAX_FILE_BYTES = 1_000_000
const MAX_ENTRIES = 5_000

export interface WorkspaceFile {
  name: string
  /** Within the workspace, with "/". */
  path: string
  size: number
  updatedAtMs: number
  content: string
  encoding: "utf8" | "base64"
  mimeType: string
  hash: string
}

/** The real place of `path` within `workspace`. Throws NOT_FOUND, INVALID_PARAMS for a place outside. */
async function placeIn(workspace: string, path: string): Promise<{ root: string; place: string }> {
  const root = await realpath(workspace).catch(() => undefined)
  if (root === undefined) throw notThere(path)
  const wanted = resolve(root, path.replace(/^\/+/, ""))
  const place = await realpath(wanted).catch(() => undefined)
  if (wanted !== root && !wanted.startsWith(root + sep)) throw outside(path)
  if (place === undefined) throw notThere(path)
  if (place !== root && !place.startsWith(root + sep)) throw outside(path)
  return { root, place }
}

function notThere(path: string): PincerError {
  return new PincerError("NOT_FOUND", `"${path}" is not in the workspace`)
}

function outside(path: string): PincerError {
  return new PincerError("INVALID_PARAMS", `"${path}" lies outside the workspace`)
}

/** One folder, folders first. */
export async function listFolder(workspace: string, path: string) {
  const { place, root } = await placeIn(workspace, path)
  const found = await readdir(place, { withFileTypes: true }).catch((error: unknown) => {
    throw new PincerError("INVALID_PARAMS", `"${path}" is not a folder that can be read`, { cause: error })
  })
  const entries = await Promise.all(
    found.slice(0, MAX_ENTRIES).map(async (entry) => {
      const known = await lstat(join(place, entry.name)).catch(() => undefined)
      const kind = entry.isDirectory() ? ("directory" as const) : ("file" as const)
      return {
        name: entry.name,
        path: shownPath(root, join(place, entry.name)),
        kind,
        ...(entry.isSymbolicLink() ? { link: true } : {}),
        size: known?.size ?? 0,
        updatedAtMs: Math.round(known?.mtimeMs ?? 0),
      }
    }),
  )
  const rank = (kind: string) => (kind === "directory" ? 0 : 1)
  entries.sort((a, b) => rank(a.kind) - rank(b.kind) || (a.name < b.name ? -1 : 1))
  const shown = shownPath(root, place)
  return { path: shown, ...(shown === "" ? {} : { parentPath: shownPath(root, dirname(place)) }), entries }
}

function shownPath(root: string, place: string): string {
  return relative(root, place).split(sep).join("/")
}

/** A file as text, or as base64 when it is none. Throws NOT_FOUND, TOO_LARGE, INVALID_PARAMS for what is no file. */
export async function readWorkspaceFile(workspace: string, path: string): Promise<WorkspaceFile> {
  const { place, root } = await placeIn(workspace, path)
  const known = await stat(place)
  if (!known.isFile()) throw new PincerError("INVALID_PARAMS", `"${path}" is not a regular file`)
  if (known.size > MAX_FILE_BYTES)
    throw new PincerError("TOO_LARGE", `"${path}" has ${known.size} bytes: at most ${MAX_FILE_BYTES} are shown`)
  const file = await open(place, "r")
  try {
    const buffer = Buffer.alloc(Math.min(known.size, MAX_FILE_BYTES))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    const bytes = buffer.subarray(0, bytesRead)
    const text = bytes.toString("utf8")
    const isText = !bytes.includes(0) && Buffer.byteLength(text) === bytes.length
    return {
      name: basename(place),
      path: shownPath(root, place),
      size: bytes.length,
      updatedAtMs: Math.round(known.mtimeMs),
      content: isText ? text : bytes.toString("base64"),
      encoding: isText ? "utf8" : "base64",
      mimeType: isText ? "text/plain" : "application/octet-stream",
      hash: createHash("sha256").update(bytes).digest("hex"),
    }
  } finally {
    await file.close()
  }
}

/** Of one of the files that describe an agent; undefined when it is not there. */
export async function agentFile(workspace: string, name: string): Promise<WorkspaceFile | undefined> {
  try {
    return await readWorkspaceFile(workspace, name)
  } catch (error) {
    if (error instanceof PincerError && error.code === "NOT_FOUND") return undefined
    throw error
  }
}

/** Written beside it and moved into place; a link in its place is not followed. Throws INVALID_PARAMS for what is no file. */
export async function writeAgentFile(workspace: string, name: string, content: string): Promise<void> {
  if (Buffer.byteLength(content) > MAX_FILE_BYTES)
    throw new PincerError("TOO_LARGE", `${name} would have more than ${MAX_FILE_BYTES} bytes`)
  await mkdir(workspace, { recursive: true, mode: 0o700 })
  const root = await realpath(workspace)
  const place = join(root, name)
  const known = await lstat(place).catch(() => undefined)
  if (known && !known.isFile())
    throw new PincerError("INVALID_PARAMS", `${name} in the workspace is not a regular file`)
  const fresh = join(root, `.${name}.${uuid()}`)
  const file = await open(fresh, "wx", known ? known.mode & 0o777 : 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await rename(fresh, place)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
}

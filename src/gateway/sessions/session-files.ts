// The files of a session: which ones its turns read or changed, and what lies in the folder where it works. Nothing outside that folder is
// shown, nothing of Pincer's own home, and no folder of keys; sizes and walks are bounded.
import type { Dirent } from "node:fs"
import { readdir, realpath, stat } from "node:fs/promises"
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { isInside } from "../../policy/places.ts"
import type { TurnEvent } from "../../protocol/event.ts"
import type { SessionRow } from "../../store/store.ts"
import { listFolder, readWorkspaceFile, type WorkspaceFile, writeAgentFile } from "../agents/agent-files.ts"
import { requireAgent } from "../inbound.ts"
import type { Parts } from "../parts.ts"

export type TouchKind = "modified" | "read"

/** A folder where a session works, symlinks resolved. */
export interface SessionFolder {
  root: string
  /** Pincer's home, symlinks resolved, and the one folder in it that agents work in, if this is it. */
  home: string
}

const PAGE = 500
const MAX_TOUCHED = 500
const MAX_FOUND = 200
const MAX_WALKED = 20_000
const SKIPPED: ReadonlySet<string> = new Set([".git", "node_modules"])
const KEYS = /(?:^|\/)\.(?:ssh|gnupg|aws|kube|docker|pincer)(?:\/|$)|(?:^|\/)\.(?:netrc|npmrc|pypirc)$/i
const IMAGES: Readonly<Record<string, string>> = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
}

/** A path below some folder. */
export const mayHoldKeys = (inner: string) => KEYS.test(inner)

/** Undefined when it is not there (yet). */
export async function folderOf(session: SessionRow, parts: Parts): Promise<SessionFolder | undefined> {
  const folder = session.cwd ?? requireAgent(session.agentId, parts).workspace
  const [root, home] = await Promise.all([real(folder), real(parts.home)])
  return root === undefined ? undefined : { root, home: home ?? parts.home }
}

const real = (path: string) => realpath(path).catch(() => undefined)

/** The path within the folder, as methods take it. Throws INVALID_PARAMS, PERMISSION_DENIED. */
function within({ home, root }: SessionFolder, path: string): string {
  const place = isAbsolute(path) ? resolve(path) : resolve(root, path)
  if (!isInside(place, root))
    throw new PincerError("INVALID_PARAMS", `"${path}" lies outside the folder of the session (${root})`)
  const inner = relative(root, place).split(sep).join("/")
  if (mayHoldKeys(inner) || (isInside(place, home) && !isInside(root, home)))
    throw new PincerError("PERMISSION_DENIED", `"${path}" may hold keys: it is not shown`)
  return inner
}

/** Also when a link leads there. */
async function checkedPlace(folder: SessionFolder, path: string): Promise<string> {
  const inner = within(folder, path)
  const place = await real(join(folder.root, inner))
  if (place !== undefined && isInside(place, folder.root)) within(folder, place)
  return inner
}

/** Throws NOT_FOUND, TOO_LARGE, INVALID_PARAMS, PERMISSION_DENIED. */
export async function fileIn(folder: SessionFolder, path: string): Promise<WorkspaceFile> {
  return readWorkspaceFile(folder.root, await checkedPlace(folder, path))
}

/** Replaces a file that is as `expectedHash` says, or makes one where there is none (""). Throws CONFLICT when it is another by now. */
export async function writeIn(
  folder: SessionFolder,
  { content, expectedHash, path }: { content: string; expectedHash: string; path: string },
  shown: (text: string) => string,
): Promise<WorkspaceFile> {
  const inner = await checkedPlace(folder, path)
  const known = await fileIn(folder, path).catch((error: unknown) => {
    if (error instanceof PincerError && error.code === "NOT_FOUND") return undefined
    throw error
  })
  if ((known?.hash ?? "") !== expectedHash)
    throw new PincerError("CONFLICT", `"${inner}" was changed in the meantime: read it again`, {
      details: { code: "FILE_CHANGED", hash: known?.hash ?? null },
    })
  if (known && shown(known.content) !== known.content)
    throw new PincerError(
      "CONFLICT",
      `"${inner}" holds secrets that were not shown and would be lost: change it by hand`,
    )
  const above = dirname(inner)
  const place = await real(join(folder.root, above))
  if (place === undefined || !isInside(place, folder.root))
    throw new PincerError("NOT_FOUND", `There is no folder "${above}" in the folder of the session`)
  await writeAgentFile(place, basename(inner), content)
  return fileIn(folder, inner)
}

export interface TouchedFile {
  path: string
  workspacePath?: string
  name: string
  kind: TouchKind
  missing: boolean
  size?: number
  updatedAtMs?: number
}

/** Files that the session's turns read or changed, last touched first. */
export async function touchedFiles(
  session: SessionRow,
  folder: SessionFolder | undefined,
  parts: Parts,
): Promise<TouchedFile[]> {
  const touched = new Map<string, TouchKind>()
  for (let afterSeq = 0; afterSeq < session.lastSeq; ) {
    const page = await parts.store.transcript.events(session.key, { afterSeq, limit: PAGE })
    if (page.length === 0) break
    for (const { event } of page)
      for (const [path, kind] of touchesOf(event)) {
        const before = touched.get(path)
        touched.delete(path)
        touched.set(path, before === "modified" ? before : kind)
      }
    afterSeq = page.at(-1)!.seq
  }
  const newest = [...touched].reverse().slice(0, MAX_TOUCHED)
  return Promise.all(newest.map(([path, kind]) => shownTouch(path, kind, folder)))
}

const KINDS: Readonly<Record<string, TouchKind>> = {
  read: "read",
  edit: "modified",
  delete: "modified",
  move: "modified",
}

function touchesOf(event: TurnEvent): [path: string, kind: TouchKind][] {
  if (event.type !== "tool.started") return []
  const kind = KINDS[event.view?.kind ?? ""]
  if (!kind) return []
  return (event.view?.locations ?? []).map(({ path }) => [path, kind])
}

async function shownTouch(path: string, kind: TouchKind, folder: SessionFolder | undefined): Promise<TouchedFile> {
  const place = folder && isInside(path, folder.root) ? relative(folder.root, path).split(sep).join("/") : undefined
  const known = place === undefined ? undefined : await stat(path).catch(() => undefined)
  return {
    path: place ?? path,
    ...(place === undefined ? {} : { workspacePath: place }),
    name: basename(path),
    kind,
    missing: known?.isFile() !== true,
    ...(known?.isFile() ? { size: known.size, updatedAtMs: Math.round(known.mtimeMs) } : {}),
  }
}

/** How a file's content can be looked at. */
export function previewOf({ encoding, name }: Pick<WorkspaceFile, "encoding" | "name">) {
  const image = IMAGES[extname(name).toLowerCase()]
  if (image !== undefined) return { previewKind: "image" as const, mimeType: image }
  return encoding === "utf8"
    ? { previewKind: "text" as const, mimeType: "text/plain" }
    : { previewKind: "unsupported" as const, mimeType: "application/octet-stream" }
}

export interface Browsed {
  path: string
  parentPath?: string
  search?: string
  entries: { path: string; name: string; kind: "file" | "directory"; size?: number; updatedAtMs?: number }[]
  truncated?: true
}

/** One folder, or what is named like this below it. */
export async function browse(folder: SessionFolder, path: string, search: string | undefined): Promise<Browsed> {
  const inner = await checkedPlace(folder, path)
  if (search === undefined) {
    const { entries, ...place } = await listFolder(folder.root, inner)
    const shown = entries.filter((one) => isShown(folder, one.path))
    return {
      ...place,
      entries: shown
        .slice(0, 2 * PAGE)
        .map(({ kind, name, path, size, updatedAtMs }) => ({ kind, name, path, size, updatedAtMs })),
      ...(shown.length > 2 * PAGE ? { truncated: true as const } : {}),
    }
  }
  return { path: inner, search, ...(await found(folder, inner, search.toLowerCase())) }
}

function isShown(folder: SessionFolder, path: string): boolean {
  try {
    within(folder, path)
    return true
  } catch (error) {
    if (error instanceof PincerError) return false
    throw error
  }
}

async function found(
  folder: SessionFolder,
  from: string,
  word: string,
): Promise<Pick<Browsed, "entries" | "truncated">> {
  const entries: Browsed["entries"] = []
  const waiting = [from]
  for (let walked = 0, at = waiting.shift(); at !== undefined; at = waiting.shift()) {
    const rows = await readdir(join(folder.root, at), { withFileTypes: true }).catch((): Dirent[] => [])
    for (const row of rows.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      walked += 1
      const path = at === "" ? row.name : `${at}/${row.name}`
      if (walked > MAX_WALKED || entries.length === MAX_FOUND) return { entries, truncated: true }
      // Links are not followed: one may lead in a circle, or out.
      const isFolder = row.isDirectory()
      if ((!isFolder && !row.isFile()) || !isShown(folder, path)) continue
      if (isFolder && !SKIPPED.has(row.name)) waiting.push(path)
      if (row.name.toLowerCase().includes(word))
        entries.push({ path, name: row.name, kind: isFolder ? "directory" : "file" })
    }
  }
  return { entries }
}

// What a backup says about itself: pincer-backup.json, the first entry of its tar file. It lists every file with its size and SHA-256,
// so that a backup can be judged without trusting anything else in it.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"

export const MANIFEST = "pincer-backup.json"

export interface BackupFile {
  /** Below the home, with "/" between its parts. */
  path: string
  bytes: number
  sha256: string
  /** Permission bits. */
  mode: number
}

/** A symbolic link; it leads to a place within the same folder of the home. */
export interface BackupLink {
  path: string
  target: string
}

export interface Manifest {
  format: "pincer-backup"
  version: 1
  /** ISO 8601. */
  createdAt: string
  pincer: string
  node: string
  /** The home that it was made of. */
  home: string
  /** Schema of the database in it; null when there was none. */
  schema: number | null
  /** Whether tokens, keys and secrets of the configuration are in it. */
  secrets: boolean
  /** Whether the folders that agents work in are in it. */
  workspace: boolean
  files: BackupFile[]
  links: BackupLink[]
  /** Folders with nothing in them. */
  folders: string[]
  /** What was there and is not in it, with the reason. */
  left: { path: string; reason: string }[]
}

/** Reads a manifest. Throws INVALID_PARAMS when it is none that this Pincer understands. */
export function parseManifest(text: string, file: string): Manifest {
  const value = parsed(text)
  const wrong = (why: string) => new PincerError("INVALID_PARAMS", `${file} is not a backup of Pincer: ${why}`)
  if (!isObject(value) || value["format"] !== "pincer-backup") throw wrong(`${MANIFEST} does not say so`)
  if (value["version"] !== 1)
    throw new PincerError("INVALID_PARAMS", `${file} was written by a newer Pincer: install that one to read it`)
  const { createdAt, pincer, node, home, schema, secrets, workspace, files, links, folders, left } = value
  if (![createdAt, pincer, node, home].every((one) => typeof one === "string")) throw wrong("its manifest is damaged")
  if (schema !== null && typeof schema !== "number") throw wrong("its manifest is damaged")
  if (!Array.isArray(files) || !Array.isArray(links)) throw wrong("its manifest lists no files")
  if (!files.every(isFile) || !links.every(isLink)) throw wrong("its manifest names a path that leads out of the home")
  const empty = Array.isArray(folders) ? folders : []
  if (!empty.every(isInside)) throw wrong("its manifest names a path that leads out of the home")
  return {
    format: "pincer-backup",
    version: 1,
    createdAt: String(createdAt),
    pincer: String(pincer),
    node: String(node),
    home: String(home),
    schema,
    secrets: secrets === true,
    workspace: workspace === true,
    files,
    links,
    folders: empty,
    left: Array.isArray(left) ? left.filter(isLeft) : [],
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isFile(value: unknown): value is BackupFile {
  return (
    isObject(value) &&
    isInside(value["path"]) &&
    typeof value["bytes"] === "number" &&
    typeof value["sha256"] === "string" &&
    typeof value["mode"] === "number"
  )
}

function isLink(value: unknown): value is BackupLink {
  return (
    isObject(value) &&
    isInside(value["path"]) &&
    typeof value["target"] === "string" &&
    staysInside(value["path"], value["target"])
  )
}

function isLeft(value: unknown): value is Manifest["left"][number] {
  return isObject(value) && typeof value["path"] === "string" && typeof value["reason"] === "string"
}

/** A plain path below the home. */
function isInside(path: unknown): path is string {
  return (
    typeof path === "string" &&
    path !== "" &&
    !path.includes("\0") &&
    !path.includes("\\") &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  )
}

/** Whether a link at `path` stays below the first folder of that path, or within the home where it lies at its top. */
export function staysInside(path: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\\") || target.includes("\0")) return false
  const parts = path.split("/").slice(0, -1)
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue
    if (part !== "..") parts.push(part)
    else if (parts.length <= 1) return false
    else parts.pop()
  }
  return parts.length > 0
}

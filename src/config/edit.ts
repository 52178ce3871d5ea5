// Changing pincer.json without losing what a person wrote around it: comments, order and indentation stay. The whole result is
// validated before it is written, the file is replaced in one step, and the one before it is kept as <file>.bak.
import { createHash } from "node:crypto"
import {
  chmodSync,
  closeSync,
  copyFileSync,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import { dirname } from "node:path"
import type { Edit } from "jsonc-parser"
import { type Clock, systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { makeFolder } from "../base/folder.ts"
import { isObject } from "../base/json.ts"
import { checkText, invalidConfig } from "./check.ts"
import { formatPath, jsonc, parseDocument } from "./document.ts"
import { readConfigFile } from "./load.ts"
import { reason } from "./regular-file.ts"
import { insertion, removal } from "./splice.ts"

/** Keys from the root: names, and numbers for list items that were written in brackets. */
export type ConfigPath = (string | number)[]

/** `a.b[0].c`, `providers["my.own"].baseUrl`; a step of digits counts as a list index where a list stands. Throws INVALID_PARAMS. */
export function parsePath(text: string): ConfigPath {
  const path: ConfigPath = []
  const step = /(?:^|\.)([^.[\]"\s]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/y
  while (step.lastIndex < text.length) {
    const match = step.exec(text)
    if (!match)
      throw new PincerError(
        "INVALID_PARAMS",
        `"${text}" is not a config path: write it like gateway.port or providers["my.own"].baseUrl`,
      )
    if (match[1] !== undefined) path.push(match[1])
    else if (match[2] !== undefined) path.push(Number(match[2]))
    else path.push(String(JSON.parse(match[3]!)))
  }
  if (path.length === 0)
    throw new PincerError("INVALID_PARAMS", "The config path is empty: name a key, for example gateway.port")
  return path
}

/** The value at a path of any plain value; undefined when it is not there. Own keys only. */
export function getPath(value: unknown, path: string): unknown {
  let here = value
  for (const step of parsePath(path)) {
    if (Array.isArray(here)) here = here[Number(step)]
    else if (isObject(here) && Object.hasOwn(here, step)) here = here[step]
    else return undefined
  }
  return here
}

/** What a person typed on the command line: JSON when it is JSON, also True and 'text'; else the text itself. */
export function parseValue(text: string): unknown {
  if (/^(?:true|false|null)$/i.test(text)) return JSON.parse(text.toLowerCase())
  const quoted = /^'([^']*)'$/.exec(text)?.[1]
  if (quoted !== undefined) return quoted
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The text with the value set at the path, still commented and formatted. Throws INVALID_PARAMS with `details.issues` when the result would not be valid. */
export function setPath(text: string | undefined, path: string, value: unknown): string {
  if (value === undefined) throw new TypeError("setPath() needs a value; unsetPath() removes one")
  return change(text, parsePath(path), value)
}

/** The text without the key. Throws NOT_FOUND when the file does not hold it. */
export function unsetPath(text: string | undefined, path: string): string {
  const steps = parsePath(path)
  if (getPath(readable(text ?? ""), path) === undefined)
    throw new PincerError("NOT_FOUND", `${formatPath(steps)} is not set in the config file`)
  return change(text, steps, undefined)
}

/** The text with these places set (undefined: taken out), commented and formatted as before. Not judged. */
export function withPlaces(
  text: string | undefined,
  places: readonly { steps: readonly string[]; after: unknown }[],
): string {
  let result = withRoot(text ?? "")
  for (const { after, steps } of places) result = jsonc.applyEdits(result, editsFor(result, [...steps], after))
  return result
}

function change(text: string | undefined, path: ConfigPath, value: unknown): string {
  const before = withRoot(text ?? "")
  const steps = asIndexes(readable(before), path)
  const after = jsonc.applyEdits(before, editsFor(before, steps, value))
  const checked = checkText(after)
  if (checked.ok) return after
  throw invalidConfig(
    value === undefined ? `Without ${formatPath(path)}` : `With ${formatPath(path)} set so`,
    checked.issues,
  )
}

/** A text with at least an empty object in it, below the remarks that may be all there is. */
function withRoot(text: string): string {
  if (text.trim() === "") return "{}\n"
  if (jsonc.parseTree(text, [], { allowTrailingComma: true }) !== undefined) return text
  return `${text.trimEnd()}\n{}\n`
}

function editsFor(text: string, path: ConfigPath, value: unknown): Edit[] {
  const { findNodeAtLocation, modify, parseTree } = jsonc
  const root = parseTree(text, [], { allowTrailingComma: true })
  const formattingOptions = formattingOf(text)
  const node = root && findNodeAtLocation(root, path)
  if (root && node && value === undefined) return removal(text, node.parent?.type === "property" ? node.parent : node)
  if (root && !node) {
    // The deepest object of the path that is there gets what is missing below it as one value.
    let depth = path.length - 1
    while (depth > 0 && !findNodeAtLocation(root, path.slice(0, depth))) depth -= 1
    const parent = findNodeAtLocation(root, path.slice(0, depth))
    const missing = path.slice(depth + 1).reduceRight<unknown>((inner, step) => ({ [step]: inner }), value)
    const unit = formattingOptions.insertSpaces ? " ".repeat(formattingOptions.tabSize) : "\t"
    const edits =
      parent?.type === "object" && insertion(text, parent, String(path[depth]), missing, unit, formattingOptions.eol)
    if (edits) return edits
  }
  try {
    return modify(text, path, value, { formattingOptions })
  } catch (error) {
    // jsonc-parser refuses to put a key into something that is neither object nor list.
    throw new PincerError(
      "INVALID_PARAMS",
      `Cannot set ${formatPath(path)}: a value without keys of its own stands above it`,
      {
        cause: error,
      },
    )
  }
}

/** The value of a text that may fail the schema (that is what an edit may repair) but must be JSONC. */
function readable(text: string): unknown {
  const document = parseDocument(text)
  if (document.value === undefined) throw invalidConfig("The config file cannot be edited", document.issues)
  return document.value
}

function asIndexes(value: unknown, path: ConfigPath): ConfigPath {
  let here = value
  return path.map((step) => {
    const index = Array.isArray(here) && /^\d+$/.test(String(step)) ? Number(step) : String(step)
    here = Array.isArray(here)
      ? here[Number(index)]
      : isObject(here) && Object.hasOwn(here, index)
        ? here[index]
        : undefined
    return index
  })
}

function formattingOf(text: string): { insertSpaces: boolean; tabSize: number; eol: string } {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? "  "
  return {
    insertSpaces: !indent.startsWith("\t"),
    tabSize: indent.startsWith("\t") ? 1 : indent.length,
    eol: text.includes("\r\n") ? "\r\n" : "\n",
  }
}

/** sha256 of the text as lower-case hex; an absent file counts as the empty text. */
export function hashOf(text: string | undefined): string {
  return createHash("sha256")
    .update(text ?? "")
    .digest("hex")
}

/** What has happened in a write so far, for tests that end the process there. */
export type WriteStep = "opened" | "written" | "kept" | "renamed"

/** A writer that takes longer than this is taken for dead. */
const STALE_WRITER_MS = 10_000

/**
 * Replaces the config file: validated, written aside, synced, the old one kept as `<path>.bak`, renamed, mode 0600. A link stays
 * a link. `expectedHash`: hashOf() of what the caller read. Throws CONFLICT when the file has changed since or somebody else is
 * writing now, INVALID_PARAMS when `text` is not a valid configuration, UNAVAILABLE when the disk refuses. Returns the new hash.
 */
export function writeConfig(
  path: string,
  text: string,
  expectedHash?: string,
  clock: Clock = systemClock,
  checkpoint: (step: WriteStep) => void = () => undefined,
): { hash: string } {
  const checked = checkText(text)
  if (!checked.ok) throw invalidConfig(path, checked.issues)
  replaceFile(path, text, { expectedHash, clock, checkpoint })
  return { hash: hashOf(text) }
}

interface Replacing {
  expectedHash: string | undefined
  clock: Clock
  checkpoint(step: WriteStep): void
}

/** Puts back what stood there before a write that turned out to be no good, as it was; undefined: there was no file. */
export function restoreConfig(path: string, text: string | undefined, expectedHash: string): void {
  if (text === undefined) {
    if (hashOf(readConfigFile(path)?.text) === expectedHash) rmSync(path, { force: true })
    return
  }
  replaceFile(path, text, { expectedHash, clock: systemClock, checkpoint: () => undefined })
}

function replaceFile(path: string, text: string, replacing: Replacing): void {
  try {
    makeFolder(dirname(path))
    replace(followLink(path), text, replacing)
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw new PincerError("UNAVAILABLE", `Cannot write ${path}: ${reason(error)}`, { cause: error, retryable: false })
  }
}

function replace(path: string, text: string, { checkpoint, clock, expectedHash }: Replacing): void {
  // The draft has a fixed name and is made exclusively, so it is also the lock between two writers.
  const draft = `${path}.next`
  const fd = openDraft(draft, path, clock)
  try {
    try {
      checkpoint("opened")
      const current = readConfigFile(path)
      if (expectedHash !== undefined && hashOf(current?.text) !== expectedHash)
        throw new PincerError("CONFLICT", `${path} has changed since it was read: read it again and repeat the change`)
      fchmodSync(fd, 0o600)
      writeSync(fd, text)
      fsyncSync(fd)
      checkpoint("written")
      if (current) backUp(path)
      checkpoint("kept")
    } finally {
      closeSync(fd)
    }
    renameSync(draft, path)
    checkpoint("renamed")
    syncFolder(dirname(path))
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

function openDraft(draft: string, path: string, clock: Clock): number {
  for (let attempt = 0; ; attempt++) {
    try {
      return openSync(draft, "wx", 0o600)
    } catch (error) {
      if (reason(error) !== "EEXIST") throw error
      const age = clock.now() - (statSync(draft, { throwIfNoEntry: false })?.mtimeMs ?? 0)
      if (attempt > 0 || age < STALE_WRITER_MS)
        throw new PincerError("CONFLICT", `Another program is changing ${path} right now: try again`, {
          retryable: true,
        })
      rmSync(draft, { force: true })
    }
  }
}

function backUp(path: string): void {
  const copy = `${path}.bak.next`
  copyFileSync(path, copy)
  chmodSync(copy, 0o600)
  renameSync(copy, `${path}.bak`)
}

function followLink(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if (reason(error) === "ENOENT") return path
    throw error
  }
}

/** Makes the rename itself survive a power cut; Windows cannot open folders and needs no such step. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return
  const fd = openSync(folder, "r")
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

// What the config methods answer: the file and the configuration in force as they may be shown, changes, and what the schema says.
// Every secret is replaced before anything leaves this file.
import { PincerError } from "../../base/errors.ts"
import { lastGood } from "../../config/boot-record.ts"
import { changesBetween, shownChange } from "../../config/changes.ts"
import { checkDocument, checkText, defaultConfig } from "../../config/check.ts"
import { type ConfigIssue, parseDocument } from "../../config/document.ts"
import { getPath, hashOf } from "../../config/edit.ts"
import { versionsIn, versionText } from "../../config/history.ts"
import { readConfigFile } from "../../config/load.ts"
import { redact, redactText } from "../../config/redact.ts"
import type { ConfigEdit } from "../../config/revise.ts"
import type { Parts } from "../parts.ts"
import { few } from "./config-service.ts"
import { changeConfig } from "./config-writer.ts"
import { leaveRestartNote, restartDelay } from "./restart-note.ts"

/** The words that clients of the original gateway look for. */
const NO_HASH = "config base hash required; re-run config.get and retry"

export interface WriteWish {
  edit: ConfigEdit
  /** Whether it replaces text that the caller must have read. */
  needsHash: boolean
  baseHash?: string | undefined
  note?: string | undefined
  sessionKey?: string | undefined
  /** Start anew for what cannot count otherwise, so long after the answer. Absent: that is left to somebody else. */
  restart?: { delayMs: number | undefined }
}

/** The configuration in force, or what stands at a key; and the file as it is now, whether that is what counts or not. */
export async function shownConfig(parts: Parts, key: string | undefined) {
  const config: unknown = redact(parts.live.current())
  const value = key === undefined ? config : getPath(config, key)
  if (value === undefined)
    throw new PincerError("NOT_FOUND", `The configuration has no key "${key}": run "pincer config get" to see all`)
  const { mode, refused } = parts.live
  const waiting = parts.live.waiting().map((change) => change.path)
  return { ...shownFile(parts), config, value, mode, restart: waiting, ...(refused ? { refused } : {}) }
}

function shownFile({ configPath: path }: Parts) {
  const text = textOrIssue(path)
  if (typeof text === "object") return { ...shownText(path, ""), exists: true, raw: null, valid: false, issues: [text] }
  if (text === undefined) return { ...shownText(path, ""), exists: false, raw: null }
  return shownText(path, text)
}

function shownText(path: string, text: string) {
  const document = parseDocument(text)
  const checked = checkDocument(document)
  return {
    path,
    exists: true,
    raw: redactText(text),
    parsed: redact(document.value ?? {}),
    valid: checked.ok,
    issues: checked.ok ? [] : checked.issues,
    warnings: [],
    legacyIssues: [],
    hash: hashOf(text),
  }
}

function textOrIssue(path: string): string | undefined | ConfigIssue {
  try {
    return readConfigFile(path)?.text
  } catch (error) {
    if (error instanceof PincerError) return { path: "", message: error.message }
    throw error
  }
}

/** Changes the file and what counts. Throws INVALID_PARAMS with `details.issues`, CONFLICT. */
export async function writeConfigFor(parts: Parts, wish: WriteWish, who: string) {
  const { configPath: config, home, log } = parts
  const text = textOrIssue(config)
  if (wish.needsHash && text !== undefined && wish.baseHash === undefined)
    throw new PincerError("INVALID_PARAMS", NO_HASH, { details: { code: "CONFIG_BASE_HASH_REQUIRED" } })
  const outcome = await changeConfig({ ...pick(parts), paths: { config, home } }, wish.edit, wish.baseHash)
  log.info(
    { by: who, changed: few(outcome.changed), restart: few(outcome.restart), note: wish.note },
    "The configuration was changed",
  )
  return written(parts, outcome, wish, restartFor(parts, outcome.restart, wish))
}

function pick({ clock, live, log }: Parts) {
  return { clock, live, log }
}

function written(
  parts: Parts,
  { changed, hash, restart, warnings }: { changed: string[]; hash: string; restart: string[]; warnings: string[] },
  { note, sessionKey }: Pick<WriteWish, "note" | "sessionKey">,
  begun: Restart | undefined,
) {
  const needed = restart.length > 0 || begun !== undefined
  const cure = begun ? "the gateway starts anew" : "pincer gateway restart"
  const reason = needed ? `${few(restart).join(", ")}: ${cure}` : "everything counts already"
  return {
    ok: true,
    saved: true,
    path: parts.configPath,
    config: redact(parts.live.filed()),
    hash,
    changed,
    warnings,
    restart: {
      ok: !needed || begun !== undefined,
      needed,
      scheduled: begun !== undefined,
      paths: restart,
      pid: process.pid,
      signal: null,
      delayMs: begun?.delayMs ?? 0,
      reason,
    },
    sentinel: {
      path: begun?.path ?? null,
      payload: { kind: "config-apply", status: "ok", ts: parts.clock.now(), note, sessionKey },
    },
  }
}

interface Restart {
  delayMs: number
  /** Where it stands what the next process says. */
  path: string
}

/** The program starts itself anew where it can; its process id stays. Undefined where that is not needed, asked for, or possible. */
function restartFor(parts: Parts, paths: string[], { note, restart, sessionKey }: WriteWish): Restart | undefined {
  const { clock, home, live, updates } = parts
  if (!restart || !updates?.canRestart || (paths.length === 0 && live.mode !== "safe")) return undefined
  const delayMs = restartDelay(restart.delayMs)
  const path = leaveRestartNote(home, { kind: "config-apply", ts: clock.now(), paths, sessionKey, note })
  updates.restart(`the configuration was changed: ${few(paths).join(", ")}`, delayMs)
  return { delayMs, path }
}

export async function reloadConfig(parts: Parts) {
  const { changed, restart, warnings } = await parts.live.reload("call")
  return { ok: true, changed, restart, warnings, mode: parts.live.mode }
}

/** Judges a text, or the file, as a change of it would be. A problem is an answer, not an error. */
export async function checkConfigFor(parts: Parts, text: string | undefined) {
  const base = { path: parts.configPath, exists: textOrIssue(parts.configPath) !== undefined }
  try {
    const { changed, restart, warnings } = await parts.live.check(text)
    return { ...base, ok: true, valid: true, issues: [], changed, restart, warnings }
  } catch (error) {
    if (!(error instanceof PincerError)) throw error
    const issues = error.details?.["issues"]
    const all = Array.isArray(issues) ? issues : [{ path: "", message: error.message }]
    return { ...base, ok: false, valid: false, issues: all, changed: [], restart: [], warnings: [] }
  }
}

export type DiffBase = "running" | "last-good" | "defaults"

/** What the file says otherwise than `against`. Throws INVALID_PARAMS when the file is not valid. */
export async function diffConfig(parts: Parts, against: DiffBase) {
  const file = parts.configPath
  const text = readConfigFile(file)?.text
  const now = text === undefined ? defaultConfig() : judged(text, file)
  const { base, from } = baseOf(parts, against)
  const changes = changesBetween(base, now)
  // What flags and the environment say counts before the file: there it makes no difference.
  const places = against === "running" ? await placesThatDiffer(parts) : undefined
  const told = places ? changes.filter(({ path }) => places.has(path)) : changes
  return { ok: true, path: file, against, from, changes: told.map(shownChange) }
}

async function placesThatDiffer({ live }: Parts): Promise<Set<string>> {
  const { changed, restart } = await live.check()
  return new Set([...changed, ...restart])
}

function judged(text: string, path: string) {
  const checked = checkText(text)
  if (checked.ok) return checked.config
  throw new PincerError(
    "INVALID_PARAMS",
    `${path} is not valid: run "pincer config check" (${checked.issues[0]?.message})`,
    { details: { issues: checked.issues } },
  )
}

function baseOf(parts: Parts, against: DiffBase): { base: unknown; from: string } {
  switch (against) {
    case "running":
      return { base: parts.live.current(), from: "the configuration in force" }
    case "defaults":
      return { base: defaultConfig(), from: "the defaults" }
    case "last-good": {
      const last = lastGood(parts.home)
      if (!last)
        throw new PincerError("NOT_FOUND", "No configuration has been kept as good yet: start the gateway once")
      return { base: judged(last.text, last.path), from: last.path }
    }
  }
}

export function configVersions(parts: Parts) {
  return { ok: true, versions: versionsIn(parts.home).map(({ path: _, ...row }) => row) }
}

/** Puts an earlier text back. What it replaces is kept like every text that is replaced, so undoing twice changes nothing. */
export async function undoConfig(parts: Parts, number: number, who: string) {
  const text = versionText(parts.home, number)
  return writeConfigFor(parts, { edit: { type: "text", text }, needsHash: false }, who)
}

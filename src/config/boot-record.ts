// What outlives a gateway that does not come up: how often starts with the same configuration have failed, and the configuration that
// a gateway last ran with. Written so that a killed process leaves either the old record or the new one.
import { createHash } from "node:crypto"
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeFolder } from "../base/folder.ts"
import { isObject, parseJson } from "../base/json.ts"
import { readConfigFile } from "./load.ts"
import { readRegularFile } from "./regular-file.ts"

/** Starts that were begun and not finished, one after the other. */
export interface FailedStarts {
  /** What they were started with: another configuration gets chances of its own. */
  of: string
  count: number
}

const MAX_BYTES = 10_000

/** A short name for what a start is tried with. */
export function startKey(...parts: readonly (string | number | undefined)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32)
}

/** How often starts with this have failed in a row. */
export function failedStarts(home: string, of: string): number {
  const file = readRegularFile(startsIn(home), "The record of starts", MAX_BYTES)
  const found = file && decode(file.bytes.toString("utf8"))
  return found?.of === of ? found.count : 0
}

/** To be called before a start is tried; a start that succeeds writes 0. */
export function noteStart(home: string, starts: FailedStarts): void {
  if (starts.count === 0) rmSync(startsIn(home), { force: true })
  else write(home, startsIn(home), JSON.stringify(starts))
}

/** Keeps the text that a gateway runs with. */
export function keepLastGood(home: string, text: string): void {
  const path = lastGoodIn(home)
  if (readConfigFile(path)?.text !== text) write(home, path, text)
}

/** The text that a gateway last ran with, and since when (ms since 1970). */
export function lastGood(home: string): { text: string; path: string; keptAt: number } | undefined {
  const path = lastGoodIn(home)
  const text = readConfigFile(path)?.text
  return text === undefined ? undefined : { text, path, keptAt: statSync(path).mtimeMs }
}

function startsIn(home: string): string {
  return join(home, "starts.json")
}

function lastGoodIn(home: string): string {
  return join(home, "config-last-good.json")
}

function write(home: string, path: string, text: string): void {
  makeFolder(home)
  writeFileSync(`${path}.next`, text, { mode: 0o600 })
  renameSync(`${path}.next`, path)
}

function decode(text: string): FailedStarts | undefined {
  try {
    const value = parseJson(text)
    if (!isObject(value)) return undefined
    const { count, of } = value
    return typeof of === "string" && typeof count === "number" && count > 0 ? { of, count } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

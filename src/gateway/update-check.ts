// Asks the package registry for the newest version, when somebody wants to know and never at a start. An answer is kept in the home, so
// that many questions are one request; a registry that is slow, dead or lying costs a sentence, not a wait.
import { readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Config } from "../config/schema.ts"

export const PACKAGE = "pincer"
const MAX_BYTES = 1_000_000
const VERSION = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/

export interface UpdateAnswer {
  currentVersion: string
  /** Null where the registry is not asked or does not answer. */
  latestVersion: string | null
  updateAvailable: boolean
  /** ms since 1970; null when the registry never answered. */
  checkedAt: number | null
  /** What to do, or why nothing is known: a sentence. */
  note: string
  /** What to type; null when there is nothing newer. */
  command: string | null
}

export interface UpdateRoom {
  settings: Config["update"]
  home: string
  version: string
  /** ms since 1970. */
  now(): number
  fetch?: typeof globalThis.fetch
}

interface Kept {
  registry: string
  latest: string
  at: number
}

/** Never throws. `fresh`: asks again even if the last answer still counts. */
export async function checkUpdate(room: UpdateRoom, { fresh = false } = {}): Promise<UpdateAnswer> {
  const { settings, version } = room
  const kept = await readKept(room)
  if (!settings.check) {
    const note = "The registry is not asked: update.check is false in the configuration"
    return {
      currentVersion: version,
      latestVersion: null,
      updateAvailable: false,
      checkedAt: null,
      note,
      command: null,
    }
  }
  if (kept && !fresh && room.now() - kept.at < settings.cacheMs) return answerOf(version, kept)
  try {
    const latest = await askRegistry(room)
    const now: Kept = { registry: settings.registry, latest, at: room.now() }
    await keep(room, now)
    return answerOf(version, now)
  } catch (error) {
    const { message } = asPincerError(error)
    const known = kept ? answerOf(version, kept) : undefined
    return {
      currentVersion: version,
      latestVersion: known?.latestVersion ?? null,
      updateAvailable: known?.updateAvailable ?? false,
      checkedAt: known?.checkedAt ?? null,
      note: message,
      command: known?.command ?? null,
    }
  }
}

function answerOf(version: string, { latest, at }: Kept): UpdateAnswer {
  const newer = compareVersions(latest, version) > 0
  return {
    currentVersion: version,
    latestVersion: latest,
    updateAvailable: newer,
    checkedAt: at,
    note: newer ? `Pincer ${latest} is there` : `Pincer ${version} is the newest`,
    command: newer ? `npm install -g ${PACKAGE}@${latest}` : null,
  }
}

async function askRegistry({ settings, fetch = globalThis.fetch, version }: UpdateRoom): Promise<string> {
  const url = `${settings.registry.replace(/\/+$/, "")}/${PACKAGE}/latest`
  const unknown = (why: string, cause?: unknown) =>
    new PincerError("UNAVAILABLE", `The newest version is not known: ${settings.registry} ${why}`, { cause })
  let text: string
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json", "user-agent": `pincer/${version}` },
      redirect: "error",
      signal: AbortSignal.timeout(settings.timeoutMs),
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw unknown(`answers with HTTP ${response.status}`)
    }
    text = await bounded(response)
  } catch (error) {
    if (error instanceof PincerError) throw error
    const late = error instanceof Error && error.name === "TimeoutError"
    throw unknown(late ? `does not answer within ${settings.timeoutMs} ms` : "cannot be reached", error)
  }
  const latest = versionIn(text)
  if (latest === undefined) throw unknown("answers with something that is no version")
  return latest
}

async function bounded(response: Response): Promise<string> {
  let text = ""
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > MAX_BYTES) throw new PincerError("TOO_LARGE", "The registry's answer is too large")
  }
  return text
}

function versionIn(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const found = isObject(value) ? value["version"] : undefined
    return typeof found === "string" && VERSION.test(found) ? found : undefined
  } catch {
    return undefined
  }
}

/** By semantic versioning 2.0; negative when `a` is older. What is no version counts as equal. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [VERSION.exec(a), VERSION.exec(b)]
  if (!left || !right) return 0
  for (let i = 1; i <= 3; i++) {
    const difference = Number(left[i]) - Number(right[i])
    if (difference !== 0) return difference
  }
  return comparePre(left[4], right[4])
}

/** A version without a pre-release part is newer than one with. */
function comparePre(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined || b === undefined) return a === undefined ? 1 : -1
  const [left, right] = [a.split("."), b.split(".")]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [one, other] = [left[i], right[i]]
    if (one === other) continue
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1
    const numbers = [one, other].map((part) => (/^\d+$/.test(part) ? Number(part) : undefined))
    if (numbers[0] !== undefined && numbers[1] !== undefined) return numbers[0] - numbers[1]
    if (numbers[0] !== undefined || numbers[1] !== undefined) return numbers[0] !== undefined ? -1 : 1
    return one < other ? -1 : 1
  }
  return 0
}

function fileOf({ home }: Pick<UpdateRoom, "home">): string {
  return join(home, "update-check.json")
}

/** An answer of this registry; undefined when there is none that can be read. */
async function readKept(room: UpdateRoom): Promise<Kept | undefined> {
  const text = await readFile(fileOf(room), "utf8").catch(() => undefined)
  const value = text === undefined ? undefined : parsed(text)
  if (!isObject(value) || value["registry"] !== room.settings.registry) return undefined
  const { latest, at } = value
  if (typeof latest !== "string" || !VERSION.test(latest) || typeof at !== "number" || at > room.now()) return undefined
  return { registry: room.settings.registry, latest, at }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A home that cannot be written costs the memory of the answer, nothing else. */
async function keep(room: UpdateRoom, kept: Kept): Promise<void> {
  const file = fileOf(room)
  await writeFile(`${file}.tmp`, JSON.stringify(kept), { mode: 0o600 })
    .then(() => rename(`${file}.tmp`, file))
    .catch(() => undefined)
}

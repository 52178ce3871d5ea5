// Bringing a model into our folder: copied from a file or downloaded, checked before it counts. What is not complete lies beside it as
// `<file>.part`, and a download goes on from there the next time. There is never a half model under a model's name.
import { createHash, type Hash } from "node:crypto"
import { createReadStream, existsSync, readFileSync, unlinkSync, writeFileSync } from "node:fs"
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, statfs, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject, parseJson } from "../base/json.ts"
import { processBirth } from "../base/process-birth.ts"
import { readGguf } from "./gguf.ts"

export interface Receiving {
  /** Folder that it goes to. */
  into: string
  /** File name there. */
  file: string
  signal: AbortSignal
  /** What it must be, when that is known; hexadecimal. */
  sha256?: string
  /** Bytes that are here, and how many it will be when that is known. */
  onProgress?: (done: number, total: number | undefined) => void
  /** Bytes that can still be written to a folder; default: what the system says. */
  free?: (folder: string) => Promise<number>
  /** Longest silence of a server, ms. */
  stallMs?: number
}

export interface Received {
  path: string
  bytes: number
  sha256: string
  /** Bytes that were there from an earlier try. */
  resumed: number
}

/** Left free on the disk. */
const MARGIN = 64 * 1024 * 1024
const STALL_MS = 30_000
const MAX_REDIRECTS = 5

/** Throws NOT_FOUND, ALREADY_EXISTS, INVALID_PARAMS (no model, wrong sum), UNAVAILABLE (no room, server, network), ABORTED. */
export async function copyModel(from: string, options: Receiving): Promise<Received> {
  const found = await stat(from).catch(() => undefined)
  if (!found?.isFile()) throw new PincerError("NOT_FOUND", `There is no file ${from}`)
  await readGguf(from, { whole: true })
  return receive(options, async (part) => {
    await requireRoom(options, found.size)
    const file = await open(part, "w", 0o600)
    try {
      return {
        resumed: 0,
        sum: await write(file, createReadStream(from), createHash("sha256"), 0, found.size, options),
      }
    } finally {
      await file.close()
    }
  })
}

/** `url`: https, or http on this machine. Redirects are followed as long as they stay that. */
export async function downloadModel(url: string, options: Receiving): Promise<Received> {
  return receive(options, (part) => download(requireSafe(url), part, options))
}

type Written = { resumed: number; sum: Hash }

async function receive(options: Receiving, fetch: (part: string) => Promise<Written>): Promise<Received> {
  const path = join(options.into, options.file)
  if (!/\.gguf$/i.test(options.file) || basename(options.file) !== options.file || options.file.startsWith("."))
    throw new PincerError("INVALID_PARAMS", `"${options.file}" is not the name of a model file: it has to end in .gguf`)
  if (existsSync(path))
    throw new PincerError("ALREADY_EXISTS", `${path} is there already: remove it first, or name another with --name`)
  await mkdir(options.into, { recursive: true, mode: 0o700 })
  const part = `${path}.part`
  const release = claim(`${part}.lock`, path)
  try {
    const { resumed, sum } = await fetch(part)
    const sha256 = sum.digest("hex")
    await check(part, sha256, options)
    const { size } = await stat(part)
    await rename(part, path)
    await rm(`${part}.json`, { force: true })
    return { path, bytes: size, sha256, resumed }
  } finally {
    release()
  }
}

/** What is not what it should be is removed: going on from it would lead nowhere. */
async function check(part: string, sha256: string, options: Receiving): Promise<void> {
  try {
    if (options.sha256 !== undefined && options.sha256.toLowerCase() !== sha256)
      throw new PincerError(
        "INVALID_PARAMS",
        `${options.file} is not what was asked for: its SHA-256 is ${sha256}, not ${options.sha256.toLowerCase()}. It was removed`,
      )
    await readGguf(part, { whole: true })
  } catch (error) {
    await rm(part, { force: true })
    await rm(`${part}.json`, { force: true })
    throw error
  }
}

/** One process at a time receives a file. What a dead one left counts for nothing. */
function claim(lock: string, path: string): () => void {
  const mine = `${process.pid} ${processBirth(process.pid) ?? ""}`
  for (let i = 0; i < 2; i++) {
    try {
      writeFileSync(lock, mine, { flag: "wx", mode: 0o600 })
      return () => unlinkSync(lock)
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error
      const held = readFileSync(lock, "utf8")
      const pid = Number(held.split(" ")[0])
      if (held.trim() !== "" && `${pid} ${processBirth(pid) ?? "gone"}` === held) break
      unlinkSync(lock)
    }
  }
  throw new PincerError("CONFLICT", `${path} is just being received by another process: wait for it`)
}

async function requireRoom({ into, file, free = freeBytes }: Receiving, needed: number): Promise<void> {
  const left = await free(into)
  if (left >= needed + MARGIN) return
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  throw new PincerError(
    "UNAVAILABLE",
    `There is no room for ${file} in ${into}: ${gb(needed + MARGIN)} are needed and ${gb(left)} are free. Free some, or keep the home on another disk (PINCER_HOME)`,
    { retryable: false },
  )
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/** Appends what comes; the sum and the progress go along. */
async function write(
  file: FileHandle,
  source: AsyncIterable<Uint8Array>,
  sum: Hash,
  from: number,
  total: number | undefined,
  { onProgress, signal }: Receiving,
): Promise<Hash> {
  let done = from
  onProgress?.(done, total)
  for await (const chunk of source) {
    signal.throwIfAborted()
    await file.writeFile(chunk)
    sum.update(chunk)
    done += chunk.length
    onProgress?.(done, total)
  }
  await file.sync()
  return sum
}

function requireSafe(text: string): URL {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) throw new PincerError("INVALID_PARAMS", `"${text}" is not a web address`)
  const here = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol === "http:" && !here)
    throw new PincerError("INVALID_PARAMS", `"${text}" is not an https address: models are downloaded over https only`)
  return url
}

async function download(url: URL, part: string, options: Receiving): Promise<Written> {
  const { signal, stallMs = STALL_MS } = options
  const before = await begun(part, url)
  const stall = new AbortController()
  const ends = AbortSignal.any([signal, stall.signal])
  const silence = () =>
    setTimeout(() => stall.abort(unavailable(url, `was silent for ${Math.round(stallMs / 1000)} s`)), stallMs)
  let timer = silence()
  try {
    const response = await ask(url, before, ends)
    const resumed = response.status === 206 ? before.bytes : 0
    const rest = Number(response.headers.get("content-length") ?? Number.NaN)
    const total = Number.isFinite(rest) ? resumed + rest : undefined
    if (total !== undefined) await requireRoom(options, total - resumed)
    const sum = createHash("sha256")
    if (resumed > 0) for await (const chunk of createReadStream(part)) sum.update(chunk as Buffer)
    const mark = response.headers.get("etag") ?? response.headers.get("last-modified")
    await writeFile(`${part}.json`, JSON.stringify({ url: url.href, mark }), { mode: 0o600 })
    const file = await open(part, resumed > 0 ? "a" : "w", 0o600)
    try {
      const heard = (async function* () {
        for await (const chunk of response.body ?? []) {
          clearTimeout(timer)
          yield chunk
          timer = silence()
        }
      })()
      await write(file, heard, sum, resumed, total, options)
    } finally {
      await file.close()
    }
    return { resumed, sum }
  } catch (error) {
    throw asRefusal(error, url, { signal, stall: stall.signal })
  } finally {
    clearTimeout(timer)
  }
}

function asRefusal(error: unknown, url: URL, { signal, stall }: Record<"signal" | "stall", AbortSignal>): unknown {
  if (signal.aborted)
    return new PincerError("ABORTED", "The download was stopped: the same command goes on with what is here", {
      cause: error,
    })
  if (stall.aborted) return stall.reason
  if (
    error instanceof PincerError ||
    (error instanceof Error && "code" in error && "syscall" in error && "path" in error)
  )
    return error
  if (!(error instanceof Error)) return error
  const cause = error.cause instanceof Error ? error.cause.message : error.message
  return unavailable(
    url,
    `cannot be reached or broke off (${cause}); the same command goes on with what is here`,
    error,
  )
}

function unavailable(url: URL, what: string, cause?: unknown): PincerError {
  return new PincerError("UNAVAILABLE", `${url.host} ${what}`, { ...(cause === undefined ? {} : { cause }) })
}

interface Begun {
  bytes: number
  /** What the server called this version of the file. */
  mark?: string
}

/** What an earlier try left, if it was of the same address. */
async function begun(part: string, url: URL): Promise<Begun> {
  const [found, note] = await Promise.all([
    stat(part).catch(() => undefined),
    readFile(`${part}.json`, "utf8").catch(() => ""),
  ])
  const said = noted(note)
  if (!found?.isFile() || !isObject(said) || said["url"] !== url.href || typeof said["mark"] !== "string")
    return { bytes: 0 }
  return { bytes: found.size, mark: said["mark"] }
}

function noted(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    // Nothing, or half of something: then it is begun anew.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** A server that has another version now, or knows no ranges, sends all of it. */
async function ask(first: URL, before: Begun, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> =
    before.mark && before.bytes > 0 ? { range: `bytes=${before.bytes}-`, "if-range": before.mark } : {}
  let url = first
  for (let i = 0; i <= MAX_REDIRECTS; i++) {
    const response = await fetch(url, { headers, redirect: "manual", signal })
    const next = response.headers.get("location")
    if (response.status >= 300 && response.status < 400 && next !== null) {
      await response.body?.cancel()
      url = requireSafe(new URL(next, url).href)
      continue
    }
    if (response.status === 200 || (response.status === 206 && isFrom(response, before.bytes))) return response
    await response.body?.cancel()
    throw refused(response.status, first)
  }
  throw new PincerError("UNAVAILABLE", `${first.host} led on to another address more than ${MAX_REDIRECTS} times`)
}

function isFrom(response: Response, bytes: number): boolean {
  return response.headers.get("content-range")?.startsWith(`bytes ${bytes}-`) ?? false
}

function refused(status: number, { host, href }: URL): PincerError {
  if (status === 404) return new PincerError("NOT_FOUND", `${host} has no ${href}: check the address`)
  if (status === 401 || status === 403)
    return new PincerError(
      "PERMISSION_DENIED",
      `${host} does not give ${href} to everybody (status ${status}): download it in a browser, then: pincer models local add FILE`,
    )
  return new PincerError("UNAVAILABLE", `${host} answered with status ${status} for ${href}`)
}

/** The file name that an address ends in. */
export function fileOf(url: string): string {
  const { pathname } = requireSafe(url)
  try {
    return basename(decodeURIComponent(pathname))
  } catch (error) {
    if (!(error instanceof URIError)) throw error
    return basename(pathname)
  }
}

/** The same address for another file beside it. */
export function besideUrl(url: string, file: string): string {
  const next = new URL(url)
  next.pathname = `${dirname(next.pathname).replace(/\/$/, "")}/${encodeURIComponent(file)}`
  return next.href
}

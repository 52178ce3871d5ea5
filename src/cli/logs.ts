// `pincer logs`: the log of this home from its file, or another gateway's through its own hand.
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs"
import { systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { openClient, otherGateway } from "./connect.ts"
import { inertJson, inertLine } from "./inert.ts"
import type { Screen, Style } from "./screen.ts"
import { countOf } from "./sessions.ts"

export interface LogFlags {
  follow?: boolean
  lines: string
  level?: string
  json?: boolean
}

const LEVELS: Readonly<Record<string, number>> = { debug: 20, info: 30, warn: 40, error: 50 }
const POLL_MS = 250
const CHUNK_BYTES = 1_000_000

/** What came after a place in the log, and where to go on. */
interface Piece {
  lines: string[]
  cursor: number
}

type Source = (cursor: number | undefined) => Promise<Piece>

export async function showLogs(cli: Cli, flags: LogFlags): Promise<void> {
  const limit = countOf(flags.lines, "--lines")
  const least = levelOf(flags.level)
  const { source, close } = await openSource(cli)
  try {
    let { lines, cursor } = await source(undefined)
    const wanted = (line: string) => (parsed(line)?.level ?? 60) >= least
    for (const line of lines.filter(wanted).slice(-limit)) show(cli.out, line, flags.json === true)
    while (flags.follow) {
      await systemClock.sleep(POLL_MS)
      ;({ lines, cursor } = await source(cursor))
      for (const line of lines.filter(wanted)) show(cli.out, line, flags.json === true)
    }
  } finally {
    close()
  }
}

function levelOf(name: string | undefined): number {
  if (name === undefined) return 0
  const level = LEVELS[name]
  if (level === undefined)
    throw new PincerError("INVALID_PARAMS", `--level: "${name}" is not one of ${Object.keys(LEVELS).join(", ")}`)
  return level
}

async function openSource(cli: Cli): Promise<{ source: Source; close: () => void }> {
  const named = await otherGateway(cli)
  if (named) {
    const client = await openClient(cli, named)
    return { source: (cursor) => fromGateway(client, cursor), close: () => client.close() }
  }
  const { log } = resolvePaths(cli.env, cli.flags)
  if (!statSync(log, { throwIfNoEntry: false }))
    throw new PincerError("NOT_FOUND", `${log} does not exist: no gateway has run on this home yet`)
  return { source: async (cursor) => fromFile(log, cursor), close: () => undefined }
}

async function fromGateway(
  client: { request(method: string, params: Record<string, unknown>): Promise<unknown> },
  cursor?: number,
): Promise<Piece> {
  const answer = await client.request("logs.tail", {
    limit: 5000,
    maxBytes: CHUNK_BYTES,
    ...(cursor === undefined ? {} : { cursor }),
  })
  if (!isObject(answer) || !Array.isArray(answer["lines"])) return { lines: [], cursor: cursor ?? 0 }
  return { lines: answer["lines"].filter((line) => typeof line === "string"), cursor: Number(answer["cursor"]) }
}

/** Whole lines after `cursor` (bytes), or the last ones. A file that has become shorter was rotated: it is read from its start. */
function fromFile(path: string, cursor: number | undefined): Piece {
  let fd: number
  try {
    fd = openSync(path, "r")
  } catch (error) {
    // Between two files of a rotation.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { lines: [], cursor: 0 }
    throw error
  }
  try {
    const { size } = fstatSync(fd)
    const from = cursor === undefined ? Math.max(0, size - CHUNK_BYTES) : cursor > size ? 0 : cursor
    const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, size - from))
    const read = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, from))
    const end = read.lastIndexOf(10) + 1
    const start = cursor === undefined && from > 0 ? Math.min(end, read.indexOf(10) + 1) : 0
    const lines = end === 0 ? [] : read.toString("utf8", start, end - 1).split("\n")
    return { lines: lines.filter((line) => line !== ""), cursor: from + end }
  } finally {
    closeSync(fd)
  }
}

interface Entry {
  level: number
  fields: Record<string, unknown>
}

function parsed(line: string): Entry | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) && typeof value["level"] === "number" ? { level: value["level"], fields: value } : undefined
  } catch {
    return undefined
  }
}

function show(out: Screen, line: string, raw: boolean): void {
  const entry = raw ? undefined : parsed(line)
  if (!entry) {
    out.line(raw ? inertJson(line) : inertLine(line))
    return
  }
  const { level: _, time, msg, err, ...rest } = entry.fields
  const at = typeof time === "string" ? time.slice(0, 19).replace("T", " ") : ""
  const word = entry.level >= 50 ? "error" : entry.level >= 40 ? "warn" : entry.level >= 30 ? "info" : "debug"
  const style: Style = entry.level >= 50 ? "red" : entry.level >= 40 ? "yellow" : "dim"
  const details = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  )
  if (isObject(err) && typeof err["message"] === "string") details.push(`(${err["message"]})`)
  const tail = details.length === 0 ? "" : `  ${out.paint(inertLine(details.join(" ")), "dim")}`
  out.line(`${out.paint(at, "dim")} ${out.paint(word.padEnd(5), style)} ${inertLine(String(msg))}${tail}`)
}

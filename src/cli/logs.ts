// `pincer logs`: the log of this home from its files, or another gateway's through its own hand.
import { statSync } from "node:fs"
import { systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import {
  followLog,
  LOG_LEVELS,
  type LogFilter,
  type LogPiece,
  matchesLog,
  parseLogLine,
  putAsideLogs,
  searchLog,
} from "../base/log-file.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { openClient, otherGateway } from "./connect.ts"
import { inertJson, inertLine } from "./inert.ts"
import type { Screen, Style } from "./screen.ts"
import { countOf } from "./sessions.ts"
import { bytes } from "./status.ts"

export interface LogFlags {
  follow?: boolean
  lines: string
  level?: string
  session?: string
  agent?: string
  since?: string
  grep?: string
  json?: boolean
}

const POLL_MS = 250
const CHUNK_BYTES = 16_000_000
/** What a gateway hands out at once. */
const THEIR_BYTES = 1_000_000
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

interface Source {
  first(filter: LogFilter, limit: number): Promise<LogPiece>
  next(before: LogPiece): Promise<LogPiece>
  close(): void
}

export async function showLogs(cli: Cli, flags: LogFlags): Promise<void> {
  const limit = countOf(flags.lines, "--lines")
  const filter = filterOf(flags)
  const source = await openSource(cli)
  try {
    let piece = await source.first(filter, limit)
    for (const line of piece.lines) show(cli.out, line, flags.json === true)
    while (flags.follow) {
      await systemClock.sleep(POLL_MS)
      piece = await source.next(piece)
      for (const line of piece.lines) if (matchesLog(line, filter)) show(cli.out, line, flags.json === true)
    }
  } finally {
    source.close()
  }
}

/** Where the log is, and what was put aside of it. */
export function showLogPath(cli: Cli, flags: { json?: boolean }): void {
  const { log } = resolvePaths(cli.env, cli.flags)
  const aside = putAsideLogs(log)
  const size = statSync(log, { throwIfNoEntry: false })?.size
  if (flags.json)
    cli.out.json({ path: log, exists: size !== undefined, size: size ?? 0, aside: aside.map(({ path }) => path) })
  else if (!cli.out.isTerminal) cli.out.line(log)
  else {
    cli.out.line(`${log} (${size === undefined ? "not there yet" : bytes(size)})`)
    for (const file of aside) cli.out.line(`${file.path} (${bytes(file.size)})`)
  }
}

function filterOf({ level, session, agent, since, grep }: LogFlags): LogFilter {
  if (level !== undefined && !LOG_LEVELS.includes(level))
    throw new PincerError("INVALID_PARAMS", `--level: "${level}" is not one of ${LOG_LEVELS.join(", ")}`)
  return { level, session, agent, grep, since: since === undefined ? undefined : sinceOf(since) }
}

/** "30m" ago, or a date. */
function sinceOf(text: string): number {
  const ago = /^(\d{1,6})([smhd])$/.exec(text)
  if (ago) return Date.now() - Number(ago[1]) * UNITS[ago[2]!]!
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(at)) return at
  throw new PincerError(
    "INVALID_PARAMS",
    `--since: "${text}" is no time: write it like 30m, 12h or 7d ago, or like 2026-03-01T09:00`,
  )
}

async function openSource(cli: Cli): Promise<Source> {
  const named = await otherGateway(cli)
  if (named) {
    const client = await openClient(cli, named)
    return {
      first: async (filter, limit) => fromGateway(client, { ...filter, limit }),
      next: async ({ cursor }) => fromGateway(client, { cursor }),
      close: () => client.close(),
    }
  }
  const { log } = resolvePaths(cli.env, cli.flags)
  if (!statSync(log, { throwIfNoEntry: false }) && putAsideLogs(log).length === 0)
    throw new PincerError("NOT_FOUND", `${log} does not exist: no gateway has run on this home yet`)
  return {
    first: async (filter, limit) => searchLog(log, filter, limit, CHUNK_BYTES),
    next: async (before) => followLog(log, before, CHUNK_BYTES),
    close: () => undefined,
  }
}

async function fromGateway(
  client: { request(method: string, params: Record<string, unknown>): Promise<unknown> },
  wanted: LogFilter & { limit?: number; cursor?: number },
): Promise<LogPiece> {
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined)
  const answer = await client.request("logs.tail", { limit: 5000, maxBytes: THEIR_BYTES, ...Object.fromEntries(given) })
  if (!isObject(answer) || !Array.isArray(answer["lines"])) return { lines: [], cursor: wanted.cursor ?? 0, inode: 0 }
  const lines = answer["lines"].filter((line) => typeof line === "string")
  return { lines, cursor: Number(answer["cursor"]), inode: 0 }
}

function show(out: Screen, line: string, raw: boolean): void {
  const fields = raw ? undefined : parseLogLine(line)
  if (!fields || typeof fields["level"] !== "number") {
    out.line(raw ? inertJson(line) : inertLine(line))
    return
  }
  const { level, time, msg, err, ...rest } = fields
  const at = typeof time === "string" ? time.slice(0, 19).replace("T", " ") : ""
  const word = Number(level) >= 50 ? "error" : Number(level) >= 40 ? "warn" : Number(level) >= 30 ? "info" : "debug"
  const style: Style = Number(level) >= 50 ? "red" : Number(level) >= 40 ? "yellow" : "dim"
  const details = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  )
  if (isObject(err) && typeof err["message"] === "string") details.push(`(${err["message"]})`)
  const tail = details.length === 0 ? "" : `  ${out.paint(inertLine(details.join(" ")), "dim")}`
  out.line(`${out.paint(at, "dim")} ${out.paint(word.padEnd(5), style)} ${inertLine(String(msg))}${tail}`)
}

// logs.tail: the gateway's log file by byte cursor, so that a client can go on where it stopped. Only whole lines are handed out.
import { type FileHandle, open } from "node:fs/promises"
import { z } from "zod"
import { isObject } from "../../base/json.ts"
import { matchesLog, parseLogLine } from "../../base/log-file.ts"
import { type Method, method } from "./method.ts"
import { count, renamed } from "./params.ts"

const LINES = 500
const BYTES = 250_000
const MAX_BYTES = 1_000_000

export interface Tail {
  /** Byte offset to ask for next. */
  cursor: number
  size: number
  lines: string[]
  /** True when lines were left out before the first one here. */
  truncated: boolean
  /** True when the file was rotated since `cursor`: the lines start anew. */
  reset: boolean
}

export interface TailOptions {
  cursor?: number
  limit: number
  maxBytes: number
}

/** Reads lines from `cursor` on, or the last ones. A file that is not there is empty. */
export async function tailLines(path: string, options: TailOptions): Promise<Tail> {
  let file: FileHandle
  try {
    file = await open(path, "r")
  } catch (error) {
    if (isObject(error) || error instanceof Error) {
      if (Reflect.get(error, "code") === "ENOENT")
        return { cursor: 0, size: 0, lines: [], truncated: false, reset: false }
    }
    throw error
  }
  try {
    return await tail(file, options)
  } finally {
    await file.close()
  }
}

async function tail(file: FileHandle, { cursor, limit, maxBytes }: TailOptions): Promise<Tail> {
  const { size } = await file.stat()
  const reset = cursor !== undefined && cursor > size
  const wanted = cursor === undefined || reset ? 0 : cursor
  const from = Math.max(wanted, size - maxBytes)
  const skipped = from > wanted
  const buffer = Buffer.alloc(size - from)
  const { bytesRead } = await file.read(buffer, 0, buffer.length, from)
  const read = buffer.subarray(0, bytesRead)
  // A line whose end is not written yet is left for the next call.
  const end = read.lastIndexOf(10) + 1
  const start = skipped ? Math.min(end, read.indexOf(10) + 1) : 0
  const lines = read.toString("utf8", start, end).split("\n")
  lines.pop()
  const shown = lines.slice(-limit)
  // Nothing but one endless line: skip it rather than stand still.
  const next = end === 0 && read.length >= maxBytes ? from + read.length : from + end
  return { cursor: next, size, lines: shown, truncated: skipped || shown.length < lines.length, reset }
}

/** `{time, line}`, with the time that stands in the line. */
function withTime(line: string, localTime: boolean) {
  const at = parseLogLine(line)?.["time"]
  const date = typeof at === "number" || typeof at === "string" ? new Date(at) : undefined
  const known = date !== undefined && !Number.isNaN(date.getTime())
  return { time: known ? (localTime ? date.toLocaleString("sv-SE") : date.toISOString()) : null, line }
}

const tailMethod = method({
  name: "logs.tail",
  aliases: ["system.logs"],
  summary: "Lines of the gateway's log: the last ones, or those after a byte cursor.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { limit: ["lines"] }),
  params: () =>
    z.object({
      cursor: z.number().int().min(0).optional(),
      limit: count(5000),
      maxBytes: count(MAX_BYTES),
      level: z
        .enum(["trace", "debug", "info", "warn", "error", "fatal"])
        .optional()
        .describe("Only lines of this level or above"),
      session: z.string().min(1).optional().describe("Only lines about this session; the end of its key is enough"),
      agent: z.string().min(1).optional().describe("Only lines about this agent"),
      since: z.number().int().min(0).optional().describe("Only lines from this time on; ms since 1970"),
      grep: z.string().min(1).max(1_000).optional().describe("Only lines that hold this text, in whatever case"),
      json: z.boolean().optional().describe("Lines as {time, line}"),
      localTime: z.boolean().optional(),
    }),
  result: () =>
    z.looseObject({
      file: z.string(),
      path: z.string(),
      cursor: z.number(),
      size: z.number(),
      lines: z.array(z.union([z.string(), z.object({ time: z.string().nullable(), line: z.string() })])),
      count: z.number(),
      truncated: z.boolean(),
      reset: z.boolean(),
    }),
  async run(params, { parts }) {
    const { json, level, session, agent, since, grep } = params
    const limit = params.limit ?? LINES
    const maxBytes = params.maxBytes ?? BYTES
    const filtered = [level, session, agent, since, grep].some((one) => one !== undefined)
    // With a filter, look at all lines before the limit is applied.
    const wanted = filtered ? { limit: MAX_BYTES, maxBytes: MAX_BYTES } : { limit, maxBytes }
    const read = await tailLines(parts.logPath, { cursor: params.cursor, ...wanted })
    const filter = { level, session, agent, since, grep }
    const kept = filtered ? read.lines.filter((line) => matchesLog(line, filter)).slice(-limit) : read.lines
    const lines = json ? kept.map((line) => withTime(line, params.localTime === true)) : kept
    return { file: parts.logPath, path: parts.logPath, ...read, lines, logs: lines, count: lines.length }
  },
})

export const logMethods: readonly Method[] = [tailMethod]

// logs.tail: the gateway's log file by byte cursor, so that a client can go on where it stopped. Only whole lines are handed out.
import { type FileHandle, open } from "node:fs/promises"
import { z } from "zod"
import { isObject } from "../../base/json.ts"
import { type Method, method } from "./method.ts"
import { count, renamed } from "./params.ts"

const LINES = 500
const BYTES = 250_000
const MAX_BYTES = 1_000_000
const LEVELS: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 }

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

/** A line of the log as an object, or undefined when it is something else. */
function parsed(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function atLeast(line: string, level: string): boolean {
  const number = parsed(line)?.["level"]
  return typeof number !== "number" || number >= (LEVELS[level] ?? 0)
}

/** `{time, line}`, with the time that stands in the line. */
function withTime(line: string, localTime: boolean) {
  const at = parsed(line)?.["time"]
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
    const { level, json } = params
    const limit = params.limit ?? LINES
    const maxBytes = params.maxBytes ?? BYTES
    // With a filter, look at all lines before the limit is applied.
    const read = await tailLines(parts.logPath, { cursor: params.cursor, limit: level ? MAX_BYTES : limit, maxBytes })
    const kept = level ? read.lines.filter((line) => atLeast(line, level)).slice(-limit) : read.lines
    const lines = json ? kept.map((line) => withTime(line, params.localTime === true)) : kept
    return { file: parts.logPath, path: parts.logPath, ...read, lines, logs: lines, count: lines.length }
  },
})

export const logMethods: readonly Method[] = [tailMethod]

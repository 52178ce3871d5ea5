// Read: a text file by lines, an image as an image, anything else by name, type and size.
import { type FileHandle, open } from "node:fs/promises"
import { z } from "zod"
import { cut } from "../base/text.ts"
import { reasonOf, resolvePath, shownPath } from "./paths.ts"
import { errorResult, type Tool, type ToolResult, textResult } from "./tool.ts"

const DEFAULT_LINES = 2_000
const MAX_LINE_CHARS = 2_000
const MAX_IMAGE_BYTES = 5_000_000
const SNIFF_BYTES = 8_192

const args = z.strictObject({
  path: z.string().min(1).describe("The file, relative to the working directory or absolute"),
  offset: z.number().int().min(1).optional().describe("First line to read, from 1"),
  limit: z.number().int().min(1).max(20_000).optional().describe(`How many lines; default ${DEFAULT_LINES}`),
})

export const read: Tool<z.infer<typeof args>> = {
  name: "Read",
  aliases: ["read", "read_file"],
  class: "read",
  effect: "read",
  description: `Reads a file. Text comes with line numbers, at most ${DEFAULT_LINES} lines at once; use offset and limit for more. Images are shown. Other binary files are named with their type and size.`,
  args,
  title: ({ path, offset, limit }) =>
    offset === undefined && limit === undefined
      ? path
      : `${path} (from line ${offset ?? 1}${limit === undefined ? "" : `, ${limit} lines`})`,
  touch: async ({ path }, cwd) => ({ reads: [await resolvePath(path, cwd)], writes: [], hosts: [] }),
  async run({ path, offset = 1, limit = DEFAULT_LINES }, context) {
    const target = await resolvePath(path, context.cwd)
    const shown = shownPath(target, context.cwd)
    let file: FileHandle
    try {
      file = await open(target, "r")
    } catch (error) {
      return errorResult(`Cannot read ${shown}: ${reasonOf(error)}`)
    }
    try {
      const stat = await file.stat()
      if (stat.isDirectory()) return errorResult(`${shown} is a directory: use LS or Glob`)
      if (!stat.isFile()) return errorResult(`${shown} is not a regular file`)
      const start = Buffer.alloc(Math.min(SNIFF_BYTES, stat.size))
      await file.read(start, 0, start.length, 0)
      const kind = binaryKind(start)
      if (kind?.startsWith("image/")) return await image(file, shown, kind, stat.size)
      if (kind) return textResult(`${shown} is a binary file (${kind}, ${stat.size} bytes); it was not read.`)
      return await lines(file, shown, offset, limit, context.settings.maxOutputChars, context.signal)
    } finally {
      await file.close()
    }
  },
}

async function image(file: FileHandle, shown: string, mimeType: string, size: number): Promise<ToolResult> {
  if (size > MAX_IMAGE_BYTES)
    return errorResult(`${shown} is an image of ${size} bytes, more than the ${MAX_IMAGE_BYTES} that can be shown`)
  const data = Buffer.alloc(size)
  await file.read(data, 0, size, 0)
  const text = `${shown} (${mimeType}, ${size} bytes)`
  return {
    content: [
      { type: "text", text },
      { type: "image", mimeType, data: data.toString("base64") },
    ],
    isError: false,
  }
}

/** Streams the file, so that a huge one costs no more than the lines that are shown. */
async function lines(
  file: FileHandle,
  shown: string,
  offset: number,
  limit: number,
  maxChars: number,
  signal: AbortSignal,
): Promise<ToolResult> {
  const out: string[] = []
  let number = 0
  let chars = 0
  let full = false
  for await (const line of file.readLines({ autoClose: false, signal })) {
    number += 1
    if (number < offset || full || out.length >= limit) continue
    const text = `${String(number).padStart(6)}\t${line.length > MAX_LINE_CHARS ? `${cut(line, MAX_LINE_CHARS)}… [line cut]` : line}`
    if (chars + text.length > maxChars && out.length > 0) {
      full = true
      continue
    }
    out.push(text)
    chars += text.length + 1
  }
  if (number === 0) return textResult(`${shown} is empty.`)
  if (out.length === 0) return errorResult(`${shown} has ${number} lines; line ${offset} does not exist`)
  const last = offset + out.length - 1
  if (offset > 1 || last < number)
    out.push(`[lines ${offset}-${last} of ${number}${last < number ? `; go on with offset ${last + 1}` : ""}]`)
  return textResult(out.join("\n"), { lines: number })
}

const MAGIC: readonly [prefix: string, type: string][] = [
  ["89504e470d0a1a0a", "image/png"],
  ["ffd8ff", "image/jpeg"],
  ["474946383", "image/gif"],
  ["255044462d", "application/pdf"],
  ["504b0304", "application/zip"],
  ["1f8b", "application/gzip"],
  ["7f454c46", "application/x-executable"],
  ["53514c69746520666f726d61742033", "application/vnd.sqlite3"],
  ["4f676753", "audio/ogg"],
  ["494433", "audio/mpeg"],
]

/** The type of a file that is not text, judged by its first bytes; undefined for text. */
export function binaryKind(start: Buffer): string | undefined {
  const hex = start.subarray(0, 16).toString("hex")
  const known = MAGIC.find(([prefix]) => hex.startsWith(prefix))
  if (known) return known[1]
  if (hex.startsWith("52494646") && start.subarray(8, 12).toString("latin1") === "WEBP") return "image/webp"
  return start.includes(0) ? "application/octet-stream" : undefined
}

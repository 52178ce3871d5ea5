// Read: a text file by lines, an image as an image, a notebook by cells, anything else by name, type and size.
import type { FileHandle } from "node:fs/promises"
import { StringDecoder } from "node:string_decoder"
import { z } from "zod"
import { excerpt } from "../base/text.ts"
import { openFile, readText } from "./files.ts"
import { notebookText, parseNotebook } from "./ipynb.ts"
import { binaryKind, SHOWN_IMAGES } from "./kind.ts"
import { LinePage, type LineWindow } from "./line-page.ts"
import { judgedPath, resolvePath, shownPath } from "./paths.ts"
import { editorText } from "./text-place.ts"
import { errorResult, type Tool, type ToolResult, textResult } from "./tool.ts"

const DEFAULT_LINES = 2_000
/** Model services refuse images that are larger than 5 MB in base64. */
const MAX_IMAGE_BYTES = 3_750_000
const SNIFF_BYTES = 8_192
const CHUNK_BYTES = 256 * 1024
/** How far a file is read on only to say how many lines it has. */
const MAX_COUNT_BYTES = 100_000_000

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
  description: `Reads a file. Text comes with line numbers, at most ${DEFAULT_LINES} lines at once; use offset and limit for more. Images are shown, notebooks come cell by cell. Other binary files are named with their type and size.`,
  args,
  title: ({ path, offset, limit }) =>
    excerpt(
      offset === undefined && limit === undefined
        ? path
        : `${path} (from line ${offset ?? 1}${limit === undefined ? "" : `, ${limit} lines`})`,
      200,
    ),
  touch: async ({ path }, cwd) => ({ reads: [await resolvePath(path, cwd)], writes: [], hosts: [] }),
  async run({ path, offset = 1, limit = DEFAULT_LINES }, context) {
    const target = await judgedPath(path, context, "reads")
    const shown = shownPath(target, context.cwd)
    const window: LineWindow = { offset, limit, maxChars: context.settings.maxOutputChars }
    const text = await editorText(target, shown, context)
    if (text !== undefined) return whole(target, text, shown, window)
    const file = await openFile(target, shown)
    try {
      const { size } = await file.stat()
      const start = Buffer.alloc(SNIFF_BYTES)
      const { bytesRead } = await file.read(start, 0, SNIFF_BYTES, 0)
      const kind = binaryKind(start.subarray(0, bytesRead))
      if (kind && SHOWN_IMAGES.includes(kind)) return await image(file, shown, kind, size)
      if (kind)
        return textResult(`${shown} is a binary file (${kind}, ${size} bytes); it was not read.`, { kind, size })
      if (target.endsWith(".ipynb")) return whole(target, await readText(target, shown), shown, window)
      return await lines(file, shown, window, context.signal)
    } finally {
      await file.close()
    }
  },
}

async function image(file: FileHandle, shown: string, mimeType: string, size: number): Promise<ToolResult> {
  if (size > MAX_IMAGE_BYTES)
    return errorResult(
      `${shown} is an image of ${size} bytes, more than the ${MAX_IMAGE_BYTES} that can be shown: make it smaller first`,
    )
  const data = await file.readFile()
  const text = `${shown} (${mimeType}, ${data.length} bytes)`
  return {
    content: [
      { type: "text", text },
      { type: "image", mimeType, data: data.toString("base64") },
    ],
    isError: false,
    details: { kind: mimeType, size },
  }
}

/** A text that is there as a whole; of a notebook its cells. */
function whole(target: string, text: string, shown: string, window: LineWindow): ToolResult {
  const page = new LinePage(window)
  page.add(target.endsWith(".ipynb") ? notebookText(parseNotebook(text, shown)) : text.replace(/^\ufeff/, ""))
  return page.finish(shown, false)
}

/** Reads on in pieces, so that a huge file costs no more than the lines that are shown. */
async function lines(file: FileHandle, shown: string, window: LineWindow, signal: AbortSignal): Promise<ToolResult> {
  const page = new LinePage(window)
  const decoder = new StringDecoder("utf8")
  const chunk = Buffer.alloc(CHUNK_BYTES)
  let position = 0
  let counted = 0
  for (;;) {
    signal.throwIfAborted()
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, position)
    if (bytesRead === 0) break
    const bytes = chunk.subarray(0, bytesRead)
    if (page.full) {
      counted += bytesRead
      page.skip(countLineEnds(bytes), bytes.at(-1) !== 10)
      if (counted > MAX_COUNT_BYTES) return page.finish(shown, true)
    } else page.add(position === 0 ? decoder.write(bytes).replace(/^\ufeff/, "") : decoder.write(bytes))
    position += bytesRead
  }
  page.add(decoder.end())
  return page.finish(shown, false)
}

function countLineEnds(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1
  return count
}

// Attached files of both dialects as message parts. Nothing is fetched: the bytes must be in the request. What a file is, is read
// from its first bytes; the caller's word counts only where they say nothing.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import type { Part } from "../protocol/message.ts"

/** Decoded bytes of one attachment. */
export const MAX_ATTACHMENT_BYTES = 5_000_000
const MAX_ATTACHMENTS = 20

/** Both shapes at once: `{type, mimeType, fileName, content}` and `{type, mimeType, filename, base64}` (snake_case too). */
const attachment = () =>
  z.object({
    type: z.string().optional(),
    mimeType: z.string().optional(),
    mime_type: z.string().optional(),
    fileName: z.string().optional(),
    filename: z.string().optional(),
    content: z.string().optional().describe("Base64, or a data URL"),
    base64: z.string().optional(),
    base64_data: z.string().optional(),
    url: z.string().optional().describe("A data URL only: nothing is fetched"),
  })

export const attachments = () => z.array(attachment()).max(MAX_ATTACHMENTS).optional()

type Attachment = z.infer<ReturnType<typeof attachment>>

/** Throws INVALID_PARAMS naming the attachment: not base64, empty, not what it claims; TOO_LARGE above 5 MB. */
export function attachmentParts(list: readonly Attachment[] = []): Part[] {
  return list.map((entry, i) => {
    const name = entry.fileName ?? entry.filename ?? `attachment ${i + 1}`
    const { data, declared } = bytesOf(entry, name)
    const sniffed = sniff(data)
    const claim = (entry.mimeType ?? entry.mime_type ?? declared)?.toLowerCase().split(";")[0]?.trim()
    if (sniffed?.startsWith("image/")) return { type: "image", mimeType: sniffed, data }
    if (claim?.startsWith("image/") || entry.type === "image")
      throw new PincerError("INVALID_PARAMS", `Attachment "${name}" is not a PNG, JPEG, GIF or WebP image`)
    return { type: "file", mimeType: sniffed ?? claim ?? "application/octet-stream", name, data }
  })
}

function bytesOf(entry: Attachment, name: string): { data: string; declared: string | undefined } {
  const given = entry.content ?? entry.base64 ?? entry.base64_data ?? entry.url
  if (given === undefined || given === "")
    throw new PincerError("INVALID_PARAMS", `Attachment "${name}" is empty: send its bytes as base64`)
  const url = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(given.slice(0, 256))
  if (!url && given === entry.url)
    throw new PincerError(
      "INVALID_PARAMS",
      `Attachment "${name}" names a URL: nothing is fetched, send its bytes as base64`,
    )
  const data = checkedData(url ? given.slice(url[0].length) : given, `Attachment "${name}"`)
  return { data, declared: url?.[1] || undefined }
}

/** The same base64. Throws INVALID_PARAMS when it is none, TOO_LARGE above 5 MB. */
export function checkedData(data: string, what: string): string {
  if (data.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(data))
    throw new PincerError("INVALID_PARAMS", `${what} is not valid base64`)
  const size = (data.length / 4) * 3 - (data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0)
  if (size > MAX_ATTACHMENT_BYTES)
    throw new PincerError("TOO_LARGE", `${what} has ${size} bytes: at most ${MAX_ATTACHMENT_BYTES} are accepted`)
  return data
}

/** The type that the first bytes tell, or undefined. */
export function sniff(base64: string): string | undefined {
  const head = Buffer.from(base64.slice(0, 64), "base64")
  const ascii = head.toString("latin1")
  if (ascii.startsWith("\x89PNG\r\n\x1a\n")) return "image/png"
  if (ascii.startsWith("\xff\xd8\xff")) return "image/jpeg"
  if (/^GIF8[79]a/.test(ascii)) return "image/gif"
  if (ascii.startsWith("RIFF") && ascii.slice(8, 12) === "WEBP") return "image/webp"
  if (ascii.startsWith("%PDF-")) return "application/pdf"
  return undefined
}

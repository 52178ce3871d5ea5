// What a user may say in parts: text, image, file, sound, a link, something handed over with its content. Nothing is fetched; bytes are
// checked and capped like attachments.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import type { Part } from "../protocol/message.ts"
import { checkedData, sniff } from "./attachments.ts"

const MAX_PARTS = 200
const MAX_TEXT = 500_000
const MAX_URI = 8_000
const MAX_NAME = 1_000

const mimeType = () =>
  z
    .string()
    .max(200)
    .regex(/^[\w.+-]+\/[\w.+-]+(?:\s*;.*)?$/, { error: "must be a media type such as text/plain" })
const data = () => z.string().min(1).describe("Base64, without a data URL")
const uri = () => z.string().min(1).max(MAX_URI)
const text = () => z.string().max(MAX_TEXT, { error: `is too long: at most ${MAX_TEXT} characters` })

const part = () =>
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("text"), text: text() }),
    z.strictObject({ type: z.literal("image"), mimeType: mimeType(), data: data() }),
    z.strictObject({
      type: z.literal("file"),
      mimeType: mimeType(),
      name: z.string().min(1).max(MAX_NAME),
      data: data(),
    }),
    z.strictObject({ type: z.literal("audio"), mimeType: mimeType(), data: data() }),
    z.strictObject({
      type: z.literal("link"),
      uri: uri(),
      name: z.string().max(MAX_NAME),
      mimeType: mimeType().optional(),
      title: z.string().max(MAX_NAME).optional(),
      description: z.string().max(10_000).optional(),
      size: z.number().int().min(0).optional(),
    }),
    z.strictObject({
      type: z.literal("resource"),
      uri: uri(),
      mimeType: mimeType().optional(),
      text: text().optional(),
      data: data().optional(),
    }),
  ])

export const content = () =>
  z
    .array(part())
    .min(1)
    .max(MAX_PARTS)
    .optional()
    .describe("What is said, in parts; instead of message and attachments")

type SaidPart = z.infer<ReturnType<typeof part>>
export type SaidParts = readonly SaidPart[]

/** Throws INVALID_PARAMS naming the part: not base64, not what it claims, empty or both in a resource; TOO_LARGE above 5 MB. */
export function saidParts(list: SaidParts): Part[] {
  const parts = list.map((one, i) => checked(one, `content.${i}`))
  if (parts.some((one) => one.type !== "text" || one.text.trim() !== "")) return parts
  throw new PincerError("INVALID_PARAMS", "content holds no words and nothing else: say something")
}

function checked(one: SaidPart, name: string): Part {
  switch (one.type) {
    case "text":
      return { type: "text", text: one.text.replaceAll("\0", "") }
    case "link":
      return one
    case "file":
      return { ...one, data: checkedData(one.data, name) }
    case "audio":
      if (!one.mimeType.startsWith("audio/"))
        throw new PincerError("INVALID_PARAMS", `${name}: "${one.mimeType}" is no sound: send it as a file`)
      return { ...one, data: checkedData(one.data, name) }
    case "image": {
      const found = sniff(checkedData(one.data, name))
      if (found?.startsWith("image/")) return { type: "image", mimeType: found, data: one.data }
      throw new PincerError("INVALID_PARAMS", `${name} is not a PNG, JPEG, GIF or WebP image`)
    }
    case "resource": {
      if ((one.text === undefined) === (one.data === undefined))
        throw new PincerError("INVALID_PARAMS", `${name}: a resource has text or data, one of them`)
      if (one.data !== undefined) checkedData(one.data, name)
      return one.text === undefined ? one : { ...one, text: one.text.replaceAll("\0", "") }
    }
    default:
      return one satisfies never
  }
}

// What an MCP server wants of a model, read with distrust: plain text and pictures, no tools, no more than agreed.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"

const MAX_MESSAGES = 100
const MAX_CHARS = 200_000
/** Wishes of one server while its calls are at work. */
export const MAX_SAMPLES = 10

export interface SamplingWish {
  /** The server's name. */
  server: string
  system?: string
  messages: { role: "user" | "assistant"; parts: SamplingPart[] }[]
  maxTokens?: number
  temperature?: number
  stop?: string[]
}

export type SamplingPart = { type: "text"; text: string } | { type: "image"; mimeType: string; data: string }

export interface SamplingAnswer {
  text: string
  model: string
  /** "endTurn", "stopSequence", "maxTokens". */
  stopReason: string
}

const text = z.looseObject({ type: z.literal("text"), text: z.string() })
const image = z.looseObject({ type: z.literal("image"), mimeType: z.string(), data: z.string() })
const part = z.union([text, image])

const wish = z.looseObject({
  messages: z
    .array(z.looseObject({ role: z.enum(["user", "assistant"]), content: z.union([part, z.array(part)]) }))
    .min(1)
    .max(MAX_MESSAGES),
  systemPrompt: z.string().optional(),
  maxTokens: z.number().optional(),
  temperature: z.number().min(0).max(2).optional(),
  stopSequences: z.array(z.string().max(200)).max(8).optional(),
  tools: z.undefined({ error: "tools are not given to servers" }).optional(),
})

/** `params`: those of `sampling/createMessage`. Throws INVALID_PARAMS. */
export function readWish(server: string, params: unknown): SamplingWish {
  const parsed = wish.safeParse(params)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new PincerError("INVALID_PARAMS", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not understood"}`)
  }
  const { maxTokens, messages, stopSequences, systemPrompt, temperature } = parsed.data
  const read: SamplingWish = {
    server,
    messages: messages.map(({ content, role }) => ({ role, parts: [content].flat().map(partOf) })),
    ...(systemPrompt === undefined ? {} : { system: systemPrompt }),
    ...(maxTokens === undefined ? {} : { maxTokens: Math.max(1, Math.floor(maxTokens)) }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(stopSequences === undefined ? {} : { stop: stopSequences }),
  }
  if (wordsOf(read).length > MAX_CHARS)
    throw new PincerError("TOO_LARGE", `More than ${MAX_CHARS} characters are not sent to a model for a server`)
  return read
}

function partOf(one: z.infer<typeof part>): SamplingPart {
  return one.type === "text"
    ? { type: "text", text: one.text }
    : { type: "image", mimeType: one.mimeType, data: one.data }
}

/** All that it says, as people read it. */
export function wordsOf({ messages, system }: SamplingWish): string {
  const said = messages.map(
    ({ parts, role }) => `${role}: ${parts.map((one) => (one.type === "text" ? one.text : "[image]")).join("\n")}`,
  )
  return [...(system === undefined ? [] : [`system: ${system}`]), ...said].join("\n")
}

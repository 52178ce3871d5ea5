// Content blocks of ACP and parts of our messages, both ways. Pure; nothing is flattened: what one side can say, the other keeps.
import type { ContentBlock } from "@agentclientprotocol/sdk"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { Part } from "../../protocol/message.ts"

type Fields = Record<string, unknown>

/** Parts that a prompt may hold. */
export type SpokenPart = Extract<Part, { type: "text" | "image" | "audio" | "link" | "resource" }>

/** The blocks of a prompt as parts. Throws INVALID_PARAMS naming the block that is none. */
export function partsOf(blocks: unknown): SpokenPart[] {
  if (!Array.isArray(blocks)) throw new PincerError("INVALID_PARAMS", "prompt must be a list of content blocks")
  return blocks.map((block: unknown, i) => {
    const part = isObject(block) ? partOf(block) : undefined
    if (part) return part
    const type = isObject(block) ? JSON.stringify(block["type"]) : "no object"
    throw new PincerError("INVALID_PARAMS", `prompt[${i}] is no content block that Pincer knows (type ${type})`)
  })
}

/** One block; undefined when it is none. */
export function partOf(block: Fields): SpokenPart | undefined {
  const { type, text, data, mimeType, uri, name, resource } = block
  switch (type) {
    case "text":
      return typeof text === "string" ? { type, text } : undefined
    case "image":
    case "audio":
      return typeof data === "string" && typeof mimeType === "string" ? { type, mimeType, data } : undefined
    case "resource_link":
      if (typeof uri !== "string") return undefined
      return { type: "link", uri, name: typeof name === "string" ? name : uri, ...linkFacts(block) }
    case "resource":
      return isObject(resource) ? resourceOf(resource) : undefined
    default:
      return undefined
  }
}

function linkFacts({ mimeType, title, description, size }: Fields) {
  return {
    ...(typeof mimeType === "string" ? { mimeType } : {}),
    ...(typeof title === "string" ? { title } : {}),
    ...(typeof description === "string" ? { description } : {}),
    ...(typeof size === "number" ? { size } : {}),
  }
}

function resourceOf({ uri, mimeType, text, blob }: Fields): SpokenPart | undefined {
  if (typeof uri !== "string") return undefined
  const base = { type: "resource" as const, uri, ...(typeof mimeType === "string" ? { mimeType } : {}) }
  if (typeof text === "string") return { ...base, text }
  return typeof blob === "string" ? { ...base, data: blob } : undefined
}

/** A part as a block; undefined for those that are no content (calls and results). */
export function blockOf(part: Part): ContentBlock | undefined {
  switch (part.type) {
    case "text":
    case "thinking":
      return { type: "text", text: part.text }
    case "image":
    case "audio":
      return { type: part.type, data: part.data, mimeType: part.mimeType }
    case "file":
      return {
        type: "resource",
        resource: { uri: `attachment:${encodeURIComponent(part.name)}`, mimeType: part.mimeType, blob: part.data },
      }
    case "link": {
      const { uri, name, mimeType, title, description, size } = part
      return {
        type: "resource_link",
        uri,
        name,
        ...(mimeType === undefined ? {} : { mimeType }),
        ...(title === undefined ? {} : { title }),
        ...(description === undefined ? {} : { description }),
        ...(size === undefined ? {} : { size }),
      }
    }
    case "resource": {
      const { uri, mimeType, text, data } = part
      const base = { uri, ...(mimeType === undefined ? {} : { mimeType }) }
      return {
        type: "resource",
        resource: data === undefined ? { ...base, text: text ?? "" } : { ...base, blob: data },
      }
    }
    case "tool.call":
    case "tool.result":
      return undefined
    default:
      return part satisfies never
  }
}

// Content blocks of ACP as parts of ours. Pure; a block without what it needs, or of a kind that we do not know, is undefined.
import { isObject } from "../../base/json.ts"
import type { Part } from "../../protocol/message.ts"

export type ShownPart = Extract<Part, { type: "text" | "image" | "audio" | "link" | "resource" }>

export function partOf(block: unknown): ShownPart | undefined {
  if (!isObject(block)) return undefined
  switch (block["type"]) {
    case "text":
      return typeof block["text"] === "string" ? { type: "text", text: block["text"] } : undefined
    case "image":
    case "audio":
      return mediaOf(block["type"], block)
    case "resource_link":
      return linkOf(block)
    case "resource":
      return resourceOf(block["resource"])
    default:
      return undefined
  }
}

function mediaOf(type: "image" | "audio", block: Record<string, unknown>): ShownPart | undefined {
  const { data, mimeType, uri } = block
  if (typeof mimeType !== "string") return undefined
  if (typeof data === "string" && data !== "") return { type, mimeType, data }
  return typeof uri === "string" && uri !== "" ? { type: "link", uri, name: uri, mimeType } : undefined
}

function linkOf(block: Record<string, unknown>): ShownPart | undefined {
  const { description, mimeType, name, size, title, uri } = block
  if (typeof uri !== "string" || uri === "") return undefined
  return {
    type: "link",
    uri,
    name: typeof name === "string" && name !== "" ? name : uri,
    ...(typeof mimeType === "string" ? { mimeType } : {}),
    ...(typeof title === "string" ? { title } : {}),
    ...(typeof description === "string" ? { description } : {}),
    ...(typeof size === "number" && size >= 0 ? { size } : {}),
  }
}

function resourceOf(resource: unknown): ShownPart | undefined {
  if (!isObject(resource)) return undefined
  const { blob, mimeType, text, uri } = resource
  if (typeof uri !== "string") return undefined
  const mime = typeof mimeType === "string" ? { mimeType } : {}
  if (typeof text === "string") return { type: "resource", uri, ...mime, text }
  return typeof blob === "string" ? { type: "resource", uri, ...mime, data: blob } : undefined
}

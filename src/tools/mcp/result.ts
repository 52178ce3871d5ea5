// What a tool of an MCP server answers, as a result that a model reads: text and pictures, everything else told in words.
import { isObject } from "../../base/json.ts"
import { CappedText } from "../../base/process.ts"
import { binaryKind, SHOWN_IMAGES } from "../kind.ts"
import type { ToolResult } from "../tool.ts"
import { seenLine } from "./words.ts"

const MAX_IMAGES = 8
/** Characters of base64 of one picture. */
const MAX_IMAGE_CHARS = 8 * 1024 * 1024
/** Characters of JSON kept for programs that watch. */
const MAX_STRUCTURED_CHARS = 8_000

type Image = Extract<ToolResult["content"][number], { type: "image" }>

/** `result`: the answer to `tools/call`, whatever it is. */
export function readResult(result: Record<string, unknown>, server: string, maxChars: number): ToolResult {
  const blocks = Array.isArray(result["content"]) ? (result["content"] as readonly unknown[]) : []
  const structured = result["structuredContent"]
  const text = new CappedText(maxChars)
  const images: Image[] = []
  let any = false
  for (const block of blocks) {
    const image = imageOf(block)
    if (image && images.length < MAX_IMAGES) {
      images.push(image)
      continue
    }
    text.add(`${any ? "\n" : ""}${words(block)}`)
    any = true
  }
  const json = isObject(structured) ? JSON.stringify(structured) : undefined
  if (!any && images.length === 0) text.add(json ?? "(The tool answered with nothing.)")
  const shown = text.toString()
  const details = {
    mcpServer: server,
    ...(json === undefined
      ? {}
      : json.length > MAX_STRUCTURED_CHARS
        ? { structuredChars: json.length }
        : { structured }),
  }
  const content = [...(shown === "" ? [] : [{ type: "text" as const, text: shown }]), ...images]
  return { content, isError: result["isError"] === true, details }
}

/** A picture that models take, by its first bytes and not by what is said of it. */
function imageOf(block: unknown): Image | undefined {
  if (!isObject(block)) return undefined
  const resource = block["type"] === "resource" && isObject(block["resource"]) ? block["resource"] : undefined
  const data = resource ? resource["blob"] : block["type"] === "image" ? block["data"] : undefined
  if (typeof data !== "string" || data.length > MAX_IMAGE_CHARS || !/^[A-Za-z0-9+/]+={0,2}$/.test(data))
    return undefined
  const kind = binaryKind(Buffer.from(data.slice(0, 64), "base64"))
  return kind !== undefined && SHOWN_IMAGES.includes(kind) ? { type: "image", mimeType: kind, data } : undefined
}

function words(block: unknown): string {
  if (!isObject(block)) return "[something that is no content]"
  switch (block["type"]) {
    case "text":
      return typeof block["text"] === "string" ? block["text"] : ""
    case "image":
    case "audio":
      return `[${block["type"]} ${line(block["mimeType"])}, ${size(block["data"])}: not shown]`
    case "resource":
      return resourceWords(isObject(block["resource"]) ? block["resource"] : {})
    case "resource_link":
      return `[resource ${line(block["uri"])}${named(block)}: not read]`
    default:
      return `[content of the unknown kind ${line(block["type"])}]`
  }
}

function resourceWords(resource: Record<string, unknown>): string {
  const { blob, text } = resource
  if (typeof text === "string") return `[resource ${line(resource["uri"])}]\n${text}`
  return `[resource ${line(resource["uri"])}, ${line(resource["mimeType"])}, ${size(blob)}: not shown]`
}

function named(block: Record<string, unknown>): string {
  const parts = [block["title"] ?? block["name"], block["description"]].filter((part) => typeof part === "string")
  return parts.length === 0 ? "" : ` (${parts.map(line).join(": ")})`
}

function line(value: unknown): string {
  return typeof value === "string" ? seenLine(value, 400) : "of no type"
}

function size(base64: unknown): string {
  return typeof base64 === "string" ? `${Math.floor((base64.length * 3) / 4)} bytes` : "empty"
}

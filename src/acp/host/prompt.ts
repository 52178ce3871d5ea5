// What the user says, as content blocks that the agent can take. What it cannot take becomes text or a link, and is named, so that the
// person can be told. Pure.
import { PincerError, unreachable } from "../../base/errors.ts"
import type { Part } from "../../protocol/message.ts"
import type { AgentAbilities } from "./host-ports.ts"

export type Block = Record<string, unknown>

export interface Prompt {
  blocks: Block[]
  /** What the agent could not take as it was, in words. */
  reduced: string[]
}

type Wants = Pick<AgentAbilities, "image" | "audio" | "embeddedContext">

/** Throws INVALID_PARAMS when nothing is left that could be said. */
export function promptOf(parts: readonly Part[], wants: Wants): Prompt {
  const reduced = new Set<string>()
  const blocks = parts.flatMap((part) => {
    const { block, loss } = blockOf(part, wants)
    if (loss !== undefined) reduced.add(loss)
    return block ? [block] : []
  })
  if (blocks.length === 0) throw new PincerError("INVALID_PARAMS", "The message is empty: say something to the agent")
  return { blocks, reduced: [...reduced] }
}

export function textBlock(text: string): Block {
  return { type: "text", text }
}

interface Made {
  block?: Block
  loss?: string
}

function blockOf(part: Part, wants: Wants): Made {
  switch (part.type) {
    case "text":
      return part.text === "" ? {} : { block: textBlock(part.text) }
    case "image":
    case "audio":
      return wants[part.type]
        ? { block: { type: part.type, mimeType: part.mimeType, data: part.data } }
        : absent(`${part.type === "image" ? "an image" : "audio"} (${part.mimeType})`)
    case "file":
      return fileOf(part, wants)
    case "link":
      return { block: linkBlock(part) }
    case "resource":
      return resourceOf(part, wants)
    case "tool.result":
      return { block: textBlock(`Result of ${part.name}:\n${part.content.map(resultText).join("\n")}`) }
    case "thinking":
    case "tool.call":
      return {}
    default:
      return unreachable(part)
  }
}

function resultText(part: { type: "text"; text: string } | { type: "image"; mimeType: string }): string {
  return part.type === "text" ? part.text : `[image, ${part.mimeType}]`
}

function linkBlock(link: Extract<Part, { type: "link" }>): Block {
  const { description, mimeType, name, size, title, uri } = link
  return {
    ...{ type: "resource_link", uri, name },
    ...(mimeType === undefined ? {} : { mimeType }),
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(size === undefined ? {} : { size: Math.floor(size) }),
  }
}

const TEXTUAL = /^(text\/|application\/(json|xml|yaml|x-yaml|toml|javascript|typescript|x-sh)\b)|\+(json|xml)\b/

function fileOf({ data, mimeType, name }: Extract<Part, { type: "file" }>, wants: Wants): Made {
  const uri = `attachment:///${encodeURIComponent(name)}`
  if (TEXTUAL.test(mimeType))
    return resourceOf({ type: "resource", uri, mimeType, text: Buffer.from(data, "base64").toString("utf8") }, wants)
  if (wants.embeddedContext) return { block: { type: "resource", resource: { uri, mimeType, blob: data } } }
  return absent(`the file ${name} (${mimeType})`)
}

function resourceOf({ data, mimeType, text, uri }: Extract<Part, { type: "resource" }>, wants: Wants): Made {
  const mime = mimeType === undefined ? {} : { mimeType }
  if (wants.embeddedContext && (text !== undefined || data !== undefined))
    return {
      block: { type: "resource", resource: { uri, ...mime, ...(text === undefined ? { blob: data } : { text }) } },
    }
  if (text !== undefined) return { block: textBlock(`${uri}:\n${text}`) }
  const link = { block: linkBlock({ type: "link", uri, name: uri, ...mime }) }
  return data === undefined ? link : { ...link, loss: `the content of ${uri}` }
}

function absent(what: string): Made {
  return { block: textBlock(`[The user sent ${what}, which you cannot be given.]`), loss: what }
}

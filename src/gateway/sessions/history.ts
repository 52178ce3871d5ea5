// Messages as the original gateway's transcripts show them (protocol §7.2, §11.4): roles user, assistant and toolResult; content
// blocks text, thinking, toolCall and image. Pure.

import { unreachable } from "../../base/errors.ts"
import { cut } from "../../base/text.ts"
import type { Message, Part, ToolResultPart, Usage } from "../../protocol/message.ts"

export type HistoryMessage = Record<string, unknown> & { role: string; timestamp: number }

/** Tokens and money under the names of both dialects. */
export function wireUsage(usage: Usage): Record<string, unknown> {
  return {
    input: usage.inputTokens,
    output: usage.outputTokens,
    cacheRead: usage.cacheReadTokens,
    cacheWrite: usage.cacheWriteTokens,
    total: usage.inputTokens + usage.outputTokens,
    totalTokens: usage.inputTokens + usage.outputTokens,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    reasoningTokens: usage.reasoningTokens,
    cost: { total: usage.costUsd },
    ...(usage.estimated ? { estimated: true } : {}),
  }
}

/** One message as transcript messages: a tool message becomes one `toolResult` for each result. */
export function historyMessages(message: Message): HistoryMessage[] {
  const base = { timestamp: message.at, id: message.id, ...(message.turnId ? { runId: message.turnId } : {}) }
  switch (message.role) {
    case "tool":
      return message.content
        .filter((part) => part.type === "tool.result")
        .map((part) => ({ ...toolResult(part), ...base }))
    case "user":
      // What Pincer itself told the model is not the user's words.
      if (message.synthetic)
        return [{ role: "custom", customType: "notice", display: true, content: blocks(message.content), ...base }]
      return [{ role: "user", content: blocks(message.content), ...base }]
    case "assistant":
      return [
        {
          role: "assistant",
          content: blocks(message.content),
          ...(message.provider ? { provider: message.provider } : {}),
          ...(message.model ? { model: message.model } : {}),
          ...(message.usage ? { usage: wireUsage(message.usage) } : {}),
          stopReason: message.stopReason === "tool_calls" ? "toolUse" : (message.stopReason ?? "stop"),
          ...(message.partial ? { partial: true } : {}),
          ...base,
        },
      ]
  }
}

function toolResult(part: ToolResultPart) {
  return {
    role: "toolResult",
    toolCallId: part.callId,
    toolName: part.name,
    content: blocks(part.content),
    isError: part.isError,
  }
}

function blocks(content: readonly Part[]): Record<string, unknown>[] {
  return content.map(block).filter((shown) => shown !== undefined)
}

function block(part: Part): Record<string, unknown> | undefined {
  switch (part.type) {
    case "text":
      return { type: "text", text: part.text }
    case "thinking":
      return part.text === "" ? undefined : { type: "thinking", thinking: part.text }
    case "image":
      return { type: "image", mimeType: part.mimeType, data: part.data }
    case "file":
      return {
        type: "file",
        mimeType: part.mimeType,
        fileName: part.name,
        bytes: bytesOf(part.data),
      }
    case "audio":
      return { type: "audio", mimeType: part.mimeType, data: part.data }
    case "link":
      return part
    case "resource":
      return { ...part, data: undefined, ...(part.data === undefined ? {} : { bytes: bytesOf(part.data) }) }
    case "tool.call": {
      const written = part.args ? {} : { raw: part.raw ?? "" }
      return { type: "toolCall", id: part.callId, name: part.name, arguments: part.args ?? {}, ...written }
    }
    case "tool.result":
      return undefined
    default:
      return unreachable(part)
  }
}

const OMITTED = "[chat.history omitted: message too large]"

/** The newest messages whose JSON fits into `maxBytes`, oldest first; one that alone is too large is replaced by a note. */
export function newestWithin(messages: readonly HistoryMessage[], maxBytes: number): HistoryMessage[] {
  const kept: HistoryMessage[] = []
  let left = maxBytes
  for (const message of [...messages].reverse()) {
    let shown = message
    let size = Buffer.byteLength(JSON.stringify(shown))
    if (size > maxBytes) {
      shown = { ...message, content: [{ type: "text", text: OMITTED }], omitted: true }
      size = Buffer.byteLength(JSON.stringify(shown))
    }
    if (size > left) break
    left -= size
    kept.push(shown)
  }
  return kept.reverse()
}

/** Long texts of a message cut to `maxChars` each. */
export function shortened(message: HistoryMessage, maxChars: number): HistoryMessage {
  if (!Array.isArray(message["content"])) return message
  const content = message["content"].map((block: Record<string, unknown>) => {
    const text = block["text"]
    return typeof text === "string" && text.length > maxChars
      ? { ...block, text: `${cut(text, maxChars)}…`, truncated: true }
      : block
  })
  return { ...message, content }
}

/** Text, with a word for whatever else stands between it, as plain text can show a message. */
export function shownText(content: readonly Part[]): string {
  let shown = ""
  let wasText = true
  for (const part of content) {
    const words = wordsFor(part)
    if (words === "") continue
    // Words of a message join as they are; a link stands within a sentence.
    const joins = shown === "" || (wasText && part.type === "link") || (wasText && part.type === "text")
    shown += joins ? words : `\n${words}`
    wasText = part.type === "text" || part.type === "link"
  }
  return shown
}

function wordsFor(part: Part): string {
  switch (part.type) {
    case "text":
      return part.text
    case "link":
      return `[${part.title ?? (part.name || part.uri)}](${part.uri})`
    case "resource":
      return `[resource: ${part.uri}]`
    case "audio":
      return "[audio]"
    case "image":
      return "[image]"
    case "file":
      return `[file: ${part.name}]`
    case "thinking":
    case "tool.call":
    case "tool.result":
      return ""
    default:
      return unreachable(part)
  }
}

/** Role and plain text, for previews. Nothing for messages with nothing to show. */
export function previewItem(message: Message, maxChars: number): { role: string; text: string } | undefined {
  if (message.synthetic || message.role === "tool") return undefined
  const text = shownText(message.content).trim()
  if (text === "") return undefined
  return { role: message.role, text: text.length > maxChars ? `${cut(text, maxChars - 1)}…` : text }
}

/** Of base64, padding aside. */
function bytesOf(data: string): number {
  return Math.floor((data.length / 4) * 3)
}

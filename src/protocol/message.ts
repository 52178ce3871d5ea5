// What a conversation is made of. One shape for storage, for models, for every door; wires translate at their edge.
import type { TaintMark } from "./decision.ts"

/** A piece of a message. `tool.call` occurs in assistant messages only, `tool.result` in tool messages only. */
export type Part =
  | { type: "text"; text: string }
  /** Reasoning text. `opaque` is the service's own signature or encrypted form, only ever sent back to `provider`. */
  | { type: "thinking"; text: string; opaque?: string; provider?: string }
  /** An image: `data` is base64 without a data-URL prefix. */
  | { type: "image"; mimeType: string; data: string }
  /** Any other attached file that a model may be able to read (PDF): `data` is base64. */
  | { type: "file"; mimeType: string; name: string; data: string }
  /** Sound: `data` is base64. */
  | { type: "audio"; mimeType: string; data: string }
  /** A reference to something that the reader may open; its content is not here. */
  | { type: "link"; uri: string; name: string; mimeType?: string; title?: string; description?: string; size?: number }
  /** Something that was handed over with its content: `text`, or `data` in base64. */
  | { type: "resource"; uri: string; mimeType?: string; text?: string; data?: string }
  | ToolCallPart
  | ToolResultPart

export interface ToolCallPart {
  type: "tool.call"
  callId: string
  name: string
  /** The arguments, parsed strictly. Absent when what the model wrote is not a JSON object; then `raw` holds it. */
  args?: Record<string, unknown>
  raw?: string
  /** The service's own id or signature of this call where it needs one back (Gemini thought signatures, Responses item ids). */
  opaque?: string
}

export interface ToolResultPart {
  type: "tool.result"
  callId: string
  name: string
  content: (Extract<Part, { type: "text" }> | Extract<Part, { type: "image" }>)[]
  isError: boolean
  /** The result holds text from outside; worked out by Pincer, never sent to a model service. */
  taint?: TaintMark[]
}

export type MessageRole = "user" | "assistant" | "tool"

export interface Message {
  id: string
  role: MessageRole
  content: Part[]
  /** When it was recorded, ms since 1970. */
  at: number
  /** The turn that it belongs to; absent for history that a caller supplied. */
  turnId?: string
  /** Assistant only: which service and model wrote it. */
  provider?: string
  model?: string
  stopReason?: StopReason
  usage?: Usage
  /** True when the answer was cut short (crash, abort, broken stream); what is there was really received. */
  partial?: boolean
  /** A user message that Pincer itself wrote to the model (for example after a restart); shown as a notice, not as the user's words. */
  synthetic?: boolean
  /** A user message from somebody the owner does not know; a summary of messages with marks. */
  taint?: TaintMark[]
  /** Set on a synthetic message that stands for the older messages of its session wherever a model is asked. */
  summary?: Summary
}

export interface Summary {
  /** Id of the newest message that it stands for. */
  through: string
  /** Id of an older message that is shown to the model all the same: the request of a turn that was summarised in its middle. */
  kept?: string
  /** How many messages it stands for, and their tokens, counted roughly. */
  messages: number
  tokens: number
}

/** Why a model stopped. */
export type StopReason = "stop" | "tool_calls" | "length" | "content_filter" | "refusal"

/** Tokens and money. `inputTokens` includes cached ones. `costUsd` is null when no price is known. */
export interface Usage {
  inputTokens: number
  outputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  /** Part of outputTokens that was spent on reasoning. */
  reasoningTokens: number
  costUsd: number | null
  /** True when the service reported nothing and the numbers are counted from text length. */
  estimated?: boolean
}

export const NO_USAGE: Readonly<Usage> = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  costUsd: null,
}

/** The sum of two usages. A cost is known as soon as one side knows it. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    costUsd: a.costUsd === null && b.costUsd === null ? null : (a.costUsd ?? 0) + (b.costUsd ?? 0),
    ...(a.estimated || b.estimated ? { estimated: true } : {}),
  }
}

/** The text of a message: its text parts joined. */
export function textOf(content: readonly Part[]): string {
  let text = ""
  for (const part of content) if (part.type === "text") text += part.text
  return text
}

/** The tool calls of a message, in order. */
export function callsOf(content: readonly Part[]): ToolCallPart[] {
  return content.filter((part) => part.type === "tool.call")
}

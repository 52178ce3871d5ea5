// Which part of a conversation a model sees when older messages were summarised, and where the next summary would end. Pure. The
// messages themselves stay in the session; the newest summary stands for those before it.
import { cut } from "../base/text.ts"
import type { Message, Part } from "../protocol/message.ts"
import { messageTokens } from "./prompt.ts"

/** What the model is shown: the newest summary, then what it does not stand for. */
export function inView(messages: readonly Message[]): readonly Message[] {
  const at = messages.findLastIndex((message) => message.summary !== undefined)
  if (at < 0) return messages
  const { kept, through } = messages[at]!.summary!
  // Not found: what is loaded of the session is newer.
  const end = messages.findIndex((message) => message.id === through) + 1
  const asked = messages.slice(0, end).filter((message) => message.id === kept)
  return [messages[at]!, ...asked, ...messages.slice(end).filter((message) => !message.summary)]
}

export function tokensOf(messages: readonly Message[]): number {
  let tokens = 0
  for (const message of messages) tokens += messageTokens(message)
  return tokens
}

/** Messages of a view that a summary is to stand for, and those that stay as they are. */
export interface Division {
  old: readonly Message[]
  rest: readonly Message[]
  /** The request of the turn that is divided in its middle; it is in `rest`. */
  asked?: Message
}

/**
 * Divides a view so that `rest` has at most `tokens` and `count` messages. It begins with something the user said, and the last
 * exchange stays whole; an exchange that is too long by itself is divided before an answer of the model, and its request stays.
 * Undefined when there is nothing to summarise.
 */
export function divide(
  view: readonly Message[],
  tokens: number,
  count = Number.POSITIVE_INFINITY,
): Division | undefined {
  const lastAsked = view.findLastIndex(isAsked)
  if (lastAsked < 0) return undefined
  let at = view.length
  for (let i = view.length - 1, used = 0; i >= 0; i--) {
    used += messageTokens(view[i]!)
    if (used > tokens || view.length - i > count) break
    at = i
  }
  if (at <= lastAsked) {
    while (!isAsked(view[at]!)) at += 1
    return worth(view, at)
  }
  const asked = view[lastAsked]!
  // Everything after the request fits or nothing can be taken away: then the exchange stays whole.
  const wholeFits = tokensOf(view.slice(lastAsked)) <= tokens
  while (at < view.length && view[at]!.role !== "assistant") at += 1
  if (wholeFits || at >= view.length) return worth(view, lastAsked)
  const old = view.slice(0, at).filter((one) => one !== asked)
  if (!old.some((message) => !message.summary)) return undefined
  return { old, rest: [asked, ...view.slice(at)], asked }
}

function worth(view: readonly Message[], at: number): Division | undefined {
  const old = view.slice(0, at)
  return old.some((message) => !message.summary) ? { old, rest: view.slice(at) } : undefined
}

function isAsked(message: Message): boolean {
  return message.role === "user" && !message.synthetic
}

/** Characters that are shown to the summariser of one result of a tool, and of the arguments of a call. */
const RESULT_CHARS = 2_000
const CALL_CHARS = 600

/** A message as text for whoever summarises it. */
export function told(message: Message): string {
  const who = message.summary
    ? "Summary so far"
    : message.role === "tool"
      ? "Tools"
      : message.role === "user"
        ? "User"
        : "Assistant"
  const parts = message.content.map(toldPart).filter((text) => text !== "")
  return parts.length === 0 ? "" : `## ${who}\n${parts.join("\n")}`
}

function toldPart(part: Part): string {
  switch (part.type) {
    case "text":
      return part.text
    case "thinking":
      return ""
    case "tool.call":
      return `[calls ${part.name} ${shortened(part.raw ?? JSON.stringify(part.args ?? {}), CALL_CHARS)}]`
    case "tool.result": {
      const text = part.content.map((piece) => (piece.type === "text" ? piece.text : "[an image]")).join("\n")
      return `[${part.name} ${part.isError ? "failed" : "answered"}: ${shortened(text, RESULT_CHARS)}]`
    }
    case "link":
      return `[a link: ${part.name} ${part.uri}]`
    case "resource":
      return `[${part.uri}: ${shortened(part.text ?? "data", RESULT_CHARS)}]`
    case "file":
      return `[the file ${part.name}]`
    case "image":
      return "[an image]"
    case "audio":
      return "[a sound]"
  }
}

/** The beginning and the end: errors and sums stand last. */
function shortened(text: string, max: number): string {
  if (text.length <= max) return text
  const head = cut(text, Math.floor((max * 2) / 3))
  return `${head} … ${text.slice(text.length - Math.floor(max / 3))}`
}

// What an agent that remembers nothing of a conversation is told of it: the earlier messages as short text, the newest in full, before
// the message that it is to answer. Pure.
import { cut } from "../../base/text.ts"
import type { Message } from "../../protocol/message.ts"

const MAX_CHARS = 24_000
const MAX_MESSAGE_CHARS = 4_000

/** What a session held before this turn that its agent has not heard; `lastTurn`: the last one that it was part of. */
export function unheard(messages: readonly Message[], turnId: string, lastTurn: string | undefined): Message[] {
  const before = messages.filter((one) => one.turnId !== turnId)
  if (lastTurn === undefined) return before
  const last = before.findLastIndex((one) => one.turnId === lastTurn)
  // Summarised or taken back: what came after it cannot be told apart, and most of it the agent knows.
  return last < 0 ? [] : before.slice(last + 1)
}

/** Undefined when there is nothing to tell. */
export function preambleOf(messages: readonly Message[]): string | undefined {
  const told: string[] = []
  let left = MAX_CHARS
  for (const message of messages.toReversed()) {
    const text = lineOf(message)
    if (text === "") continue
    if (text.length > left) {
      told.push("[… earlier messages are left out …]")
      break
    }
    told.push(text)
    left -= text.length
  }
  if (told.length === 0) return undefined
  return [
    "<earlier_conversation>",
    "What was said in this conversation before you joined it, for your information. Answer only what follows after it.",
    "",
    told.reverse().join("\n\n"),
    "</earlier_conversation>",
  ].join("\n")
}

function lineOf({ content, role, synthetic, summary }: Message): string {
  const words = content.flatMap((part) => {
    if (part.type === "text") return [part.text]
    if (part.type === "tool.call") return [`[used ${part.name}]`]
    if (part.type === "thinking" || part.type === "tool.result") return []
    return [`[${part.type}]`]
  })
  const text = words.join("\n").trim()
  if (text === "") return ""
  const who = summary ? "Summary" : synthetic ? "Note" : role === "user" ? "User" : "Assistant"
  const shown = summary || text.length <= MAX_MESSAGE_CHARS ? text : `${cut(text, MAX_MESSAGE_CHARS)} […]`
  return `${who}: ${shown}`
}

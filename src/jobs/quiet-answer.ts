// Answers that are no news: the words by which an agent says so, for heartbeats and for results that would be told somewhere.

/** "ok-token": it said that nothing needs attention; "ok-empty": it said nothing. */
export type AnswerNews = "sent" | "ok-token" | "ok-empty"

const TOKEN = "HEARTBEAT_OK"
const SILENT = /^\W*NO_REPLY\W*$/i

/** HEARTBEAT_OK at the beginning or the end, and no more than `ackMaxChars` besides; NO_REPLY alone, in any case. */
export function newsOf(answer: string, ackMaxChars = 0): AnswerNews {
  const text = answer.trim()
  if (text === "") return "ok-empty"
  if (SILENT.test(text)) return "ok-token"
  // In bold or as code it is the same.
  const bare = text.replace(/^[*_`]+|[*_`]+$/g, "")
  if (!bare.startsWith(TOKEN) && !bare.endsWith(TOKEN)) return "sent"
  const rest = bare.startsWith(TOKEN) ? bare.slice(TOKEN.length) : bare.slice(0, -TOKEN.length)
  return rest.replace(/^[\s\p{P}\p{S}]+|[\s\p{P}\p{S}]+$/gu, "").length <= ackMaxChars ? "ok-token" : "sent"
}

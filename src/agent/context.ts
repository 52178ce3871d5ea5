// What fills a model's window in a session, counted roughly: what `/context` shows. Pure.
import { estimateTokens } from "../base/text.ts"
import type { Message } from "../protocol/message.ts"
import type { ToolSpec } from "../protocol/turn.ts"
import { inView, tokensOf } from "./summary.ts"

export interface WindowPart {
  part: "system" | "tools" | "summary" | "user" | "assistant" | "results"
  tokens: number
  /** Tools, or messages. */
  count: number
}

export interface WindowUse {
  usedTokens: number
  parts: WindowPart[]
  /** Messages of the session that the summary stands for. */
  summarised: number
}

export function windowUse(system: string, specs: readonly ToolSpec[], messages: readonly Message[]): WindowUse {
  const view = inView(messages)
  const summaries = view.filter((message) => message.summary)
  const others = view.filter((message) => !message.summary)
  const of = (part: WindowPart["part"], role: Message["role"]): WindowPart => {
    const these = others.filter((message) => message.role === role)
    return { part, tokens: tokensOf(these), count: these.length }
  }
  const parts: WindowPart[] = [
    { part: "system", tokens: estimateTokens(system), count: 1 },
    { part: "tools", tokens: estimateTokens(JSON.stringify(specs)), count: specs.length },
    { part: "summary", tokens: tokensOf(summaries), count: summaries.length },
    of("user", "user"),
    of("assistant", "assistant"),
    of("results", "tool"),
  ]
  const usedTokens = parts.reduce((sum, part) => sum + part.tokens, 0)
  return { usedTokens, parts, summarised: summaries[0]?.summary?.messages ?? 0 }
}

// Questions of an agent to the user (elicitation/create), and their answers as the wire words them. Pure.
import { unreachable } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { UserAnswer, UserQuestion } from "../../protocol/question.ts"
import type { Update } from "./session-book.ts"

/** Undefined for what is neither a form nor a page. */
export function questionOf(params: Update): UserQuestion | undefined {
  const { elicitationId, message, mode, requestedSchema, toolCallId, url } = params
  const said = typeof message === "string" ? message : ""
  const call = typeof toolCallId === "string" ? { callId: toolCallId } : {}
  if ((mode === "form" || mode === undefined) && isObject(requestedSchema))
    return { type: "form", message: said, schema: requestedSchema, ...call }
  if (mode === "url" && typeof url === "string" && typeof elicitationId === "string" && isPage(url))
    return { type: "url", message: said, url, elicitationId, ...call }
  return undefined
}

function isPage(url: string): boolean {
  const { protocol } = URL.parse(url) ?? {}
  return protocol === "https:" || protocol === "http:"
}

export function questionAnswer(answer: UserAnswer): unknown {
  switch (answer.type) {
    case "accepted":
      return { action: "accept", content: answer.content }
    case "declined":
      return { action: "decline" }
    case "canceled":
      return { action: "cancel" }
    default:
      return unreachable(answer)
  }
}

// What the client that started a turn lends to it: its editor, tools of MCP servers that it named, and its ear for questions.
import { excerpt } from "../base/text.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import type { TurnRequest } from "../protocol/turn.ts"
import type { Editor } from "../tools/editor.ts"
import type { Tool } from "../tools/tool.ts"

export interface Lent {
  editor?: Editor
  /** Beside the agent's own; only for this client's turns. */
  tools: readonly Tool[]
  /** Tools of the above that say something else of themselves than when they were offered; each change is given once. */
  takeRedefined?(): RedefinedTools[]
  /** Absent when the client shows no forms. */
  ask?(question: UserQuestion, signal: AbortSignal): Promise<UserAnswer>
}

export interface RedefinedTools {
  /** The MCP server's name. */
  server: string
  /** By the server's own names. */
  tools: readonly string[]
}

const MAX_NAMED = 20

/** What the session's reader is told of tools that are not what they were when they were offered. */
export function redefinedNotice({ server, tools }: RedefinedTools): RecordedEvent {
  const more = tools.length > MAX_NAMED ? ` and ${tools.length - MAX_NAMED} more` : ""
  const names = tools.slice(0, MAX_NAMED).join(", ")
  const text = `MCP server "${excerpt(server, 80)}" changed what it says of tools that it had offered: ${names}${more}. Look at them again before you allow a call.`
  return { type: "notice.posted", level: "warning", code: "mcp-tools-changed", text }
}

/** Undefined when the turn's client lends nothing, or is gone. */
export type Lending = (
  request: Pick<TurnRequest, "sessionKey" | "lender"> & Partial<Pick<TurnRequest, "turnId">>,
) => Promise<Lent | undefined>

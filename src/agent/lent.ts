// What the client that started a turn lends to it: its editor, tools of MCP servers that it named, and its ear for questions.
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import type { TurnRequest } from "../protocol/turn.ts"
import type { Editor } from "../tools/editor.ts"
import type { Tool } from "../tools/tool.ts"

export interface Lent {
  editor?: Editor
  /** Beside the agent's own; only for this client's turns. */
  tools: readonly Tool[]
  /** Absent when the client shows no forms. */
  ask?(question: UserQuestion, signal: AbortSignal): Promise<UserAnswer>
}

/** Undefined when the turn's client lends nothing, or is gone. */
export type Lending = (
  request: Pick<TurnRequest, "sessionKey" | "lender"> & Partial<Pick<TurnRequest, "turnId">>,
) => Promise<Lent | undefined>

// What an agent is told in one turn: its instructions where it could not take them otherwise, what it missed, and the user's message.
import type { HostedTurn } from "../../agent/harness.ts"
import type { AgentAbilities } from "./host-ports.ts"
import { preambleOf, unheard } from "./preamble.ts"
import { type Block, promptOf, textBlock } from "./prompt.ts"
import type { Opened } from "./session-open.ts"

export interface TurnWords {
  blocks: Block[]
  reduced: string[]
  /** There is something earlier that it does not remember. */
  missed: boolean
  /** It has been told all of it, or there is nothing. */
  caughtUp: boolean
}

const GO_ON = "Go on with the last request: you were interrupted while you worked on it."

/** Throws INVALID_PARAMS when there is nothing to say. */
export function turnBlocks(turn: HostedTurn, { instructed, memory }: Opened, abilities: AgentAbilities): TurnWords {
  const { profile, request } = turn
  const missing = unheard(turn.messages, request.turnId, memory?.lastTurn || undefined)
  const { blocks, reduced } = promptOf(partsOf(turn, memory?.lastTurn === request.turnId), abilities)
  const missed = memory === undefined && missing.length > 0
  // A command of the agent's own is one only at the beginning.
  const first = blocks[0]
  if (first?.["type"] === "text" && String(first["text"]).startsWith("/"))
    return { blocks, reduced, missed, caughtUp: missing.length === 0 }
  const before = [
    memory === undefined && !instructed ? instructions(profile.systemPrompt) : undefined,
    preambleOf(missing),
    instructions(request.systemPrompt),
  ]
  const told = before.flatMap((text) => (text === undefined ? [] : [textBlock(text)]))
  return { blocks: [...told, ...blocks], reduced, missed, caughtUp: true }
}

function instructions(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === "" ? undefined : `<instructions>\n${text}\n</instructions>`
}

/** The user's words of this turn; when the agent has had them already, only that it goes on. */
function partsOf({ messages, request }: HostedTurn, again: boolean): HostedTurn["request"]["input"] {
  const own = messages.filter((one) => one.role === "user" && one.turnId === request.turnId)
  if (!again) return own.length > 0 ? own.flatMap((one) => one.content) : request.input
  const notes = own.filter((one) => one.synthetic === true).flatMap((one) => one.content)
  return notes.length > 0 ? notes : [{ type: "text", text: GO_ON }]
}

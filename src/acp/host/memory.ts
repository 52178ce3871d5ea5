// What is kept of an agent's session across turns and restarts: which one it is, and how much of our conversation it has heard. Kept only
// as long as the agent, its working directory and the session of ours are the same.
import type { HostedTurn } from "../../agent/harness.ts"
import { isObject } from "../../base/json.ts"

export interface Remembered {
  /** The agent, as its configuration names it. */
  agent: string
  cwd: string
  /** The session of ours; another one after a reset. */
  row: string
  /** The agent's own id. */
  session: string
  /** The last turn that it was part of. */
  lastTurn: string
}

/** Undefined when there is none that this turn could go on with. */
export function remembered(turn: HostedTurn, agent: string): Remembered | undefined {
  const value = turn.memory.get()
  if (!isObject(value)) return undefined
  const { cwd, lastTurn, row, session } = value
  if (value["agent"] !== agent || cwd !== turn.cwd || row !== turn.session.id) return undefined
  if (typeof session !== "string" || session === "" || typeof lastTurn !== "string") return undefined
  // What was taken back must not be remembered.
  if (turn.request.replay !== undefined && lastTurn !== turn.request.turnId) return undefined
  return { agent, cwd: turn.cwd, row: turn.session.id, session, lastTurn }
}

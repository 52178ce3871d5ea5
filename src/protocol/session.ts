// Session keys: `agent:<agentId>:<rest>`, lower case (protocol §11.1, R-11). A key names a conversation; its id changes on reset.
import { PincerError } from "../base/errors.ts"

export const DEFAULT_AGENT = "main"
export const MAIN_KEY = "main"
const AGENT_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/
/** Longest key accepted, in UTF-16 units. */
const MAX_KEY = 512

export interface SessionName {
  key: string
  agentId: string
  rest: string
}

export function isAgentId(value: string): boolean {
  return AGENT_ID.test(value)
}

/**
 * Any form of session name in canonical form: a full key, a bare rest ("main", "work"), or nothing for the main session.
 * Throws INVALID_PARAMS when it is too long, holds control characters, or names a malformed agent.
 */
export function parseSessionKey(input: string | undefined, agentId: string = DEFAULT_AGENT): SessionName {
  const text = (input ?? MAIN_KEY).normalize("NFC").trim().toLowerCase()
  if (text.length > MAX_KEY || /[\u0000-\u001f\u007f]/.test(text))
    throw new PincerError("INVALID_PARAMS", `Session key is too long or holds control characters (at most ${MAX_KEY})`)
  const match = /^agent:([^:]*):(.+)$/s.exec(text)
  const agent = match ? match[1]! : agentId.toLowerCase()
  const rest = match ? match[2]! : text === "" ? MAIN_KEY : text
  if (!isAgentId(agent)) throw new PincerError("INVALID_PARAMS", `Invalid agent id "${agent}": use a-z, 0-9, "-", "_"`)
  if (rest.startsWith("agent:")) throw new PincerError("INVALID_PARAMS", `Invalid session key "${text}"`)
  return { key: `agent:${agent}:${rest}`, agentId: agent, rest }
}

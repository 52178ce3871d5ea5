// Tool policy beyond names: layers of rules, each of which can only narrow, and what a human allowed for good.
import type { RuleOffer } from "../protocol/approval.ts"

/** One layer; where it stands is its source ("tools", "agents.entries.work.tools", "session" …). */
export interface PolicyLayer {
  source: string
  profile?: string
  allow?: readonly string[]
  alsoAllow?: readonly string[]
  deny?: readonly string[]
}

/** A remembered permission: answers an "ask", never lifts a "deny". */
export interface Grant {
  id: string
  /** "session": until the session is reset; "agent": until it is removed. */
  scope: "session" | "agent"
  agentId: string
  sessionKey: string | null
  tool: string
  match: RuleOffer["match"]
  createdAt: number
  createdBy: string
}

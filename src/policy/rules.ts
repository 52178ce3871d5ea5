// Tool policy beyond names: layers of rules, each of which can only narrow, and what a human allowed for good. Plain data as the
// configuration has it, with the source of each layer added.
import type { RuleOffer } from "../protocol/approval.ts"
import type { ToolProfile } from "./profiles.ts"

export type RuleVerdict = "allow" | "ask" | "deny"

/** What arguments of a call may be. A call that matches a `deny`, or no entry of a non-empty `allow`, is denied; in doubt it asks. */
export interface ArgumentRule {
  /** Names, aliases, groups, patterns. */
  tools: readonly string[]
  /** Files and folders that are read or written, also by commands; see matchesPath(). */
  paths?: { allow?: readonly string[]; deny?: readonly string[] }
  /** "example.com", "*.example.com", with ":port" or without. */
  hosts?: { allow?: readonly string[]; deny?: readonly string[] }
  /** Allowed: resolved binary and argument patterns, for every program of the line. Denied: also by a bare name. */
  commands?: { allow?: readonly (readonly string[])[]; deny?: readonly (readonly string[])[] }
  /** JSON Schema that the arguments must satisfy. */
  schema?: Readonly<Record<string, unknown>>
}

/** How often calls that a rule names may be made, all of them together. */
export interface RateRule {
  tools: readonly string[]
  perTurn?: number
  perMinute?: number
  perDay?: number
  /** Whose calls are counted; default: those of this sender with this agent. */
  per?: "session" | "sender" | "agent"
}

export interface ContextRule {
  tools: readonly string[]
  /** All that is said must hold. */
  when: {
    /** Local time "HH:MM", from and to; over midnight when the second is earlier. */
    between?: readonly [string, string]
    /** 0 is Sunday; of a time over midnight the day on which it began. */
    days?: readonly number[]
    doors?: readonly string[]
    channels?: readonly string[]
    senders?: readonly string[]
    tainted?: boolean
    subAgent?: boolean
  }
  /** "allow" answers what the mode or taint would ask; it lifts no denial. */
  verdict: RuleVerdict
}

/** What a conversation that has read text from outside may still do unasked. */
export interface TaintRule {
  exec?: RuleVerdict
  network?: RuleVerdict
  messages?: RuleVerdict
}

/** One layer; where it stands is its source ("policy", "agents.entries.work.policy", "session" …). */
export interface PolicyLayer {
  source: string
  /** Set when it is about who asks: its denials belong to the step "identity". */
  about?: "channel" | "sender" | "subAgents"
  profile?: ToolProfile
  /** When not empty, everything else is denied; a list that names only tools of plug-ins adds and does not restrict. */
  allow?: readonly string[]
  /** Added to what the layer's profile has. */
  alsoAllow?: readonly string[]
  /** Always wins. */
  deny?: readonly string[]
  arguments?: readonly ArgumentRule[]
  rates?: readonly RateRule[]
  contexts?: readonly ContextRule[]
  /** Commands that need no question: resolved binary, then argument patterns ("*" any word, a final "**" any more). */
  commands?: readonly (readonly string[])[]
  /** Hosts that network tools may contact unasked. */
  hosts?: readonly string[]
  tainted?: TaintRule
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

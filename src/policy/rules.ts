// Tool policy beyond names: layers of rules, each of which can only narrow, and what a human allowed for good. Plain data as the
// configuration has it, with the source of each layer added.
import type { RuleOffer } from "../protocol/approval.ts"

export type RuleVerdict = "allow" | "ask" | "deny"
export type ToolProfile = "minimal" | "coding" | "messaging" | "full"

/** What arguments of a call may be. A call that matches a `deny`, or no entry of a non-empty `allow`, is denied. */
export interface ArgumentRule {
  /** Names, aliases, groups, patterns. */
  tools: readonly string[]
  /** Absolute paths that are read or written: exact, or a folder with `/**`. Relative ones are below the workspace. */
  paths?: { allow?: readonly string[]; deny?: readonly string[] }
  /** "example.com", "*.example.com", with ":port" or without. */
  hosts?: { allow?: readonly string[]; deny?: readonly string[] }
  /** Resolved binary and argument patterns; every program of a command is held against them. */
  commands?: { deny?: readonly (readonly string[])[] }
  /** JSON Schema that the arguments must satisfy. */
  schema?: Readonly<Record<string, unknown>>
}

export interface RateRule {
  tools: readonly string[]
  perTurn?: number
  /** By this agent for this sender. */
  perMinute?: number
  perDay?: number
}

export interface ContextRule {
  tools: readonly string[]
  when: {
    /** Local time "HH:MM", from and to; over midnight when the second is earlier. */
    between?: readonly [string, string]
    /** 0 is Sunday. */
    days?: readonly number[]
    doors?: readonly string[]
    channels?: readonly string[]
    senders?: readonly string[]
    tainted?: boolean
    subAgent?: boolean
  }
  verdict: "ask" | "deny"
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
  profile?: ToolProfile
  /** When not empty, everything else is denied. */
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

/** Tools of each profile; "full" has no list (protocol §12.1). */
export const PROFILES: Readonly<Record<Exclude<ToolProfile, "full">, readonly string[]>> = {
  minimal: ["session_status"],
  coding: ["group:fs", "group:runtime", "group:web", "group:sessions", "group:memory", "TodoWrite"],
  messaging: ["group:messaging", "sessions_list", "sessions_history", "sessions_send", "session_status", "TodoWrite"],
}

/** What sub-agents lose unless a layer's alsoAllow names it (protocol §12.1). */
export const NOT_FOR_SUB_AGENTS: readonly string[] = [
  "sessions_list",
  "sessions_history",
  "sessions_send",
  "sessions_spawn",
  "gateway",
  "agents_list",
  "session_status",
  "cron",
  "memory_search",
  "memory_get",
]
